"""Reading ahead of a durable subscription: how far it has come, and what waits to be looked at."""

from __future__ import annotations

from collections import deque

from kite.event_hub.core.streams.decisions import Fetch, Missed
from kite.event_hub.core.streams.jobs import Record

_BUFFER_BYTES = 2 << 20
"""Of events that were read and wait for a member."""


class Ahead:
    """The place in a stream, and the events behind it that are at hand.

    Args:
        position: everything up to here was looked at.
        last: of the stream.
        since: seconds since 1970: nothing kept before is wanted (until the first read).

    Attributes:
        has_moved: whether the position is another than when somebody set this to False.
    """

    def __init__(self, position: int, last: int, since: float | None) -> None:
        self.position = position
        self.since = since
        self.has_moved = False
        self._last = last
        self._read_to = position
        self._buffer: deque[Record] = deque()
        self._bytes = 0
        self._is_asking = False

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def head(self) -> Record:
        """The next event to look at."""
        return self._buffer[0]

    def pop(self) -> None:
        """It was looked at."""
        seq, payload = self._buffer.popleft()
        self._bytes -= len(payload)
        self._move(seq if self._buffer else self._read_to)

    def clear(self) -> None:
        """Nobody wants it for now: it is read again when somebody does."""
        self._buffer.clear()
        self._bytes = 0
        self._read_to = self.position

    def arrived(self, first: int, payloads: list[bytes], *, is_wanted: bool) -> None:
        """The stream has grown; who is at its end need not read it.

        Args:
            is_wanted: whether anybody is there.
        """
        self._last = first + len(payloads) - 1
        room = _BUFFER_BYTES - self._bytes
        if self._read_to != first - 1 or not is_wanted or self._is_asking:
            return
        for seq, payload in enumerate(payloads, first):
            if room <= 0:
                break
            room -= len(payload)
            self._buffer.append((seq, payload))
            self._bytes += len(payload)
            self._read_to = seq

    def ask(self) -> Fetch | None:
        """What is to be read now."""
        if self._buffer or self._is_asking or self._read_to >= self._last:
            return None
        self._is_asking = True
        return Fetch(self._read_to, self.since)

    def failed(self) -> None:
        """What was asked for could not be read."""
        self._is_asking = False

    def fetched(self, records: list[Record], through: int, *, is_wanted: bool) -> list[Missed]:
        """What was asked for: everything there is from there up to `through`.

        Returns:
            What the stream has not any more.
        """
        self._is_asking = False
        if not is_wanted:
            return []  # everybody left meanwhile: who comes next begins at the position
        missed: list[Missed] = []
        at = self._read_to
        if self.since is not None:
            self.since = None
            at = records[0][0] - 1 if records else max(at, through)
        for seq, payload in records:
            if seq > at:
                if seq > at + 1:
                    missed.append(Missed(at + 1, seq - 1))
                self._buffer.append((seq, payload))
                self._bytes += len(payload)
                at = seq
        if through > at:
            missed.append(Missed(at + 1, through))
            at = through
        self._read_to = at
        if not self._buffer:
            self._move(at)
        return missed

    def _move(self, position: int) -> None:
        if position > self.position:
            self.position = position
            self.has_moved = True
