"""Modules that cannot start or keep crashing: given up, told about, mended, started again."""

from __future__ import annotations

import pytest

from kite.testing import misbehaving
from kite.testing.system import ECHO, System

LOG = {"log": "^up$"}


def test_module_never_becomes_ready(system: System) -> None:
    """A launch timeout is a failure, dependents wait; mended and rescanned both start."""
    launch = {"timeout": 0.3}
    system.module("mute", misbehaving.NEVER_READY, ready=LOG, launch=launch, restart={"max": 2})
    system.module("after", depends_on=["mute"])
    system.module("sleeper")
    outcome = system.up("--wait", status=4)
    assert "mute" in outcome.err
    assert "after" in outcome.err
    assert "sleeper" not in outcome.err
    assert system.steps("mute", "start_failed", reason="launch_timeout")
    mute, after = system.record("mute"), system.record("after")
    assert mute["actual_state"] == "failed"
    assert "0.3" in mute["error"]
    assert mute["next_try"]
    assert (after["actual_state"], after["waiting_for"]) == ("waiting", ["mute"])
    system.module("mute", misbehaving.SLEEPS, ready=LOG)
    answer = system.call("POST", "/launcher/rescan")
    assert answer.body["changed"] == ["mute"]
    system.act("start", "mute")
    assert system.wait_state("after", "running")["waiting_for"] == []


def test_module_crashes_in_a_loop(system: System) -> None:
    """Restarted at once, then with backoff, then given up; a start request clears the count."""
    restart = {"max": 3, "backoff": {"initial": 0.1}}
    folder = system.module("crasher", misbehaving.CRASHES, ready=LOG, restart=restart)
    system.module("sleeper")
    system.up("--wait", status=4)
    crasher = system.record("crasher")
    assert (crasher["actual_state"], crasher["restarts"], crasher["exit_code"]) == ("failed", 2, 1)
    assert crasher["desired_state"] == "running"
    delays = [step["delay"] for step in system.steps("crasher", "restarting")]
    assert delays[0] == 0
    assert 0 < delays[1] <= 0.1
    assert "it cannot go on like this" in system.kite("logs", "crasher").out
    system.write(folder / "main.py", misbehaving.SLEEPS)
    started = system.act("start", "crasher")
    assert (started["actual_state"], started["error"]) == ("running", None)
    system.kill("crasher")
    assert system.wait_step("crasher", "restarting", count=3)["delay"] == 0
    again = system.wait_state("crasher", "running")
    assert (again["signal"], again["exit_code"]) == (9, None), "why it is in this life"
    assert "SIGKILL" not in system.kite("ps").out


def test_three_modules_fail_and_everything_stops(system: System) -> None:
    for name in ("one", "two", "three"):
        system.module(name, misbehaving.CRASHES, ready=LOG, restart={"max": 1})
    system.module("echo", ECHO, runtime="python")
    kite = system.spawn("up", "--quiet")
    _, said = kite.communicate(timeout=30)
    assert kite.returncode == 1
    for name in ("one", "two", "three"):
        assert name in said
    system.wait_nothing_left()
    assert not system.is_up


def test_two_modules_fail_and_the_rest_runs(system: System) -> None:
    for name in ("one", "two"):
        system.module(name, misbehaving.CRASHES, ready=LOG, restart={"max": 1})
    system.module("echo", ECHO, runtime="python")
    system.up("--wait", status=4)
    assert system.request("echo.echo", "hello")["data"] == "hello"


def test_dependency_recovers_and_its_dependents_start(system: System) -> None:
    """A failed dependency that is tried again, and succeeds, lets the chain above it start."""
    folder = system.module("base", misbehaving.CRASHES, ready=LOG, restart={"max": 1})
    system.module("middle", depends_on=["base"])
    system.module("top", depends_on=["middle"])
    outcome = system.up("--wait", status=4)
    for name in ("base", "middle", "top"):
        assert name in outcome.err
    system.write(folder / "main.py", misbehaving.SLEEPS)
    system.act("start", "base")
    system.wait_state("top", "running")
    started = [step["module"] for step in system.steps(event="started")]
    assert started[-3:] == ["base", "middle", "top"]


@pytest.mark.parametrize("kind", ["command", "runtime"])
def test_program_is_missing(system: System, kind: str) -> None:
    """Not retried until a start; the others run on."""
    keys = {
        "command": {"command": ["no-such-program-anywhere"]},
        "runtime": {"runtime": "python", "entry": "gone.py"},
    }[kind]
    folder = system.module("lost", **keys)
    system.module("sleeper")
    outcome = system.up("--wait", status=4)
    assert "lost" in outcome.err
    lost = system.record("lost")
    assert (lost["actual_state"], lost["error_code"], lost["pid"]) == (
        "failed",
        "program_not_found",
        None,
    )
    wanted = "no-such-program-anywhere" if kind == "command" else "gone.py"
    assert wanted in lost["error"]
    assert lost["next_try"] is None
    assert len(system.steps("lost", "start_failed")) == 1
    assert system.record("sleeper")["actual_state"] == "running"
    if kind == "runtime":
        system.write(folder / "gone.py", ECHO)
        system.act("start", "lost")
        assert system.wait_answer("lost.echo", 3)["data"] == 3
