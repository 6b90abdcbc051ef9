"""Modules that stand still are restarted with evidence; a machine that does costs nobody its life.

The thresholds are a tenth of the usual ones, so that nobody has to wait.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kite.errors import RequestError
from kite.testing.system import ECHO, System

FRAIL = """
import asyncio
import os
import threading
import time
from kite import Module

module = Module()
name = os.environ["KITE_MODULE"]
first, second = threading.Lock(), threading.Lock()

@module.handle(f"{name}.deadlock")
async def deadlock(request):
    holds = threading.Event()

    def other():
        with second:
            holds.set()
            with first:
                pass

    with first:
        threading.Thread(target=other, daemon=True).start()
        holds.wait()
        with second:
            pass

@module.handle(f"{name}.spin")
async def spin(request):
    while True:
        pass

@module.handle(f"{name}.upstream")
async def upstream(request):
    await asyncio.sleep(1000)

@module.handle(f"{name}.echo")
async def echo(request):
    return request.data

module.run()
"""
"""Stands still in the way that it is asked to."""

INTERVAL = 0.5
SILENCE = 0.9
LONG = 60.0
"""Seconds: a hung module takes 8 to be ended, and this machine may be busy."""


def config(**environ: str) -> dict[str, Any]:
    env = {"WATCHDOG_INTERVAL": str(INTERVAL), **environ}
    return {
        "hub": {"limits": {"silence_seconds": SILENCE}},
        "modules": {"watchdog": {"env": env}, "event_hub_bench": {"state": "disabled"}},
    }


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A system whose Watchdog and Hub are in a hurry; at its end nothing of it may be left."""
    with System(tmp_path, config=config()) as made:
        yield made


def ask(system: System, subject: str) -> None:
    """Ask for something that is never answered."""
    with pytest.raises(RequestError, match="no answer") as unanswered:
        system.request(subject, timeout=0.5)
    assert unanswered.value.code == "request_timeout"


def lives(system: System, name: str) -> int:
    """How many lives of a module have been ready."""
    return len(system.steps(name, "started"))


def evidence(system: System, name: str) -> list[str]:
    """The Watchdog's files about a module."""
    folder = system.instance_dir / "watchdog" / "evidence"
    return [path.read_text() for path in sorted(folder.glob(f"*-{name}-*.txt"))]


def cases(system: System) -> list[dict[str, Any]]:
    """What the Watchdog knows of everybody."""
    found: list[dict[str, Any]] = system.request("watchdog.status")["modules"]
    return found


def wait_restarted(system: System, name: str) -> None:
    system.wait_step(name, "started", count=2, timeout=LONG)
    assert system.steps(name, "stopping")[0]["reason"] == "unhealthy"


def let_pass(system: System, witness: str) -> None:
    """Wait for as long as it takes to find and restart another module that is hung."""
    system.kill(witness, signal.SIGSTOP)
    wait_restarted(system, witness)


def test_module_is_stopped(system: System) -> None:
    """SIGSTOP, with a connection to the Hub and without one."""
    system.module("echo", ECHO, runtime="python")
    system.module("sleeper")
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
    system.module("witness")
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
    system.module("witness")
    system.up("--wait")
    ask(system, "frail.upstream")
    let_pass(system, "witness")
    assert lives(system, "frail") == 1
    assert evidence(system, "frail") == []


def test_module_is_excused_by_its_manifest(system: System) -> None:
    system.module("frail", FRAIL, runtime="python", health={"heartbeat": False})
    system.module("witness")
    system.up("--wait")
    system.kill("frail", signal.SIGSTOP)
    let_pass(system, "witness")
    assert lives(system, "frail") == 1
    system.kill("frail", signal.SIGCONT)
    assert system.wait_answer("frail.echo", 1) == 1


def test_module_is_debugged(system: System) -> None:
    system.module("frail", FRAIL, runtime="python")
    system.module("witness")
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
        system.module("echo", ECHO, runtime="python")
        system.up("--wait")
        system.kill("watchdog", signal.SIGUSR1)
        system.wait_step("watchdog", "started", count=2, timeout=LONG)
        (unhealthy,) = system.steps("watchdog", "unhealthy")
        assert unhealthy["detail"] == "connection asleep"
        system.wait_log("watchdog", "futex")
        let_pass(system, "echo")


def test_watchdog_is_stopped_while_the_hub_is_restarted(system: System) -> None:
    """The Hub that comes next has never heard of it, and cannot call it silent."""
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    system.kill("watchdog", signal.SIGSTOP)
    system.kill("event_hub")
    system.wait_step("watchdog", "started", count=2, timeout=LONG)
    let_pass(system, "echo")


@pytest.mark.parametrize(
    ("who", "seconds"),
    [
        (["event_hub"], 2.0),
        (["watchdog", "a", "b"], 4.0),
        (["event_hub", "watchdog", "a", "b"], 4.0),
        (["launcher", "registry", "event_hub", "watchdog", "a", "b"], 4.0),
    ],
    ids=["hub", "watchdog and modules", "all but the launcher", "everything"],
)
def test_all_are_suspended_for_a_while(system: System, who: list[str], seconds: float) -> None:
    """For longer than it takes to be called hung, and restarted: nobody is. The Hub itself, whom the
    Watchdog sees stopped, has less."""
    system.module("a", ECHO, runtime="python")
    system.module("b", FRAIL, runtime="python")
    system.module("witness")
    system.up("--wait")
    before = {name: record["pid"] for name, record in system.records().items()}
    pids = [system.api["pid"] if name == "launcher" else before[name] for name in who]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)  # this is the fault itself, not a wait for something
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)
    assert system.wait_answer("b.echo", 1) == 1
    let_pass(system, "witness")
    after = {name: record["pid"] for name, record in system.records().items()}
    del before["witness"], after["witness"]
    assert after == before


def test_machine_is_starved(system: System) -> None:
    """More programs want to compute than there are processors for."""
    for name in ("a", "b", "c"):
        system.module(name, ECHO, runtime="python")
    system.module("witness")
    system.up("--wait")
    before = {name: record["pid"] for name, record in system.records().items()}
    code = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"
    burners = [
        subprocess.Popen([sys.executable, "-c", code]) for _ in range(4 * (os.cpu_count() or 1))
    ]
    try:
        time.sleep(4.0)  # this is the fault itself
        let_pass(system, "witness")
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    after = {name: record["pid"] for name, record in system.records().items()}
    del before["witness"], after["witness"]
    assert after == before
