"""How long `kite up -d --wait` takes: with nothing of the user's, and docsearch."""

from __future__ import annotations

from pathlib import Path

from bench.figure import Figure, best
from bench.running import Running

REPOSITORY = Path(__file__).resolve().parents[1]
DOCSEARCH = REPOSITORY / "examples" / "docsearch"
RUNS = 5


def measure() -> list[Figure]:
    """Whole processes, from the shell's point of view; each a first start."""
    with Running() as running:
        empty = _times(running)
    with Running(DOCSEARCH, DOCSEARCH_FOLDER=str(REPOSITORY / "docs")) as running:
        docsearch = _times(running)
    return [
        best("kite up -d --wait, no user modules", empty, "s", target=0.6),
        best("kite up -d --wait, docsearch", docsearch, "s", target=2.5),
    ]


def _times(running: Running) -> list[float]:
    times = []
    for _ in range(RUNS):
        times.append(running.up())
        running.down()
        running.forget()
    return times
