"""SIGKILL for the Launcher and its guard: nothing stays, and the next `kite up` finds its way."""

from __future__ import annotations

import os
import signal

from kite.testing import misbehaving
from kite.testing.census import is_alive
from kite.testing.system import ECHO, System


def start(system: System) -> None:
    system.module("echo", ECHO, runtime="python")
    system.module("sleeper")
    system.module("idle")
    system.up("--wait")
    system.act("stop", "idle")


def assert_it_starts_again(system: System) -> None:
    system.up("--wait")
    assert system.wait_answer("echo.echo", "again")["data"] == "again"
    idle = system.record("idle")
    assert (idle["desired_state"], idle["actual_state"]) == ("stopped", "stopped")


def test_launcher_killed(system: System) -> None:
    start(system)
    system.remember()
    system.kill("launcher")
    system.wait_nothing_left()
    outcome = system.kite("ps", status=3)
    assert "kite up" in outcome.err
    assert_it_starts_again(system)


def test_guard_killed(system: System) -> None:
    """The Launcher notices and stops everything in good order."""
    start(system)
    launcher = system.api["pid"]
    system.kill("guard")
    system.wait_gone(launcher)
    system.wait_nothing_left()
    assert not (system.launcher_dir / "api.json").exists()
    assert system.steps("echo", "stopped")[-1]["reason"] == "system_shutdown"
    assert_it_starts_again(system)


def test_launcher_and_guard_killed_together(system: System) -> None:
    """Nobody is left to clear up but the kernel, which ends direct children at once, and then the
    next Launcher."""
    system.module("daemon", misbehaving.DAEMONIZES, ready={"log": "up"})
    start(system)
    (daemon,) = map(int, system.printed("daemon", "daemon"))
    assert is_alive(daemon)
    system.remember()
    guard, launcher = system.guard_pid, system.api["pid"]
    direct = [pid for record in system.records().values() if (pid := record["pid"])]
    assert len(direct) >= 6
    for pid in (guard, launcher):
        os.kill(pid, signal.SIGKILL)
    system.wait_gone(guard, *direct)
    assert_it_starts_again(system)
    system.wait_gone(daemon)
    system.printed("daemon", "daemon", count=2)


def test_launcher_killed_while_it_stops(system: System) -> None:
    stubborn = {"ready": {"log": "up"}, "state": "manual", "stop": {"timeout": 0.5}}
    system.module("stubborn", misbehaving.IGNORES_SIGTERM, **stubborn)
    start(system)
    system.act("start", "stubborn")
    system.remember()
    launcher = system.api["pid"]
    assert system.call("POST", "/launcher/shutdown").status == 202
    system.wait_step("stubborn", "stopping")
    os.kill(launcher, signal.SIGKILL)
    system.wait_nothing_left()
    assert_it_starts_again(system)
    system.act("stop", "stubborn")  # a full stop would wait for it longer


def test_whole_process_group_of_a_foreground_kite_gets_ctrl_c(system: System) -> None:
    system.module("echo", ECHO, runtime="python")
    kite = system.spawn("up", "--quiet")
    system.wait_step("echo", "started")
    os.killpg(kite.pid, signal.SIGINT)
    kite.communicate(timeout=20)
    assert kite.returncode == 0
    system.wait_nothing_left()
    assert system.steps("echo", "stopped")[-1]["exit_code"] == 0
