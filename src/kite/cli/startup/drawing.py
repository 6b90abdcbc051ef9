"""A start-up as text: the critical chain, who took longest, and a chart. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kite.cli.startup.chain import Link
from kite.cli.startup.timeline import Coming, Timeline
from kite.cli.table import table
from kite.launcher.progress import duration
from kite.locale import _
from kite.terminal import fit, pad, paint, width

LEAST_CHART = 20
CORE_MARK, BLOCKED_MARK, PLACE_MARK, STARTING_MARK, READY_MARK = "·", "-", "~", "=", "|"


def summary(line: Timeline, *, color: bool) -> list[str]:
    """What the whole took, and its two parts."""
    text = (
        _("the start took {duration}")
        if line.settled_at is not None
        else _("the start is not over; so far {duration}")
    )
    lines = [paint(text.format(duration=duration(line.seconds)), "bold", color=color)]
    if line.doors_at is not None:
        text = _("  core modules {core}, then the others {rest}")
        rest = duration(max(0.0, line.seconds - line.doors_at))
        lines.append(text.format(core=duration(line.doors_at), rest=rest))
    lines += [f"  {each}" for each in _who_is_not_there(line)]
    return lines


def _who_is_not_there(line: Timeline) -> list[str]:
    told: list[str] = []
    for each in line.modules.values():
        if each.ready_at is not None:
            continue
        if each.missing:
            names = ", ".join(each.missing)
            told.append(f"{each.name}: " + _("waits for {names}").format(names=names))
        elif each.error:
            told.append(f"{each.name}: {each.error}")
        elif each.starting_at is not None:
            told.append(f"{each.name}: " + _("not ready yet"))
    return told


def chain_lines(links: Sequence[Link], *, color: bool) -> list[str]:
    """The chain as a tree: `@` when it had come so far, `+` how long that took it."""
    if not links:
        return [_("no module was ready")]
    lines = [_("who was ready last, and whom each had waited for (@ when, + how long it took):")]
    for depth, link in enumerate(links):
        branch = "  " * (depth - 1) + "└─" if depth else ""
        text = f"  {branch}{link.name} @{duration(link.at)}"
        if link.seconds > 0:
            text += paint(
                f" +{duration(link.seconds)}", "red" if depth == 0 else "yellow", color=color
            )
        if link.place > 0:
            text += ", " + _("{duration} for a place").format(duration=duration(link.place))
        lines.append(text)
    return lines


def blame_lines(line: Timeline, *, color: bool, columns: int | None) -> list[str]:
    """A table: the slowest first."""
    shown = [each for each in line.modules.values() if each.starting_at is not None]
    shown.sort(key=lambda each: (-(each.starting or 0.0), each.name))
    headers = [_("STARTING"), _("BLOCKED"), _("PLACE"), _("CORE"), _("NAME")]
    rows = [
        [
            duration(each.starting) if each.starting is not None else "-",
            _spent(each.blocked),
            _spent(each.place),
            _spent(each.core),
            each.name,
        ]
        for each in shown
    ]
    right = frozenset({0, 1, 2, 3})
    return table(headers, rows, color=color, columns=columns, right=right)


def _spent(seconds: float) -> str:
    return duration(seconds) if seconds >= 0.0005 else "-"


def plot_lines(line: Timeline, *, color: bool, columns: int) -> list[str]:
    """A chart: a row for each module, time from left to right."""
    shown = [
        each
        for each in line.modules.values()
        if each.starting_at is not None or each.waiting_at is not None
    ]
    shown.sort(key=_begin)
    names = min(24, max((width(each.name) for each in shown), default=0))
    room = max(LEAST_CHART, columns - names - 12)
    whole = max(line.seconds, 0.001)

    def place(seconds: float) -> int:
        return min(room, round(seconds / whole * room))

    lines = [
        f"{pad(fit(each.name, names), names)}  {_bar(line, each, place, room, color=color)}  {_spent(each.starting or 0.0)}"
        for each in shown
    ]
    axis = f"{' ' * names}  0{duration(whole):>{room - 1}}"
    legend = _(
        "{core} waits for the core, {blocked} for what it depends on, {place} for a place,"
        " {starting} is starting, {ready} is ready"
    )
    marks = {
        "core": CORE_MARK,
        "blocked": BLOCKED_MARK,
        "place": PLACE_MARK,
        "starting": STARTING_MARK,
        "ready": READY_MARK,
    }
    return [*lines, axis, legend.format(**marks)]


def _begin(each: Coming) -> tuple[float, float]:
    known = [at for at in (each.waiting_at, each.starting_at) if at is not None]
    return (min(known, default=0.0), each.starting_at or 0.0)


def _bar(line: Timeline, each: Coming, place: object, room: int, *, color: bool) -> str:
    assert callable(place)
    end = each.ready_at if each.ready_at is not None else line.seconds
    starting = each.starting_at if each.starting_at is not None else line.seconds
    waiting = each.waiting_at if each.waiting_at is not None else starting
    marks = [
        (waiting, " "),
        (waiting + each.core, CORE_MARK),
        (waiting + each.core + each.blocked, BLOCKED_MARK),
        (starting, PLACE_MARK),
        (end, STARTING_MARK),
    ]
    bar = ""
    for until, mark in marks:
        bar += mark * max(0, place(until) - len(bar))
    bar = pad(fit(bar, room), room)
    if each.ready_at is not None:
        at = min(room - 1, place(each.ready_at))
        bar = bar[:at] + READY_MARK + bar[at + 1 :]
    return paint(bar, "green" if each.ready_at is not None else "red", color=color)
