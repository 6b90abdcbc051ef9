"""What waits for one subscriber, counted event by event.

Bytes are handed to the connection's port until it does not take them all at once; from then on
they wait here, where they are counted and can be taken back. Every event that was pushed ends as
exactly one of *delivered* (its last byte was taken by the socket) and *dropped*.

Who feeds an outbox beyond its limit has to wait, but for events that were pushed with `push_newest`:
these have what room the others leave, and the oldest of them go where that is not enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from kite.event_hub.core.newest import Newest, Piece
from kite.event_hub.core.websocket import whole_frames

_PIECE = 256 << 10
"""Bytes that are written in one go, about; so much is joined at most."""

_COMFORTABLE = 1 << 20


class Port(Protocol):
    """The way out to a socket."""

    def write(self, data: bytes | memoryview) -> int:
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
        instant: the present time as RFC 3339 text.

    Attributes:
        comfortable: bytes that may wait before what can be sent later is sent later.
        queued: bytes that wait here and may not be dropped to make room.
        delivered: events whose last byte was taken by the socket.
        dropped: events that were pushed and never will be.
        gaps: how often the client was told that some were dropped.
        is_over: whether it went over its limit and has not come well below it since.
    """

    __slots__ = (
        "_eager",
        "_handed",
        "_instant",
        "_is_blocked",
        "_is_closed",
        "_is_dirty",
        "_limit",
        "_newest",
        "_partial",
        "_partial_events",
        "_popped",
        "_port",
        "_queue",
        "_wake",
        "comfortable",
        "delivered",
        "dropped",
        "gaps",
        "is_over",
        "queued",
    )

    def __init__(
        self,
        port: Port,
        limit: int,
        wake: Callable[[Outbox], None],
        instant: Callable[[], str] = str,
    ) -> None:
        self._port = port
        self._instant = instant
        self._newest: Newest | None = None
        self._popped = 0  # pieces that have left the queue since there was a `_newest`
        self._limit = limit
        self._eager = min(_PIECE, limit)
        self._wake = wake
        self.comfortable = min(_COMFORTABLE, limit // 2)
        self._queue: deque[Piece] = deque()
        self._is_dirty = False
        self._is_blocked = False
        self._is_closed = False
        self._handed = 0
        self._partial = 0
        self._partial_events = 0
        self.queued = 0
        self.delivered = 0
        self.dropped = 0
        self.gaps = 0
        self.is_over = False

    @property
    def load(self) -> int:
        """Bytes that the socket has not taken."""
        newest = self._newest
        return self.queued + self._partial + (newest.queued if newest is not None else 0)

    @property
    def waiting(self) -> int:
        """Events that are neither delivered nor dropped yet."""
        newest = self._newest
        own = sum(events for _, events in self._queue) + self._partial_events
        return own + (newest.waiting if newest is not None else 0)

    @property
    def is_empty(self) -> bool:
        """Whether the socket has taken everything."""
        return not self._queue and not self._newest and not self._is_blocked

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
        if self._newest is not None:
            self._make_room(self._newest)
        if self.queued > self._limit:
            self.is_over = True
        return self.is_over

    def push_newest(self, data: bytes, events: int) -> None:
        """Add events of which the oldest are dropped when there is no room; nobody has to wait.

        Args:
            data: whole frames.
            events: how many they are.
        """
        if self._is_closed:
            self.dropped += events
            return
        newest = self._newest
        if newest is None:
            newest = self._newest = Newest(self._instant)
        newest.push(data, events, self._popped + len(self._queue))
        if self.queued + newest.queued > self._eager and not self._is_blocked:
            self.flush()
        elif not self._is_dirty:
            self._is_dirty = True
            self._wake(self)
        self._make_room(newest)

    def _make_room(self, newest: Newest) -> None:
        if newest and self.queued + newest.queued > self._limit:
            if not self._is_blocked:
                self.flush()
            self.dropped += newest.drop(self.queued + newest.queued - self._limit)

    def flush(self) -> None:
        """Write what waits, until the socket takes no more."""
        self._is_dirty = False
        if self._newest is not None:
            self._flush_both(self._newest)
            return
        queue = self._queue
        while queue and not self._is_blocked:
            pieces = [queue.popleft()]
            size = len(pieces[0][0])
            while queue and size + len(queue[0][0]) <= _PIECE:
                pieces.append(queue.popleft())
                size += len(pieces[-1][0])
            self.queued -= size
            self._write(pieces, size)

    def _flush_both(self, newest: Newest) -> None:
        while not self._is_blocked and (self._queue or newest or newest.missed):
            pieces = [self._take(newest)]
            size = len(pieces[0][0])
            while size < _PIECE and (self._queue or newest):
                pieces.append(self._take(newest))
                size += len(pieces[-1][0])
            self._write(pieces, size)

    def _take(self, newest: Newest) -> Piece:
        """What is to be written next. A gap is told before the event that follows it, and when
        nothing follows."""
        queue = self._queue
        if queue and not (newest and newest.place <= self._popped):
            piece = queue.popleft()
            self._popped += 1
            self.queued -= len(piece[0])
            return piece
        if newest.missed:
            self.gaps += 1
            return newest.tell(), 0
        return newest.pop()

    def _write(self, pieces: list[Piece], size: int) -> None:
        """Hand pieces of so many bytes to the socket, and count what it has taken of them."""
        data = pieces[0][0] if len(pieces) == 1 else b"".join([data for data, _ in pieces])
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
        """Drop what was not written; returns how many events the client misses by that, with those
        that it was not told of yet. What was written in part still goes: half a frame would break
        everything after it."""
        missed = sum(events for _, events in self._queue)
        untold = 0
        if (newest := self._newest) is not None:
            missed += newest.clear()
            untold, newest.missed = newest.missed, 0
            self._popped += len(self._queue)
        self._queue.clear()
        self.queued = 0
        self.dropped += missed
        self.is_over = False
        return missed + untold

    def close(self) -> None:
        """The connection is gone: what has not left is dropped, and what is pushed later too."""
        self.discard()
        self._is_closed = True
        self._is_blocked = False
        self.dropped += self._partial_events
        self._partial = self._partial_events = 0


def _whole_events(pieces: list[Piece], sent: int) -> int:
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
