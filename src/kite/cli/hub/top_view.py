"""How `kite top` looks: three tables and a line above them, or a JSON document. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kite.cli import top_modules
from kite.cli.figures import count, rate, size
from kite.cli.hub.top_rates import (
    ClientRate,
    Sample,
    SubjectRate,
    sorted_clients,
    sorted_subjects,
)
from kite.cli.table import Cell, table
from kite.cli.top_modules import sorted_modules
from kite.locale import _
from kite.terminal import clean, fit, name_color, paint

_EACH = 2
"""Lines of a table that are no rows: a blank one and the headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How it is to look.

    Args:
        sort: one of `SORTS`.
        rows: of each table at most; None: as many as there is room for.
        columns, lines: of the terminal; None: no terminal, no end.
        color: whether to paint.
    """

    sort: str = "rate"
    rows: int | None = None
    columns: int | None = None
    lines: int | None = None
    color: bool = False


def picture(sample: Sample, style: Style, *, title: str, note: str = "") -> list[str]:
    """The lines, no more and none wider than there is room for.

    Args:
        title: stands in front of the totals.
        note: what is to be said besides.
    """
    subjects = sorted_subjects(sample.subjects, style.sort)
    clients = sorted_clients(sample.clients, style.sort)
    modules = sorted_modules(sample.modules, style.sort)
    there = [len(modules)] if modules else []
    *most_modules, most_clients, most_subjects = _shares(
        [*there, len(clients), len(subjects)], style
    )
    head = head_line(sample, title=title, note=note)
    if style.columns is not None:
        head = fit(head, style.columns)
    lines = [
        paint(head, "bold", color=style.color),
        "",
    ]
    for most in most_modules:
        rows = modules[:most]
        lines += [*top_modules.lines(rows, color=style.color, columns=style.columns), ""]
    lines += [
        *_subjects(subjects[:most_subjects], style),
        "",
        *_clients(clients[:most_clients], style),
    ]
    return lines if style.lines is None else lines[: style.lines]


def head_line(sample: Sample, *, title: str, note: str = "") -> str:
    """The totals."""
    parts = [
        title,
        _("in {rate}/s").format(rate=rate(sample.taken)),
        _("out {rate}/s").format(rate=rate(sample.given)),
        _("connections {count}").format(count=count(len(sample.clients))),
    ]
    if sample.looked_at < 0.995:
        parts.append(
            _("subjects from {share} of the time").format(share=f"{sample.looked_at * 100:.2g} %")
        )
    return "  ".join([*filter(None, parts), *filter(None, [note])])


def _shares(wanted: Sequence[int], style: Style) -> list[int]:
    """How many rows each table gets: an equal part of the room, and what others do not need, the
    last ones first."""
    if style.rows is not None:
        wanted = [min(each, style.rows) for each in wanted]
    if style.lines is None:
        return list(wanted)
    room = max(0, style.lines - 1 - _EACH * len(wanted))
    given = [min(each, room // len(wanted)) for each in wanted]
    for at in reversed(range(len(wanted))):
        given[at] = min(wanted[at], given[at] + room - sum(given))
    return given


def _subjects(rows: Sequence[SubjectRate], style: Style) -> list[str]:
    headers = [_("SUBJECT"), _("EVENTS/S"), _("BYTES/S")]
    cells: list[list[str | Cell]] = [
        [
            clean(row.subject, color=False),
            _figure(rate(row.events), row.events),
            _figure(size(row.size), row.size),
        ]
        for row in rows
    ]
    return table(headers, cells, color=style.color, columns=style.columns, right=frozenset({1, 2}))


def _clients(rows: Sequence[ClientRate], style: Style) -> list[str]:
    headers = [
        _("CLIENT"), _("IN/S"), _("OUT/S"), _("QUEUED"), _("BYTES"), _("DROPPED"), _("STALLS"),
    ]  # fmt: skip
    connections = Counter(row.module for row in rows)
    cells: list[list[str | Cell]] = [
        [
            Cell(_name(row, connections), (name_color(row.module),)),
            _figure(rate(row.taken), row.taken),
            _figure(rate(row.given), row.given),
            _figure(count(row.queued), row.queued),
            _figure(size(row.queued_bytes), row.queued_bytes),
            _figure(count(row.dropped), row.dropped, "red" if row.is_losing else ""),
            _figure(count(row.stalls), row.stalls, "yellow" if row.is_stalling else ""),
        ]
        for row in rows
    ]
    right = frozenset(range(1, 7))
    spare = (4, 5, 3)
    return table(headers, cells, color=style.color, columns=style.columns, right=right, spare=spare)


def _name(row: ClientRate, connections: Mapping[str, int]) -> str:
    """The module, and which of its connections where it has several."""
    return f"{row.module} #{row.connection}" if connections[row.module] > 1 else row.module


def _figure(text: str, value: float, alarm: str = "") -> Cell:
    """What is nothing steps back, so that what is something is seen."""
    return Cell(text, (alarm,) if alarm else () if value else ("dim",))


def document(sample: Sample, style: Style, *, ts: str) -> dict[str, Any]:
    """As JSON; rates are a second's."""
    subjects = sorted_subjects(sample.subjects, style.sort)[: style.rows]
    clients = sorted_clients(sample.clients, style.sort)[: style.rows]
    modules = sorted_modules(sample.modules, style.sort)[: style.rows]
    return {
        "ts": ts,
        "seconds": round(sample.seconds, 3),
        "in": round(sample.taken, 3),
        "out": round(sample.given, 3),
        "looked_at": round(sample.looked_at, 4),
        "modules": top_modules.document(modules),
        "subjects": [
            {"subject": row.subject, "events": round(row.events, 3), "bytes": round(row.size)}
            for row in subjects
        ],
        "clients": [
            {
                "module": row.module,
                "connection": row.connection,
                "in": round(row.taken, 3),
                "out": round(row.given, 3),
                "queued": row.queued,
                "queued_bytes": row.queued_bytes,
                "dropped": row.dropped,
                "stalls": row.stalls,
            }
            for row in clients
        ],
    }
