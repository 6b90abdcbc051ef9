"""What waits for a handler that wants the newest: the oldest makes room, and a mark stands in its place.

A mark is an event whose data is a `Gap`, as no decoded frame's is. It waits in line like the others, so
that the handler is told of what is missing where it is missing.
"""

from __future__ import annotations

from collections import deque

from kite.wire.frame import Event, Gap

MAX_BACKLOG = 4 << 20
"""Bytes that wait for such a handler, as many as in the Hub's outbox: what is older is not wanted."""


def mark(pattern: str, gap: Gap) -> Event:
    """What tells a handler of this pattern that events are missing here."""
    return Event(event=pattern, data=gap)


def gap_of(event: Event) -> Gap | None:
    """What a mark tells; None for an event."""
    return event.data if type(event.data) is Gap else None


def make_room(
    waiting: deque[tuple[Event, int]], excess: int, pattern: str, now: str
) -> tuple[int, int]:
    """Drop the oldest of what waits, and leave one mark for all that are missing in front.

    Args:
        waiting: events with their sizes, at least one.
        excess: bytes that are too many.
        now: RFC 3339.

    Returns:
        How many events were dropped, and the bytes that they took.
    """
    dropped = freed = missed = 0
    since = ""
    while waiting and freed < excess:
        event, size = waiting.popleft()
        freed += size
        told = gap_of(event)
        if told is None:
            dropped += 1
        else:
            missed += told.missed
            since = since or told.since
    gap = Gap(missed=missed + dropped, since=since or now)
    waiting.appendleft((mark(pattern, gap), 0))
    return dropped, freed
