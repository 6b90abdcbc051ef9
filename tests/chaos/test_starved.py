"""A machine, or all of Kite, that stands still for a while costs nobody its life."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from hanging import FRAIL, SOON, let_pass, system

from kite.testing.system import ECHO, System

__all__ = ["system"]


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
    system.module("witness", stop=SOON)
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
    system.module("witness", stop=SOON)
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
