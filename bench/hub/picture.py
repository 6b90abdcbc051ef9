"""The comparison as a picture: deliveries a second of each server, scene by scene, as SVG.

`python -m bench.hub.picture` draws it again from `bench/results/hub.json`.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import bars
from bench.bars import Panel
from bench.figure import RESULTS, Figure
from bench.hub.peers import Kite

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "hub.svg"
_PREFIX = "hub "
_BETWEEN = f": {Kite.name} / "
_SCENES = {
    "1 → 1": "1 publisher, 1 subscriber",
    "1 → 8": "1 publisher, 8 subscribers",
    "8 → 8": "8 publishers, 8 subscribers",
}


def rates(figures: Sequence[Figure]) -> dict[str, dict[str, float]]:
    """Deliveries a second by scene and server: the median of each one's runs."""
    found: dict[str, dict[str, float]] = {}
    for figure in figures:
        if not figure.name.startswith(_PREFIX) or not figure.samples:
            continue
        scene, _, peer = figure.name.removeprefix(_PREFIX).partition(_BETWEEN)
        if scene in _SCENES:
            found.setdefault(scene, {})[peer or Kite.name] = statistics.median(figure.samples)
    return found


def svg(figures: Sequence[Figure]) -> str:
    """The picture of what was measured."""
    panels = [
        Panel(title=f"{_SCENES[scene]}: deliveries a second", values=servers, said=_said)
        for scene, servers in rates(figures).items()
    ]
    return bars.svg(panels, label="The Hub side by side", own=Kite.name)


def draw(figures: Sequence[Figure]) -> None:
    """Redraw the picture in the documentation."""
    PICTURE.write_text(svg(figures), encoding="utf-8")


def _said(rate: float) -> str:
    return f"{rate / 1e6:.2f} M" if rate >= 1e6 else f"{rate / 1e3:.0f} k"


def main() -> int:
    """Draw from the results that are kept."""
    known = json.loads((RESULTS / "hub.json").read_text(encoding="utf-8"))["figures"]
    fields = Figure.__dataclass_fields__
    draw([Figure(**{key: each[key] for key in each if key in fields}) for each in known])
    return 0


if __name__ == "__main__":
    sys.exit(main())
