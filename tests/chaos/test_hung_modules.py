"""Modules that stand still are restarted, with evidence; those that compute or wait are not."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hanging import FRAIL, LONG, SOON, ask, config, evidence, let_pass, system, wait_restarted

from kite.testing.system import ECHO, System

__all__ = ["system"]


def lives(system: System, name: str) -> int:
    """How many lives of a module have been ready."""
    return len(system.steps(name, "started"))


def cases(system: System) -> list[dict[str, Any]]:
    """What the Watchdog knows of everybody."""
    found: list[dict[str, Any]] = system.request("watchdog.status")["modules"]
    return found


def test_module_is_stopped(system: System) -> None:
    """SIGSTOP, with a connection to the Hub and without one."""
    system.module("echo", ECHO, runtime="python")
    system.module("sleeper", stop=SOON)
    system.up("--wait")
    for name in ("echo", "sleeper"):
        system.kill(name, signal.SIGSTOP)
    for name in ("echo", "sleeper"):
        wait_restarted(system, name)
        found = evidence(system, name)
        assert '"condition": "stopped"' in found[0]
        assert "State:\tT (stopped)" in found[0]
    assert system.wait_answer("echo.echo")["life"] == 2


def test_one_replica_is_stopped_and_the_others_serve_on(system: System) -> None:
    """Not the newest one: each life is judged, and restarted, on its own."""
    system.module("crew", ECHO.replace('"echo"', '"crew"'), runtime="python", replicas=3)
    system.up("--wait")
    before = {each["life"]: each["pid"] for each in system.record("crew")["replicas"]}
    os.kill(before[1], signal.SIGSTOP)
    system.wait_step("crew", "stopping", timeout=LONG)
    system.wait_step("crew", "started", life=4, timeout=LONG)
    after = {each["life"]: each["pid"] for each in system.record("crew")["replicas"]}
    assert sorted(after) == [2, 3, 4]
    assert (after[2], after[3]) == (before[2], before[3])
    stopping = system.steps("crew", "stopping")
    assert [(s["life"], s["replica"], s["reason"]) for s in stopping] == [(1, 0, "unhealthy")]
    found = evidence(system, "crew-1")
    assert '"condition": "stopped"' in found[0]
    assert f"process {before[1]}, " in found[0]
    assert evidence(system, "crew-2") + evidence(system, "crew-3") == []
    rows = [row for row in cases(system) if row["module_id"] == "crew"]
    assert [(row["life"], row["replica"], row["restarts"]) for row in rows] == [
        *[(4, 0, 1), (2, 1, 0), (3, 2, 0)]
    ]


def test_one_replica_is_deadlocked_and_the_others_serve_on(system: System) -> None:
    system.module("frail", FRAIL, runtime="python", replicas=2)
    system.up("--wait")
    ask(system, "frail.deadlock")
    system.wait_step("frail", "started", life=3, timeout=LONG)
    assert [s["reason"] for s in system.steps("frail", "stopping")] == ["unhealthy"]
    assert len(system.record("frail")["replicas"]) == 2


def test_module_is_deadlocked(system: System) -> None:
    system.module("frail", FRAIL, runtime="python")
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    ask(system, "frail.deadlock")
    wait_restarted(system, "frail")
    found = evidence(system, "frail")
    assert '"condition": "asleep"' in found[0]
    assert "futex" in found[0]
    assert lives(system, "echo") == 1


def test_module_computes_without_end(system: System) -> None:
    """It is degraded, and lives on for as long as it takes to restart another."""
    system.module("frail", FRAIL, runtime="python")
    system.module("witness", stop=SOON)
    system.up("--wait")
    ask(system, "frail.spin")
    system.wait(lambda: system.record("frail")["health"]["status"] == "degraded", LONG)
    assert system.record("frail")["health"]["detail"] == "connection busy"
    let_pass(system, "witness")
    assert lives(system, "frail") == 1


def test_module_computes_for_far_too_long(tmp_path: Path) -> None:
    with System(tmp_path, config=config(WATCHDOG_BUSY="3")) as system:
        system.module("frail", FRAIL, runtime="python")
        system.up("--wait")
        ask(system, "frail.spin")
        wait_restarted(system, "frail")
        assert '"condition": "busy"' in evidence(system, "frail")[0]


def test_module_waits_for_its_upstream(system: System) -> None:
    """A handler that waits does not stop the loop: nothing is said against it."""
    system.module("frail", FRAIL, runtime="python")
    system.module("witness", stop=SOON)
    system.up("--wait")
    ask(system, "frail.upstream")
    let_pass(system, "witness")
    assert lives(system, "frail") == 1
    assert evidence(system, "frail") == []


def test_module_is_excused_by_its_manifest(system: System) -> None:
    system.module("frail", FRAIL, runtime="python", health={"heartbeat": False})
    system.module("witness", stop=SOON)
    system.up("--wait")
    system.kill("frail", signal.SIGSTOP)
    let_pass(system, "witness")
    assert lives(system, "frail") == 1
    system.kill("frail", signal.SIGCONT)
    assert system.wait_answer("frail.echo", 1) == 1


def test_module_is_debugged(system: System) -> None:
    system.module("frail", FRAIL, runtime="python")
    system.module("witness", stop=SOON)
    system.up("--wait")
    pid = system.pid("frail")
    assert pid
    with traced(pid):
        let_pass(system, "witness")
    assert lives(system, "frail") == 1
    assert system.wait_answer("frail.echo", 1) == 1


class traced:
    """A process stands in a debugger's hands."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17

    def __init__(self, pid: int) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = [
            ctypes.c_long,
            ctypes.c_long,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        self._libc.ptrace.restype = ctypes.c_long
        self._pid = pid

    def __enter__(self) -> None:
        if self._libc.ptrace(self.SEIZE, self._pid, None, None) != 0:
            pytest.skip(f"this system allows no tracing: {os.strerror(ctypes.get_errno())}")
        assert self._libc.ptrace(self.INTERRUPT, self._pid, None, None) == 0
        os.waitpid(self._pid, 0x40000000)  # __WALL

    def __exit__(self, *_: object) -> None:
        self._libc.ptrace(self.DETACH, self._pid, None, None)
