"""What it brings to fork Python modules from a process that has imported the SDK already.

The same 50 ten-line modules on the SDK, each with a handler, warm and with `warm: false`, in turns:

- the start of all: from the first `starting` line in the Launcher's `lifecycle.jsonl` to the last
  `started`: registered, connected, and `module.ready` heard;
- the memory of all of them together, as proportional set size;
- ten of them killed once each, the next when the last is ready again, from before kill(2).
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.figure import Figure, percentile
from bench.idle import pss, use
from bench.restart import crash
from bench.running import Running, Steps

MODULES = 50
KILLED = 10
TURNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One start of all. Seconds; `memory` and `template` in MB; `processor` of one module."""

    start: float
    ready_again: list[float]
    memory: float
    processor: float


def measure() -> list[Figure]:
    """Warm beside cold."""
    turns: dict[bool, list[Turn]] = {True: [], False: []}
    for _ in range(TURNS):
        for warm in (True, False):
            turns[warm].append(_turn(warm=warm))
    cold_memory = statistics.median(turn.memory for turn in turns[False])
    return [
        *_figures(turns[True], "warm", start=0.6, again=40.0, memory=cold_memory / 3),
        *_figures(turns[False], "cold"),
    ]


def _turn(*, warm: bool) -> Turn:
    names = [f"m{number:02}" for number in range(MODULES)]
    with Running() as running:
        for name in names:
            running.module(name, warm=warm)
        running.up()
        path = running.launcher_dir / "lifecycle.jsonl"
        steps = [json.loads(line) for line in path.read_text().splitlines()]
        ours = [step for step in steps if step["module"] in names]
        begun = min(_instant(step) for step in ours if step["event"] == "starting")
        ended = max(_instant(step) for step in ours if step["event"] == "started")
        pids = running.pids()
        memory = sum(pss(pids[name]) for name in names)
        processor = statistics.mean(use(pids[name]).seconds for name in names)
        following = Steps(path)
        try:
            again = [crash(name, pids[name], following)[1] for name in names[:KILLED]]
        finally:
            following.close()
    return Turn(start=ended - begun, ready_again=again, memory=memory, processor=processor)


def _instant(step: dict[str, Any]) -> float:
    return datetime.fromisoformat(step["ts"]).timestamp()


def _figures(
    turns: list[Turn],
    which: str,
    *,
    start: float | None = None,
    again: float | None = None,
    memory: float | None = None,
) -> list[Figure]:
    starts = [round(turn.start, 3) for turn in turns]
    waits = [1000 * seconds for turn in turns for seconds in turn.ready_again]
    sizes = [round(turn.memory, 1) for turn in turns]
    spent = 1000 * statistics.median(turn.processor for turn in turns)
    return [
        Figure(
            name=f"{MODULES} modules ready, {which}",
            value=min(starts),
            unit="s",
            target=start,
            detail=f"best of {TURNS}, median {statistics.median(starts)};"
            f" {spent:.0f} ms of a processor for each",
            samples=starts,
        ),
        Figure(
            name=f"killed module ready again, {which}, p50",
            value=round(percentile(waits, 0.5), 1),
            unit="ms",
            target=again,
            detail=f"p95 {percentile(waits, 0.95):.0f}, max {max(waits):.0f}",
            samples=[round(wait, 1) for wait in waits],
        ),
        Figure(
            name=f"{MODULES} modules, {which}: memory",
            value=statistics.median(sizes),
            unit="MB",
            target=None if memory is None else round(memory, 1),
            detail="proportional set size; the target is a third of the cold ones",
            samples=sizes,
        ),
    ]
