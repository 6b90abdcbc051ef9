"""Events of which the newest are wanted: when there are too many, the oldest are dropped and told of.

These are what waits for the `drop_oldest` subscriptions of one connection. Everything else that
waits for it stands in the outbox's own queue; the *place* of a piece says behind how much of that
it was pushed, so that both are written in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from kite.event_hub.core.websocket import leading_frames, text
from kite.wire.frame import Gap, encode

Piece = tuple[bytes | memoryview, int]
"""Whole frames, and how many of them are events: all or none."""


class Newest:
    """The droppable part of one outbox.

    Args:
        instant: the present time as RFC 3339 text.

    Attributes:
        queued: bytes that wait here.
        missed: events that were dropped and of which the client has not been told.
    """

    __slots__ = ("_instant", "_pieces", "_since", "missed", "queued")

    def __init__(self, instant: Callable[[], str]) -> None:
        self._instant = instant
        self._pieces: deque[tuple[bytes | memoryview, int, int]] = deque()
        self._since = ""
        self.queued = 0
        self.missed = 0

    def __len__(self) -> int:
        return len(self._pieces)

    @property
    def waiting(self) -> int:
        """Events that wait here."""
        return sum(events for _, events, _ in self._pieces)

    @property
    def place(self) -> int:
        """Behind how many pieces of the other queue the oldest one stands; there must be one."""
        return self._pieces[0][2]

    def push(self, data: bytes, events: int, place: int) -> None:
        """Add events behind so many pieces of the other queue."""
        self._pieces.append((data, events, place))
        self.queued += len(data)

    def pop(self) -> Piece:
        """Take the oldest; there must be one."""
        data, events, _ = self._pieces.popleft()
        self.queued -= len(data)
        return data, events

    def drop(self, excess: int) -> int:
        """Drop the oldest events until so many bytes are gone; returns how many events went."""
        dropped = 0
        while excess > 0 and self._pieces:
            data, events, place = self._pieces[0]
            if len(data) <= excess:
                size, count = len(data), events
            else:
                size, count = leading_frames(data, excess)
            if count == events:
                self._pieces.popleft()
            else:
                # A view: what is left of a long piece is not copied for every event that goes.
                self._pieces[0] = memoryview(data)[size:], events - count, place
            self.queued -= size
            excess -= size
            dropped += count
        if dropped and not self.missed:
            self._since = self._instant()
        self.missed += dropped
        return dropped

    def tell(self) -> bytes:
        """The frame that tells how many were dropped since the last one."""
        gap = text(encode(Gap(missed=self.missed, since=self._since)))
        self.missed = 0
        return gap

    def clear(self) -> int:
        """Drop everything, without a word; returns how many events that were."""
        dropped = self.waiting
        self._pieces.clear()
        self.queued = 0
        return dropped
