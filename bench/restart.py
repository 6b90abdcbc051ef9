"""How soon a killed module has a new process.

50 modules are killed once each with SIGKILL, one after another, the next when the last is ready
again. The clock starts before kill(2) and stops when a program outside of Kite, which reads the
Launcher's `lifecycle.jsonl` every 0.2 ms, has found the `spawned` line of the next life and seen
that this process exists in /proc. So what is measured holds the death of the old process, its
being noticed, the sweep of its tree, the revoking of its token, the spawning, and the writing of
the line.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path

from bench.figure import Figure, percentile
from bench.running import Running, Steps

MODULES = 50


def measure() -> list[Figure]:
    """Real Python modules on the SDK."""
    names = [f"m{number:02}" for number in range(MODULES)]
    with Running() as running:
        for name in names:
            running.module(name)
        running.up()
        pids = running.pids()
        steps = Steps(running.launcher_dir / "lifecycle.jsonl")
        try:
            pairs = [crash(name, pids[name], steps) for name in names]
        finally:
            steps.close()
    spawned = [1000 * each for each, _ in pairs]
    ready = [1000 * each for _, each in pairs]
    detail = f"{MODULES} modules killed once each; median {statistics.median(spawned):.1f}"
    return [
        Figure(
            name="killed module: new process, p95",
            value=round(percentile(spawned, 0.95), 2),
            unit="ms",
            target=50.0,
            detail=f"{detail}, max {max(spawned):.1f}",
            samples=[round(each, 2) for each in spawned],
        ),
        Figure(
            name="killed module: ready again, p95",
            value=round(percentile(ready, 0.95), 1),
            unit="ms",
            detail=f"median {statistics.median(ready):.0f}, max {max(ready):.0f}",
            samples=[round(each, 1) for each in ready],
        ),
    ]


def crash(name: str, pid: int, steps: Steps) -> tuple[float, float]:
    """Kill it; seconds until the new process, and until that is ready."""
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    step = steps.wait(
        lambda step: step["module"] == name and step["event"] == "spawned" and step["pid"] != pid
    )
    spawned = time.monotonic() - began
    if not Path(f"/proc/{step['pid']}").exists():
        raise RuntimeError(f"{name}: process {step['pid']} is said to be there and is not")
    steps.wait(lambda step: step["module"] == name and step["event"] == "started")
    return spawned, time.monotonic() - began
