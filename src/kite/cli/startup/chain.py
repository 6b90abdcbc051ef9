"""The critical chain of a start: who was ready last, whom that one had waited for, and so on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kite.cli.startup.timeline import LAUNCHER, Coming, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One module on the chain; instants are seconds since the Launcher began.

    Args:
        at: when it had come as far as the next one needed.
        seconds: how long it took for that, from its process's start.
        place: how many seconds it had waited for a place before.
    """

    name: str
    at: float
    seconds: float
    place: float


def critical_chain(line: Timeline) -> list[Link]:
    """The links, the last that was ready first, down to the Launcher; empty where nobody was."""
    ready = [each for each in line.modules.values() if each.ready_at is not None]
    ready = [each for each in ready if not each.is_core] or ready
    if not ready:
        return []
    one: Coming | None = max(ready, key=lambda each: each.ready_at or 0.0)
    at = one.ready_at if one is not None else None
    links: list[Link] = []
    while one is not None and at is not None and one.name not in {link.name for link in links}:
        began = one.starting_at if one.starting_at is not None else at
        seconds = max(0.0, at - began)
        links.append(Link(name=one.name, at=at, seconds=seconds, place=one.place))
        one, at = _before(line, one, began)
    return links


def _before(line: Timeline, one: Coming, began: float) -> tuple[Coming | None, float | None]:
    """Whose coming let this one start, and when that was."""
    if one.name == LAUNCHER:
        return None, None
    if one.is_core:  # both start with the Launcher
        launcher = line.modules.get(LAUNCHER)
        return launcher, (began if launcher is not None else None)
    reached = [
        (line.modules[n], _reached(line.modules[n], began)) for n in one.after if n in line.modules
    ]
    known = [(other, at) for other, at in reached if at is not None]
    if known:
        return max(known, key=lambda pair: pair[1])
    core = [each for each in line.modules.values() if each.is_core and each.name != LAUNCHER]
    there = [each for each in core if each.ready_at is not None]
    slowest = max(there, key=lambda each: each.ready_at or 0.0, default=None)
    return slowest, (slowest.ready_at if slowest is not None else None)


def _reached(other: Coming, before: float) -> float | None:
    """The last thing that happened to it before: it was started, ready, or completed."""
    happened = (other.starting_at, other.ready_at, other.ended_at)
    known = [at for at in happened if at is not None and at <= before + 0.002]
    return max(known, default=None)
