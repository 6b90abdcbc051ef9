"""SIGKILL for Registry, Hub, Launcher and guard, in random order at random moments.

Afterwards either everything is back or nothing is left and `kite up` works. The seed is printed with
every failure; `KITE_CHAOS_SEED=n` repeats it and `KITE_CHAOS_ROUNDS=n` goes on for longer.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

from kite.testing import misbehaving
from kite.testing.census import is_alive
from kite.testing.system import ECHO, System

SEED = int(os.environ.get("KITE_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
ROUNDS = int(os.environ.get("KITE_CHAOS_ROUNDS") or 4)
VICTIMS = ("registry", "event_hub", "launcher", "guard")


def find(system: System, name: str) -> list[int]:
    """The processes of this name now, however far the start has come."""
    words = "kite.launcher.entry" if name in ("launcher", "guard") else f"kite.{name}.entry"
    found = sorted(pid for pid, command in system.census.look().items() if words in command)
    # The guard forks the Launcher: it has the smaller number but where numbers begin anew.
    return found[:1] if name == "guard" else found[-1:]


def write_modules(system: System) -> None:
    system.module("echo", ECHO, runtime="python")
    system.module("sleeper", depends_on=["echo"])
    system.module("daemon", misbehaving.DAEMONIZES, ready={"log": "^up$"})


def settle(system: System, story: str, begun: subprocess.Popen[str] | None = None) -> None:
    """Everything is back, or nothing is left and it can be started again.

    Args:
        begun: a `kite up` that may not have come so far as to be the Launcher.
    """

    def is_settled() -> bool:
        if not find(system, "launcher"):
            return begun is None or begun.poll() is not None
        try:
            records = system.records()
            phase = system.call("GET", "/launcher").body["phase"]
        except (OSError, AssertionError):
            return False
        states = {record["actual_state"] for record in records.values()}
        return phase == "running" and states <= {"running", "stopped"}

    system.wait(is_settled, timeout=40, what=f"an end of: {story}")
    if not find(system, "launcher"):
        left = {pid for pid, words in system.census.look().items() if "time.sleep" not in words}
        system.wait_gone(*left)
        system.up("--wait")
        # What nobody was left to end (the daemon) is ended by the next Launcher: there are the
        # guard, the three, the template that others are forked from, and four processes of modules.
        assert len(system.census.look()) == 9, (story, system.census.look(), system.tell())
    assert system.wait_answer("echo.echo", story)["data"] == story


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["starting", "running", "stopping"])
def test_three_processes_killed_in_any_order(system: System, moment: str) -> None:
    write_modules(system)
    chance = random.Random(f"{SEED} {moment}")
    for number in range(ROUNDS):
        begun = None
        victims = chance.sample(VICTIMS, chance.randint(1, 3))
        delays = [chance.uniform(0.0, 0.25) for _ in victims]
        story = f"seed {SEED}, {moment}, round {number}: {list(zip(victims, delays, strict=True))}"
        print(story)  # noqa: T201  (shown with a failure)
        match moment:
            case "starting":
                if system.is_up:
                    system.down(status=None)
                system.wait_nothing_left()
                begun = system.spawn("up", "--quiet")
                time.sleep(chance.uniform(0.0, 0.8))
            case "running":
                if not system.is_up:
                    system.up("--wait")
            case _:
                if not system.is_up:
                    system.up("--wait")
                system.remember()
                system.call("POST", "/launcher/shutdown")
        for victim, delay in zip(victims, delays, strict=True):
            time.sleep(delay)
            for pid in find(system, victim):
                if is_alive(pid):
                    os.kill(pid, signal.SIGKILL)
        settle(system, story, begun)
