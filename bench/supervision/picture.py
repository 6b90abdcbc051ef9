"""The comparison as a picture: what a user waits for and what supervision costs, row by row, as SVG.

`python -m bench.supervision.picture` draws it again from `bench/results/supervision.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import bars
from bench.bars import Panel
from bench.figure import RESULTS, Figure
from bench.supervision.peers import Kite

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "supervision.svg"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _milliseconds(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.1f} ms"


def _megabytes(value: float) -> str:
    return f"{value:.0f} MB" if value >= 10 else f"{value:.1f} MB"


def _count(value: float) -> str:
    return f"{value:.0f}"


_ROWS: dict[str, tuple[str, Callable[[float], str]]] = {
    "50 programs, from nothing": ("50 programs run, from nothing", _seconds),
    "50 programs, supervisor is there": ("50 programs run, the supervisor is there", _seconds),
    "killed, new process, p95": (
        "A killed program has a new process, 95th percentile",
        _milliseconds,
    ),
    "memory, 50 programs": ("Memory with 50 programs", _megabytes),
    "alive 2 s after kill -9 of the supervisor": (
        "Processes of 3 alive 2 s after kill -9 of the supervisor",
        _count,
    ),
    "alive after stop": ("Processes of 3 alive after a stop that was said to be done", _count),
}
"""Figures by name, without their common beginning: the title of each and its values in words."""


def svg(figures: Sequence[Figure]) -> str:
    """The picture of what was measured."""
    found = {figure.name.removeprefix("supervision: "): figure for figure in figures}
    panels = [
        Panel(
            title=title,
            values={Kite.name: found[name].value, **found[name].peers},
            said=said,
            is_less_better=True,
        )
        for name, (title, said) in _ROWS.items()
        if name in found
    ]
    return bars.svg(panels, label="Supervisors side by side, less is better", own=Kite.name)


def draw(figures: Sequence[Figure]) -> None:
    """Redraw the picture in the documentation."""
    PICTURE.write_text(svg(figures), encoding="utf-8")


def main() -> int:
    """Draw from the results that are kept."""
    known = json.loads((RESULTS / "supervision.json").read_text(encoding="utf-8"))["figures"]
    fields = Figure.__dataclass_fields__
    draw([Figure(**{key: each[key] for key in each if key in fields}) for each in known])
    return 0


if __name__ == "__main__":
    sys.exit(main())
