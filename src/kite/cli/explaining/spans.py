"""Times as `kite explain` says them."""

from __future__ import annotations

from typing import Any

from kite.launcher.progress import duration, instant
from kite.locale import _

MINUTE = 60.0


def span(seconds: float) -> str:
    """A time as short or as long as it is: `80 ms`, `12.0 s`, `3 m 20 s`, `2 h 5 m`."""
    from kite.cli.ps import uptime

    return duration(seconds) if seconds < MINUTE else uptime(seconds)


def since(at: Any, now: float) -> str | None:
    """How long ago an RFC 3339 instant was; None for none."""
    return None if at is None else span(max(0.0, now - instant(at, now)))


def until(at: Any, now: float) -> str | None:
    """How long until an RFC 3339 instant; None for none."""
    return None if at is None else span(max(0.0, instant(at, now) - now))


def ago(at: Any, now: float) -> str:
    """`12.0 s ago`."""
    return _("{duration} ago").format(duration=since(at, now) or "?")


def number(value: float) -> str:
    """A number without needless digits."""
    return f"{value:g}"
