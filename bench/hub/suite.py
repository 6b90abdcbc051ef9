"""The Event Hub: by itself (`kite bench`), and side by side with the servers people use instead."""

from __future__ import annotations

from bench.figure import Figure
from bench.hub import compare, durable, extension, isolation
from bench.hub.picture import draw

__all__ = ["draw", "measure"]


def measure() -> list[Figure]:
    """What `kite bench` prints, the comparison, and what peers do not promise."""
    return [
        *extension.measure(),
        *compare.measure(),
        *durable.figures(),
        *isolation.figures(),
    ]
