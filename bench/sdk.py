"""What `from kite import Module` costs, and how soon a module of ten lines is ready."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime
from typing import Any

from bench.figure import Figure, best
from bench.running import Running, Steps

RUNS = 9


def measure() -> list[Figure]:
    """The import as a difference of whole processes; the readiness by the Launcher's own account."""
    bare: list[float] = []
    loop: list[float] = []
    sdk: list[float] = []
    for _ in range(RUNS):
        bare.append(_python("pass"))
        loop.append(_python("import asyncio"))
        sdk.append(_python("from kite import Module; Module"))
    added = [each - min(bare) for each in sdk]
    with Running() as running:
        running.module("hello")
        running.up()
        ready = [_restart(running) for _ in range(5)]
    return [
        best(
            "from kite import Module",
            [1000 * each for each in added],
            "ms",
            detail=f"beyond python's own {1000 * min(bare):.0f} ms; of it asyncio "
            f"{1000 * (min(loop) - min(bare)):.0f}",
        ),
        best("ten-line module: process to ready", ready, "ms", detail="restarted"),
    ]


def _python(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    return time.perf_counter() - began


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
