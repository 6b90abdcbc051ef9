"""What was measured: rows, the table that is printed, the file that `kite bench` reads."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from kite import atomic_file
from kite.version import __version__

FILE = "result.json"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure.

    Args:
        name: what was measured.
        value: the number.
        unit: of the number.
        detail: under which circumstances.
    """

    name: str
    value: float
    unit: str
    detail: str


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed.

    Args:
        values: at least one.
        share: above 0, at most 1.
    """
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)
    return ordered[min(len(ordered), max(1, int(rank))) - 1]


def document(started_at: str, rows: Sequence[Row], settings: Any) -> dict[str, Any]:
    """The result as JSON; it names neither the machine nor its owner."""
    return {
        "started_at": started_at,
        "version": __version__,
        "settings": msgspec.to_builtins(settings),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        },
        "results": [msgspec.to_builtins(row) for row in rows],
    }


def write(directory: Path, result: dict[str, Any]) -> None:
    """Write the file; readers see the former one or the whole new one."""
    atomic_file.replace(directory / FILE, json.dumps(result, indent=2).encode() + b"\n")


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as lines of text."""
    cells = [
        (row.name, f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.2f}") for row in rows
    ]
    wide = [max(len(cell[column]) for cell in cells) for column in (0, 1)]
    unit = max(len(row.unit) for row in rows)
    return [
        f"{name:<{wide[0]}}  {value:>{wide[1]}} {row.unit:<{unit}}  {row.detail}"
        for row, (name, value) in zip(rows, cells, strict=True)
    ]
