"""The table of modules in `kite top`: what each uses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kite.cli.figures import size
from kite.cli.table import Cell, table
from kite.locale import _
from kite.terminal import name_color

BUSY = 50.0
"""Per cent of a core from which on it is coloured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleUse:
    """A module that has processes.

    Args:
        cpu: per cent of one core.
        memory: bytes.
        uptime: seconds, or None.
    """

    name: str
    cpu: float
    memory: int
    processes: int
    restarts: int
    uptime: float | None


def read(records: Iterable[Mapping[str, Any]]) -> list[ModuleUse]:
    """Those that run, of the records of `GET /launcher/modules`."""
    return [
        ModuleUse(
            name=str(record["name"]),
            cpu=record.get("cpu_percent") or 0.0,
            memory=record.get("memory_bytes") or 0,
            processes=record["processes"],
            restarts=record.get("restarts") or 0,
            uptime=record.get("uptime"),
        )
        for record in records
        if record.get("processes")
    ]


_KEYS = {
    "cpu": lambda row: (-row.cpu, -row.memory, row.name),
    "memory": lambda row: (-row.memory, row.name),
    "restarts": lambda row: (-row.restarts, -row.cpu, row.name),
    "name": lambda row: (row.name,),
}
SORTS = tuple(_KEYS)
"""What it can be sorted by; else it is by processor time."""


def sorted_modules(rows: Iterable[ModuleUse], key: str) -> list[ModuleUse]:
    """In the order of the key."""
    return sorted(rows, key=_KEYS.get(key, _KEYS["cpu"]))


def percent(share: float | None) -> str:
    """Of one core: `0 %`, `0.3 %`, `12 %`, `150 %`."""
    if share is None:
        return "-"
    return f"{share:.0f} %" if share >= 10 or not share else f"{share:.1f} %"


def lines(rows: Sequence[ModuleUse], *, color: bool, columns: int | None) -> list[str]:
    """The table, rows in the order given."""
    from kite.cli.ps import uptime

    headers = [_("MODULE"), _("CPU"), _("MEM"), _("PROCESSES"), _("RESTARTS"), _("UPTIME")]
    cells: list[list[str | Cell]] = [
        [
            Cell(row.name, (name_color(row.name),)),
            Cell(percent(row.cpu), _styles(row.cpu, alarm="yellow" if row.cpu >= BUSY else "")),
            size(row.memory),
            str(row.processes),
            Cell(str(row.restarts), _styles(row.restarts)),
            uptime(row.uptime),
        ]
        for row in rows
    ]
    right = frozenset(range(1, 6))
    return table(headers, cells, color=color, columns=columns, right=right, spare=(3, 5, 4))


def _styles(value: float, *, alarm: str = "") -> tuple[str, ...]:
    """What is nothing steps back, so that what is something is seen."""
    return (alarm,) if alarm else () if value else ("dim",)


def document(rows: Iterable[ModuleUse]) -> list[dict[str, Any]]:
    """As JSON."""
    return [
        {
            "module": row.name,
            "cpu_percent": row.cpu,
            "memory_bytes": row.memory,
            "processes": row.processes,
            "restarts": row.restarts,
            "uptime": row.uptime,
        }
        for row in rows
    ]
