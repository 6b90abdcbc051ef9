"""What the core processes cost while nothing happens: memory, time, wake-ups."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Figure
from bench.running import Running

CORES = ("launcher", "registry", "event_hub")
SETTLE = 3.0
SECONDS = 20.0
_KIB_IN_MB = 1024 / 1e6


@dataclass(frozen=True, slots=True)
class Use:
    """What a process has used so far: seconds on a processor, and times it was put on one."""

    seconds: float
    switches: int


def measure() -> list[Figure]:
    """With what comes with Kite and no user modules; the Watchdog asks meanwhile, as it does."""
    with Running() as running:
        running.up()
        time.sleep(SETTLE)  # what is measured is rest
        pids = running.pids()
        guard = _parent(pids["launcher"])
        before = {name: use(pids[name]) for name in CORES}
        began = time.monotonic()
        time.sleep(SECONDS)
        elapsed = time.monotonic() - began
        after = {name: use(pids[name]) for name in CORES}
        memory = {name: pss(pids[name]) for name in CORES}
        beside = {"guard": pss(guard), "watchdog": pss(pids["watchdog"])}
    spent = {n: 100 * (after[n].seconds - before[n].seconds) / elapsed for n in CORES}
    woken = {n: (after[n].switches - before[n].switches) / elapsed for n in CORES}
    return [
        Figure(
            name="core processes idle: memory",
            value=round(sum(memory.values()), 2),
            unit="MB",
            target=120,
            detail=f"proportional set size: {_told(memory)}; beside them {_told(beside)}",
        ),
        Figure(
            name="core processes idle: processor",
            value=round(sum(spent.values()), 4),
            unit="% of a core",
            target=0.3,
            detail=f"over {elapsed:.0f} s: {_told(spent)}",
        ),
        Figure(
            name="core processes idle: wake-ups",
            value=round(sum(woken.values()), 2),
            unit="per s",
            detail=f"context switches: {_told(woken)}",
        ),
    ]


def pss(pid: int) -> float:
    """Proportional set size in MB."""
    return _mapped(pid, "Pss:")


def rss(pid: int) -> float:
    """Resident set size in MB: what is shared counts wholly for everybody who shares it."""
    return _mapped(pid, "Rss:")


def _mapped(pid: int, kind: str) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) * _KIB_IN_MB
    raise RuntimeError(f"process {pid} has no {kind[:-1]}")


def use(pid: int) -> Use:
    """Of all its threads. The scheduler's own account, in nanoseconds: ticks are too coarse."""
    seconds, switches = 0.0, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            account = (task / "schedstat").read_text().split()
            status = (task / "status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread that has just ended
        seconds += int(account[0]) / 1e9
        switches += sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)
    return Use(seconds=seconds, switches=switches)


def _parent(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def _told(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())
