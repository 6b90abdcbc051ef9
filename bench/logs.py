"""What a module that prints endlessly costs: what is kept of it, the Launcher's memory, its neighbour.

Beside `yes`, which writes as fast as somebody reads, another module answers requests, one every
20 ms, first alone and then beside the flood. The flood's burst (16 MiB) is over before anything is
measured. Lines are counted in the log files afterwards; with its settings nothing is rotated away.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from bench.figure import Figure, percentile
from bench.running import Running
from kite.cli.logbook import LogTail
from kite.launcher.rotated import all_rotated
from kite.testing.operator import Operator

SECONDS = 20.0
ALONE_SECONDS = 5.0
EVERY = 0.02
SETTINGS = "logs: {size: 10MiB, count: 1000, total: 10GiB}\n"
FLOOD = ["sh", "-c", "echo up; exec yes"]


def measure() -> list[Figure]:
    """Lines kept a second, memory, and the neighbour's requests."""
    with Running() as running:
        (running.project / "kite.yaml").write_text(SETTINGS)
        running.module("echo")
        flood = {"command": FLOOD, "state": "manual", "stdin": "empty"}
        running.system.module("flood", None, ready={"log": "^up$"}, **flood)
        running.up()
        launcher = running.pids()["launcher"]
        alone = asyncio.run(_ask(running, ALONE_SECONDS))
        before = _memory(launcher)
        running.kite("start", "flood")
        folder = running.system.instance_dir / "logs"
        running.system.wait(lambda: len(all_rotated(folder, "flood.log")) > 1, what="two rotations")
        began, lines = time.monotonic(), _lines(folder)
        beside = asyncio.run(_ask(running, SECONDS))
        elapsed, grown = time.monotonic() - began, _memory(launcher) - before
        kept = _lines(folder) - lines
        running.kite("stop", "flood")
        on_disk = sum(path.stat().st_size for path in folder.glob("flood.log*"))
    return [
        Figure(
            name="flood: lines kept",
            value=round(kept / elapsed),
            unit="lines/s",
            detail=f"`yes`, over {elapsed:.0f} s; {on_disk / 1e6:.1f} MB on the disk",
        ),
        Figure(
            name="flood: growth of the Launcher",
            value=round(grown / 1e6, 2),
            unit="MB",
            target=20.0,
            detail=f"resident, from {before / 1e6:.1f}",
        ),
        Figure(
            name="flood: a neighbour's requests, p99",
            value=round(1000 * percentile(beside, 0.99), 2),
            unit="ms",
            target=50.0,
            detail=f"{len(beside)} requests, median {_median(beside):.2f};"
            f" alone p99 {1000 * percentile(alone, 0.99):.2f}, median {_median(alone):.2f}",
            samples=[round(1000 * each, 3) for each in beside],
        ),
    ]


async def _ask(running: Running, seconds: float) -> list[float]:
    """How long requests take, in seconds, asked at a steady rate."""
    api, took = running.system.api, []
    async with Operator(api["ws_endpoint"], api["token"]) as operator:
        await operator.request("greet.echo", "first")
        until = time.monotonic() + seconds
        while (began := time.monotonic()) < until:
            await operator.request("greet.echo", "again")
            took.append(time.monotonic() - began)
            await asyncio.sleep(max(0.0, EVERY - took[-1]))
    return took


def _lines(folder: Path) -> int:
    tail = LogTail(folder, "flood")
    try:
        return sum(1 for _ in tail.past(None))
    finally:
        tail.close()


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def _median(samples: list[float]) -> float:
    return 1000 * percentile(samples, 0.5)
