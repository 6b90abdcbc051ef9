"""What `from kite import Module` costs, and how soon a module of ten lines is ready."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime
from typing import Any, NamedTuple

from bench.figure import Figure, best
from bench.running import Running, Steps

RUNS = 9


def measure() -> list[Figure]:
    """The import as a difference of whole processes; the readiness by the Launcher's own account."""
    bare: list[_Cost] = []
    loop: list[_Cost] = []
    sdk: list[_Cost] = []
    for _ in range(RUNS):
        bare.append(_python("pass"))
        loop.append(_python("import asyncio"))
        sdk.append(_python("from kite import Module; Module"))
    own, aio = min(bare).wall, min(loop).wall
    busy = min(each.processor for each in sdk) - min(each.processor for each in bare)
    with Running() as running:
        running.module("hello")
        running.up()
        ready = [_restart(running) for _ in range(5)]
    return [
        best(
            "from kite import Module",
            [1000 * (each.wall - own) for each in sdk],
            "ms",
            detail=f"beyond python's own {1000 * own:.0f} ms; asyncio alone {1000 * (aio - own):.0f};"
            f" processor time {1000 * busy:.0f}",
        ),
        best("ten-line module: process to ready", ready, "ms", detail="restarted"),
    ]


class _Cost(NamedTuple):
    """Seconds of a whole process."""

    wall: float
    processor: float


def _python(code: str) -> _Cost:
    began = time.perf_counter()
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise RuntimeError(f"python ended with status {status}: {code}")
    return _Cost(wall, usage.ru_utime + usage.ru_stime)


def _restart(running: Running) -> float:
    """Milliseconds from `spawned` to `started`."""
    steps = Steps(running.launcher_dir / "lifecycle.jsonl")
    try:
        running.kite("restart", "hello")
        spawned = steps.wait(lambda step: step["event"] == "spawned")
        started = steps.wait(lambda step: step["event"] == "started")
    finally:
        steps.close()
    return 1000 * (_instant(started) - _instant(spawned))


def _instant(step: dict[str, Any]) -> float:
    return datetime.fromisoformat(step["ts"]).timestamp()
