"""What waits for one subscriber, counted event by event.

Bytes are handed to the connection's port until it does not take them all at once; from then on
they wait here, where they are counted and can be taken back. Every event that was pushed ends as
exactly one of *delivered* (its last byte was taken by the socket) and *dropped*.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from kite.event_hub.core.websocket import whole_frames

_PIECE = 256 << 10
"""Bytes that are written in one go, about; so much is joined at most."""


class Port(Protocol):
    """The way out to a socket."""

    def write(self, data: bytes) -> int:
        """Send; returns how many of the bytes the socket has not taken yet. Until these are gone
        (the outbox is told by `writable`) nothing more is written."""
        ...

    def unsent(self) -> int:
        """Bytes that were written and have not been taken yet."""
        ...


class Outbox:
    """The outbox of one connection.

    Args:
        port: where the bytes go.
        limit: bytes that may wait before publishers are held.
        wake: called with the outbox when it has something to flush (once until it is flushed).

    Attributes:
        queued: bytes that wait here.
        delivered: events whose last byte was taken by the socket.
        dropped: events that were pushed and never will be.
        is_over: whether it went over its limit and has not come well below it since.
    """

    __slots__ = (
        "_eager",
        "_handed",
        "_is_blocked",
        "_is_closed",
        "_is_dirty",
        "_limit",
        "_partial",
        "_partial_events",
        "_port",
        "_queue",
        "_wake",
        "delivered",
        "dropped",
        "is_over",
        "queued",
    )

    def __init__(self, port: Port, limit: int, wake: Callable[[Outbox], None]) -> None:
        self._port = port
        self._limit = limit
        self._eager = min(_PIECE, limit)
        self._wake = wake
        self._queue: deque[tuple[bytes, int]] = deque()
        self._is_dirty = False
        self._is_blocked = False
        self._is_closed = False
        self._handed = 0
        self._partial = 0
        self._partial_events = 0
        self.queued = 0
        self.delivered = 0
        self.dropped = 0
        self.is_over = False

    @property
    def load(self) -> int:
        """Bytes that the socket has not taken."""
        return self.queued + self._partial

    @property
    def waiting(self) -> int:
        """Events that are neither delivered nor dropped yet."""
        return sum(events for _, events in self._queue) + self._partial_events

    @property
    def is_empty(self) -> bool:
        """Whether the socket has taken everything."""
        return not self._queue and not self._is_blocked

    def taken(self) -> int:
        """Bytes that the socket has taken so far."""
        return self._handed - self._port.unsent()

    def push(self, data: bytes, events: int) -> bool:
        """Add frames; True when the outbox is over its limit, so that who pushes must wait.

        Args:
            data: whole frames.
            events: how many events they are; 0 for acks, errors, pongs. Never mixed.
        """
        if self._is_closed:
            self.dropped += events
            return False
        self._queue.append((data, events))
        self.queued += len(data)
        if self.queued > self._eager and not self._is_blocked:
            self.flush()
        elif not self._is_dirty:
            self._is_dirty = True
            self._wake(self)
        if self.queued > self._limit:
            self.is_over = True
        return self.is_over

    def flush(self) -> None:
        """Write what waits, until the socket takes no more."""
        self._is_dirty = False
        queue = self._queue
        while queue and not self._is_blocked:
            pieces = [queue.popleft()]
            size = len(pieces[0][0])
            while queue and size + len(queue[0][0]) <= _PIECE:
                pieces.append(queue.popleft())
                size += len(pieces[-1][0])
            data = pieces[0][0] if len(pieces) == 1 else b"".join([data for data, _ in pieces])
            self.queued -= size
            self._handed += size
            left = self._port.write(data)
            events = 0
            for _, count in pieces:
                events += count
            if left:
                self._is_blocked = True
                self._partial = left
                whole = _whole_events(pieces, size - left)
                self._partial_events = events - whole
                events = whole
            self.delivered += events

    def writable(self) -> bool:
        """The socket has taken everything that was written: go on.

        Returns:
            True when the outbox has just come well below its limit.
        """
        self._is_blocked = False
        self.delivered += self._partial_events
        self._partial = self._partial_events = 0
        self.flush()
        if self.is_over and self.queued <= self._limit // 2:
            self.is_over = False
            return True
        return False

    def discard(self) -> int:
        """Drop what was not written; returns how many events that were. What was written in part
        still goes: half a frame would break everything after it."""
        missed = sum(events for _, events in self._queue)
        self._queue.clear()
        self.queued = 0
        self.dropped += missed
        self.is_over = False
        return missed

    def close(self) -> None:
        """The connection is gone: what has not left is dropped, and what is pushed later too."""
        self.discard()
        self._is_closed = True
        self._is_blocked = False
        self.dropped += self._partial_events
        self._partial = self._partial_events = 0


def _whole_events(pieces: list[tuple[bytes, int]], sent: int) -> int:
    """How many events lie wholly within the first `sent` bytes."""
    whole = 0
    for data, events in pieces:
        if sent >= len(data):
            whole += events
        elif events:
            return whole + whole_frames(data, sent)
        sent -= len(data)
        if sent <= 0:
            break
    return whole
