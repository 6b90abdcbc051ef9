"""Aligned columns that know how wide Chinese text is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kite.terminal import fit, paint, width


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
) -> list[str]:
    """Lines: the headers, then the rows, two spaces between columns.

    Args:
        headers: one text per column.
        rows: as many cells each.
        color: paint cells and headers.
        columns: the terminal's width, to which the last column is cut; None: nothing is cut.
        right: the positions of columns that are aligned to the right.
    """
    cells = [[_cell(each) for each in row] for row in rows]
    lines = [[Cell(text, ("bold",)) for text in headers], *cells]
    widths = [max(width(line[at].text) for line in lines) for at in range(len(headers))]
    return [_line(line, widths, color=color, columns=columns, right=right) for line in lines]


def _cell(value: str | Cell) -> Cell:
    return value if isinstance(value, Cell) else Cell(value)


def _line(
    line: Sequence[Cell],
    widths: Sequence[int],
    *,
    color: bool,
    columns: int | None,
    right: frozenset[int],
) -> str:
    parts: list[str] = []
    last = max((at for at, cell in enumerate(line) if cell.text), default=0)
    for at, cell in enumerate(line[: last + 1]):
        text = cell.text
        if at == last and columns is not None:
            text = fit(text, max(columns - sum(widths[:at]) - 2 * at, 1))
        space = " " * (widths[at] - width(text))
        painted = paint(text, *cell.styles, color=color)
        if at in right:
            parts.append(space + painted)
        else:
            parts.append(painted + (space if at != last else ""))
    return "  ".join(parts)
