"""One measured number, the table, and the file that keeps it."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kite.clock import now_rfc3339
from kite.version import __version__

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with what it is measured against.

    Args:
        name: what was measured.
        value: the number that counts.
        unit: of the number, of the target and of the samples.
        target: what it may be at most; None: nothing is promised.
        at_least: whether the target is what it must be at least.
        detail: how it was measured.
        samples: all of the numbers behind it.
        peers: the same of others, measured beside it.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False
    detail: str = ""
    samples: Sequence[float] = field(default=())
    peers: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


def best(
    name: str, samples: Sequence[float], unit: str, *, target: float | None = None, detail: str = ""
) -> Figure:
    """The smallest of the samples: the machine's other work only ever adds."""
    median = statistics.median(samples)
    return Figure(
        name=name,
        value=min(samples),
        unit=unit,
        target=target,
        detail=f"best of {len(samples)}, median {median:.3g}{'; ' * bool(detail)}{detail}",
        samples=[round(sample, 6) for sample in samples],
    )


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this share of them does not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def machine() -> dict[str, Any]:
    """What the figures depend on; neither names nor paths."""
    model = ""
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = _read("/proc/meminfo").split()
    return {
        "processor": model,
        "processors": os.cpu_count(),
        "memory_mib": int(memory[1]) // 1024 if len(memory) > 1 else None,
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def write(name: str, figures: Sequence[Figure]) -> Path:
    """Keep the figures of one benchmark; the file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    document = {
        "measured_at": now_rfc3339(),
        "version": __version__,
        "machine": machine(),
        "figures": [asdict(figure) | {"met": figure.is_met} for figure in figures],
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path


def table(figures: Sequence[Figure]) -> list[str]:
    """The figures as lines of text."""
    rows = [("MEASURED", "VALUE", "TARGET", "", "HOW")]
    words = {True: "met", False: "MISSED", None: ""}
    for figure in figures:
        sign = "≥ " if figure.at_least else "≤ "
        target = "" if figure.target is None else f"{sign}{figure.target:g} {figure.unit}"
        value = f"{_number(figure.value)} {figure.unit}"
        others = ", ".join(f"{name} {_number(each)}" for name, each in figure.peers.items())
        detail = "; ".join(filter(None, (others, figure.detail)))
        rows.append((figure.name, value, target, words[figure.is_met], detail))
    wide = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join(
            (cell.rjust if column in (1, 2) else cell.ljust)(wide[column])
            for column, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]


def _number(value: float) -> str:
    """Three digits that mean something, and groups of three in what is large."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
