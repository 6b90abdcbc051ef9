"""Modules that stand still, and a Watchdog and a Hub that are in a hurry about it.

The thresholds are a tenth of the usual ones, so that nobody has to wait.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kite.errors import RequestError
from kite.testing.system import System

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


SOON = {"timeout": 0.2}
"""The `stop` of a module that knows no Hub, so that no test waits for its grace."""


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


def evidence(system: System, name: str) -> list[str]:
    """The Watchdog's files about a module."""
    folder = system.instance_dir / "watchdog" / "evidence"
    return [path.read_text() for path in sorted(folder.glob(f"*-{name}-*.txt"))]


def wait_restarted(system: System, name: str) -> None:
    system.wait_step(name, "started", count=2, timeout=LONG)
    assert system.steps(name, "stopping")[0]["reason"] == "unhealthy"


def let_pass(system: System, witness: str) -> None:
    """Wait for as long as it takes to find and restart another module that is hung."""
    system.kill(witness, signal.SIGSTOP)
    wait_restarted(system, witness)
