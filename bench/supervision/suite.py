"""The Launcher: how soon it sees and mends a crash, and side by side with other supervisors."""

from __future__ import annotations

from bench.figure import Figure
from bench.supervision import compare, seeing
from bench.supervision.picture import draw

__all__ = ["draw", "measure"]


def measure() -> list[Figure]:
    """Takes about seven minutes where all peers are installed."""
    return [*seeing.figures(), *compare.figures()]
