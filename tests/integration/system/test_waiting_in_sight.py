"""Dependents wait in sight: with reason and time, can be stopped meanwhile, start by themselves."""

from __future__ import annotations

import json
import random

import pytest

from kite.testing.system import System

SLOW = {
    "command": ["sh", "-c", "exec sleep 1000"],
    "ready": {"log": "never"},
    "launch": {"timeout": 600},
}
FLAKY = """
import pathlib, sys, time
tries = pathlib.Path("tries")
count = len(tries.read_text()) if tries.exists() else 0
tries.write_text("x" * (count + 1))
if count < 2:
    sys.exit(3)
print("up", flush=True)
time.sleep(1000)
"""
"""It crashes twice, and is ready the third time."""


def spawned(system: System, name: str) -> list[int]:
    """The processes that ever were of a module, and live."""
    pids = {step["pid"] for step in system.steps(name, "spawned")}
    return sorted(pids & system.census.look().keys())


def test_a_dependent_says_what_it_waits_for_and_since_when(system: System) -> None:
    system.module("indexer", state="manual", **SLOW)
    system.module("web", state="manual", depends_on=["indexer"])
    system.module("page", state="manual", depends_on={"web": "started"})
    system.up("--wait")
    system.act("start", "page", wait=False, status=202)
    record = system.wait_state("page", "waiting")
    assert record["waiting_for"] == ["web"]
    assert record["waiting_on"] == [
        {
            "name": "web",
            "condition": "started",
            "actual_state": "waiting",
            "since": system.record("web")["state_since"],
        }
    ]
    assert record["state_since"] <= system.steps("page", "waiting")[-1]["ts"]
    (row,) = [line for line in system.kite("ps").out.splitlines() if line.startswith("web ")]
    assert "waits for indexer to be ready, " in row
    told = json.loads(system.kite("explain", "page", "--json").out)
    (web,) = told["waiting"]["on"]
    (indexer,) = web["on"]
    assert (indexer["name"], indexer["condition"], indexer["actual_state"]) == (
        *("indexer", "ready"),
        "starting",
    )


def test_a_dependency_that_crashes_twice_lets_its_dependent_start_by_itself(system: System) -> None:
    folder = system.module("base", FLAKY, ready={"log": "^up$"}, restart={"max": 5})
    system.module("user", depends_on=["base"])
    system.up("-d")
    system.wait_state("user", "running")
    assert len(system.steps("base", "exited", exit_code=3)) == 2
    (starting,) = system.steps("user", "starting")
    assert starting["after"] == ["base"]
    assert system.steps("base", "started")[-1]["ts"] <= starting["ts"]
    assert not system.steps("user", "requested")
    system.write(folder / "tries", "xxx")


def test_a_dependent_that_waits_can_be_stopped_and_stays_so(system: System) -> None:
    system.module("base", state="manual", **SLOW)
    system.module("user", depends_on=["base"])
    system.up("-d")
    system.wait_state("user", "waiting")
    assert system.act("stop", "user")["actual_state"] == "stopped"
    system.act("stop", "base")
    system.module("base")
    system.kite("rescan")
    assert system.act("start", "base")["actual_state"] == "running"
    assert system.record("user")["actual_state"] == "stopped"
    assert system.steps("user", "starting") == []
    assert system.record("user")["waiting_on"] == []


@pytest.mark.parametrize("condition", ["started", "completed"])
def test_what_is_not_ready_may_be_far_enough(system: System, condition: str) -> None:
    """`started`: its process is there; `completed`: it has ended with status 0."""
    if condition == "started":
        system.module("base", **SLOW)
    else:
        system.module("base", "print('made')")
    system.module("user", depends_on={"base": condition})
    system.up("-d")
    system.wait_state("user", "running")
    (starting,) = system.steps("user", "starting")
    event = "starting" if condition == "started" else "exited"
    assert system.steps("base", event)[0]["ts"] <= starting["ts"]
    if condition == "completed":
        assert starting["after"] == ["base"]


@pytest.mark.slow
def test_a_hundred_verbs_on_one_that_waits_leave_one_process_or_none(system: System) -> None:
    """Restart and stop while it waits, and while what it waits for comes and goes."""
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")  # noqa: T201  (shown with a failure)
    system.module(
        "base", command=["sh", "-c", "sleep 0.02; echo up; exec sleep 1000"], ready={"log": "up"}
    )
    system.module("user", depends_on=["base"])
    system.up("-d")
    for _ in range(100):
        verb = chance.choice(["start", "stop", "restart"])
        name = chance.choice(["user", "user", "base"])
        system.call("POST", f"/launcher/modules/{name}/{verb}", {"reason": "torture"})
        assert len(spawned(system, "user")) <= 1, f"seed {seed}"
    system.act("start", "base")
    assert system.act("start", "user")["actual_state"] == "running"
    assert len(spawned(system, "user")) == 1, f"seed {seed}"
    system.act("stop", "user")
    assert spawned(system, "user") == [], f"seed {seed}"
