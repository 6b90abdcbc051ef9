"""The comparison as a picture: deliveries a second of each server, scene by scene, as SVG.

`python -m bench.hub.picture` draws it again from `bench/results/hub.json`.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

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

_WIDTH, _BAR, _STEP, _HEAD, _GAP = 720, 18, 26, 34, 22
_LEFT, _RIGHT = 190, 90
_STYLE = """
  text { font: 14px ui-sans-serif, system-ui, sans-serif; fill: #3b4252; }
  .head { font-weight: 600; fill: #1f2430; }
  .value { font-variant-numeric: tabular-nums; }
  .bar { fill: #b4bccb; }
  .own { fill: #2f6fde; }
  @media (prefers-color-scheme: dark) {
    text { fill: #c3c9d5; }
    .head { fill: #eceff4; }
    .bar { fill: #566075; }
    .own { fill: #6ea0ff; }
  }
"""


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
    scenes = rates(figures)
    body, y = [], 0
    for scene, servers in scenes.items():
        body += list(_panel(y, _SCENES[scene], servers))
        y += _HEAD + _STEP * len(servers) + _GAP
    height = max(y - _GAP, 0) + 8
    label = "Deliveries a second: " + "; ".join(
        f"{_SCENES[scene]}: " + ", ".join(f"{name} {_said(rate)}" for name, rate in servers.items())
        for scene, servers in scenes.items()
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'role="img" aria-label="{escape(label)}">',
            f"<style>{_STYLE}</style>",
            *body,
            "</svg>",
            "",
        ]
    )


def draw(figures: Sequence[Figure]) -> None:
    """Redraw the picture in the documentation."""
    PICTURE.write_text(svg(figures), encoding="utf-8")


def _panel(top: int, title: str, servers: dict[str, float]) -> Iterator[str]:
    """One scene: a bar for each server, the fastest as long as there is room."""
    most = max(servers.values())
    yield f'<text class="head" x="0" y="{top + 18}">{escape(title)}: deliveries a second</text>'
    order = sorted(servers, key=lambda name: -servers[name])
    for place, name in enumerate(order):
        y = top + _HEAD + place * _STEP
        width = max(1.0, (_WIDTH - _LEFT - _RIGHT) * servers[name] / most)
        kind = "bar own" if name == Kite.name else "bar"
        yield f'<text x="{_LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
        yield (
            f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3"/>'
        )
        said = escape(_said(servers[name]))
        yield f'<text class="value" x="{_LEFT + width + 8:.1f}" y="{y + 14}">{said}</text>'


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
