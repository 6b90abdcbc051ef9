"""What has been published and cannot go out yet: a bounded queue, in order."""

from __future__ import annotations

from collections import deque

from kite.errors import Unavailable

MAX_EVENTS = 10_000
MAX_BYTES = 16 << 20


class Outbox:
    """Encoded events that wait for a connection that takes them.

    When it is full the publisher is told so; what is in it already is kept. Nothing is dropped to
    make room: the caller alone knows what it can do without.
    """

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._frames: deque[bytes] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def size(self) -> int:
        """Bytes waiting."""
        return self._bytes

    def put(self, frame: bytes) -> None:
        """Keep a frame for later.

        Raises:
            Unavailable: `publish_queue_full`; the frame is not kept.
        """
        if len(self._frames) >= self._max_events or self._bytes + len(frame) > self._max_bytes:
            raise Unavailable("publish_queue_full", count=len(self._frames), size=self._bytes)
        self._frames.append(frame)
        self._bytes += len(frame)

    def take(self) -> bytes | None:
        """The frame that has waited longest, or None."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        return frame

    def put_back(self, frame: bytes) -> None:
        """Keep a frame that was taken and could not be sent, at its old place."""
        self._frames.appendleft(frame)
        self._bytes += len(frame)
