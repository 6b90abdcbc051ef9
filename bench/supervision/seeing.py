"""How soon Kite itself has seen a crash and replaced the process, and whether held pipes delay it.

The clock starts before kill(2). *Seen* is when a program outside, which reads `lifecycle.jsonl`
every 0.2 ms, has found the `exited` line; *replaced* when it has found the `spawned` line and the
process is there.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figure import Figure, percentile
from bench.running import Steps
from bench.supervision import census
from bench.supervision.peers import Kite
from bench.supervision.programs import Program, holders, sleepers
from bench.supervision.replacing import BETWEEN

KILLS = 25


def figures() -> list[Figure]:
    """Promise 1: seen within 20 ms and replaced within 50 ms, 95th percentile."""
    alone, held = sleepers(KILLS), holders(KILLS)
    with Kite([*alone, *held]) as kite:
        kite.launch()
        kite.wait_ready()
        steps = Steps(kite.system.launcher_dir / "lifecycle.jsonl")
        try:
            found = {
                "": _kill_each(alone, steps),
                ", a grandchild holds its pipes": _kill_each(held, steps),
            }
        finally:
            steps.close()
    return [
        Figure(
            name=f"supervision: a crash {what}{how}, p95",
            value=round(percentile(samples, 0.95), 2),
            unit="ms",
            target=target,
            detail=f"{KILLS} programs killed once each; median {statistics.median(samples):.1f}, "
            f"max {max(samples):.1f}",
            samples=samples,
        )
        for how, pairs in found.items()
        for what, target, samples in (
            ("is seen", 20.0, [round(1000 * seen, 2) for seen, _ in pairs]),
            ("is replaced", 50.0, [round(1000 * replaced, 2) for _, replaced in pairs]),
        )
    ]


def _kill_each(programs: Sequence[Program], steps: Steps) -> list[tuple[float, float]]:
    return [_kill(program, steps) for program in programs]


def _kill(program: Program, steps: Steps) -> tuple[float, float]:
    """Seconds until it was seen, and until it was replaced; returns when all is calm again."""
    time.sleep(BETWEEN)
    pid = census.programs([program.leader])[program.leader]

    def wait(event: str) -> int | None:
        step = steps.wait(lambda step: step["module"] == program.name and step["event"] == event)
        found: int | None = step.get("pid")
        return found

    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    wait("exited")
    seen = time.monotonic() - began
    new = wait("spawned")
    replaced = time.monotonic() - began
    if not Path(f"/proc/{new}").exists():
        raise RuntimeError(f"{program.name}: process {new} is said to be there and is not")
    wait("started")
    return seen, replaced
