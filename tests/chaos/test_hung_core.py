"""A Registry, a Hub or a Watchdog that stands still is restarted alone."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hanging import LONG, SOON, config, evidence, let_pass, system

from kite.testing.system import ECHO, System

__all__ = ["system"]


@pytest.mark.parametrize("name", ["registry", "event_hub"])
def test_core_is_stopped(system: System, name: str) -> None:
    """The Watchdog has it restarted alone; modules live on and come back to it."""
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    before = system.records()
    hung = system.kill(name, signal.SIGSTOP)
    system.wait(lambda: system.record(name)["pid"] not in (hung, None), LONG)
    system.wait(lambda: system.record(name)["actual_state"] == "running", LONG)
    asked = system.steps(name, "requested")
    assert [(s["verb"], s["by"], s["reason"]) for s in asked] == [
        ("restart", "watchdog", "unhealthy")
    ]
    assert '"condition": "stopped"' in evidence(system, name)[0]
    assert system.wait_answer("echo.echo", 1)["data"] == 1
    after = system.records()
    assert {n for n in before if before[n]["pid"] != after[n]["pid"]} == {name}


def test_watchdog_is_stopped(system: System) -> None:
    """The Launcher restarts it, and then it does its work."""
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    hung = system.kill("watchdog", signal.SIGSTOP)
    system.wait_step("watchdog", "started", count=2, timeout=LONG)
    (unhealthy,) = system.steps("watchdog", "unhealthy")
    assert (unhealthy["life"], unhealthy["detail"]) == (1, "connection stopped")
    system.wait_log("watchdog", f"process {hung}, ")
    system.wait_log("watchdog", "T (stopped)")
    assert system.record("watchdog")["restarts"] == 1
    let_pass(system, "echo")


STUCK = """
import signal
import threading

def stick(*_):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

signal.signal(signal.SIGUSR1, stick)
"""
"""As `sitecustomize`: the main thread waits for itself, and never comes back."""


def test_watchdog_is_deadlocked(tmp_path: Path) -> None:
    (tmp_path / "stuck").mkdir()
    (tmp_path / "stuck" / "sitecustomize.py").write_text(STUCK)
    made = config(PYTHONPATH=str(tmp_path / "stuck"))
    made["modules"]["watchdog"]["warm"] = False  # else no interpreter starts that would read it
    with System(tmp_path, config=made) as system:
        system.module("witness", stop=SOON)
        system.up("--wait")
        system.kill("watchdog", signal.SIGUSR1)
        system.wait_step("watchdog", "started", count=2, timeout=LONG)
        (unhealthy,) = system.steps("watchdog", "unhealthy")
        assert unhealthy["detail"] == "connection asleep"
        system.wait_log("watchdog", "futex")
        let_pass(system, "witness")


def test_watchdog_is_stopped_while_the_hub_is_restarted(system: System) -> None:
    """The Hub that comes next has never heard of it, and cannot call it silent."""
    system.module("witness", stop=SOON)
    system.up("--wait")
    system.kill("watchdog", signal.SIGSTOP)
    system.kill("event_hub")
    system.wait_step("watchdog", "started", count=2, timeout=LONG)
    let_pass(system, "witness")
