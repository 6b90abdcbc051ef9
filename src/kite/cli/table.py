"""Aligned columns that know how wide Chinese text is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kite.terminal import fit, paint, width

GAP = 2
LEAST_NAME = 12
"""Down to so many columns the first column is cut before others are left out."""
LAST_RESORT = 6
"""And down to so many where there is not even room for the columns that nobody can do without."""
LEAST_LAST = 16
"""Of the last column so much is to be seen before others are left out for it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Text with styles, such as `red` and `bold`."""

    text: str
    styles: tuple[str, ...] = ()


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str | Cell]],
    *,
    color: bool = False,
    columns: int | None = None,
    right: frozenset[int] = frozenset(),
    spare: Sequence[int] = (),
) -> list[str]:
    """Lines: the headers, then the rows, two spaces between columns.

    Args:
        headers: one text per column.
        rows: as many cells each.
        color: paint cells and headers.
        columns: the terminal's width, which no line passes: the last column is cut, then the first
            one shortened, then those of `spare` left out, then all is cut; None: nothing is cut.
        right: the positions of columns that are aligned to the right.
        spare: the positions of columns that a narrow terminal can do without, the least missed first.
    """
    cells = [[_cell(each) for each in row] for row in rows]
    lines = [[Cell(text, ("bold",)) for text in headers], *cells]
    widths = {at: max(width(line[at].text) for line in lines) for at in range(len(headers))}
    if columns is not None:
        widths = _narrowed(widths, columns, spare)
    return [_line(line, widths, color=color, right=right) for line in lines]


def _cell(value: str | Cell) -> Cell:
    return value if isinstance(value, Cell) else Cell(value)


def _narrowed(widths: dict[int, int], columns: int, spare: Sequence[int]) -> dict[int, int]:
    """The columns that are shown in so much room, and how wide each is."""
    first, last = min(widths), max(widths)
    least = {first: min(widths[first], LEAST_NAME), last: min(widths[last], LEAST_LAST)}
    shown = dict(widths)
    for at in spare:
        if _total({**shown, **least}) <= columns:
            break
        del shown[at]
    for at in (last, first):
        excess = max(0, _total(shown) - columns)
        shown[at] = max(least[at], shown[at] - excess)
    needed = _total({at: wide for at, wide in shown.items() if at != last})
    shown[first] = max(min(widths[first], LAST_RESORT), shown[first] - max(0, needed - columns))
    fitting: dict[int, int] = {}
    room = columns
    for at, wide in shown.items():
        if room <= 0:
            break
        fitting[at] = min(wide, room)
        room -= wide + GAP
    return fitting


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _line(
    line: Sequence[Cell], widths: dict[int, int], *, color: bool, right: frozenset[int]
) -> str:
    parts: list[str] = []
    last = max((at for at in widths if line[at].text), default=min(widths))
    for at, wide in widths.items():
        if at > last:
            break
        text = fit(line[at].text, wide)
        space = " " * (wide - width(text))
        painted = paint(text, *line[at].styles, color=color)
        if at in right:
            parts.append(space + painted)
        else:
            parts.append(painted + (space if at != last else ""))
    return (" " * GAP).join(parts)
