"""Measurements as bars: panels of named values, drawn as SVG for light and dark pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One row of bars.

    Args:
        title: what the values are.
        values: by name; Kite's among them.
        said: a value in words.
        is_less_better: the smallest stands first, else the largest.
    """

    title: str
    values: Mapping[str, float]
    said: Callable[[float], str]
    is_less_better: bool = False


def svg(panels: Sequence[Panel], *, label: str, own: str) -> str:
    """The picture.

    Args:
        label: what a reader hears who does not see it; the values are added.
        own: the name whose bars stand out.
    """
    body, y = [], 0
    for panel in panels:
        body += list(_rows(y, panel, own))
        y += _HEAD + _STEP * len(panel.values) + _GAP
    height = max(y - _GAP, 0) + 8
    told = "; ".join(
        f"{panel.title}: "
        + ", ".join(f"{name} {panel.said(value)}" for name, value in panel.values.items())
        for panel in panels
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'role="img" aria-label="{escape(label)}: {escape(told)}">',
            f"<style>{_STYLE}</style>",
            *body,
            "</svg>",
            "",
        ]
    )


def _rows(top: int, panel: Panel, own: str) -> Iterator[str]:
    """A bar for each name, the longest as long as there is room."""
    most = max(panel.values.values()) or 1.0
    yield f'<text class="head" x="0" y="{top + 18}">{escape(panel.title)}</text>'
    sign = 1 if panel.is_less_better else -1
    order = sorted(panel.values, key=lambda name: sign * panel.values[name])
    for place, name in enumerate(order):
        y = top + _HEAD + place * _STEP
        width = max(1.0, (_WIDTH - _LEFT - _RIGHT) * panel.values[name] / most)
        kind = "bar own" if name == own else "bar"
        yield f'<text x="{_LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
        yield (
            f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3"/>'
        )
        said = escape(panel.said(panel.values[name]))
        yield f'<text class="value" x="{_LEFT + width + 8:.1f}" y="{y + 14}">{said}</text>'
