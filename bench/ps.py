"""How long `kite ps` takes, as a whole process."""

from __future__ import annotations

from bench.figure import Figure, best
from bench.running import Running

RUNS = 5


def measure() -> list[Figure]:
    """Asked of a running Kite with a few modules."""
    with Running() as running:
        for number in range(3):
            running.module(f"greeter{number}")
        running.up()
        times = [running.kite("ps") for _ in range(RUNS)]
    return [best("kite ps", times, "s", target=0.15)]
