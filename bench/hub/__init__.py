"""The Event Hub: by itself (`kite bench`), and side by side with the servers people use instead."""

from __future__ import annotations

from bench.figure import Figure
from bench.hub import compare, extension


def measure() -> list[Figure]:
    """What `kite bench` prints, and the comparison."""
    return [*extension.measure(), *compare.measure()]
