"""What the Hub has handed out lately, in that order: the bytes themselves, kept once for everybody.

A *position* is how many events were handed out before. Whoever heard everything up to a position
has missed what `after` gives, all of it, as long as `reaches` says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from kite.event_hub.core.websocket import frames

_PIECE_BYTES = 160
"""What a piece costs besides its bytes, about."""


class Head(msgspec.Struct, gc=False):
    """What names an event, and where it belongs."""

    event: str
    source: str
    event_id: str


class Remembered(NamedTuple):
    """One event.

    Args:
        position: how many were handed out before it.
        head: its names.
        frame: its bytes, as subscribers get them.
    """

    position: int
    head: Head
    frame: memoryview


class _Piece(NamedTuple):
    first: int
    at: float
    chunk: bytes
    events: int


_decode = msgspec.json.Decoder(Head).decode
_encode = msgspec.json.Encoder().encode


class History:
    """The memory.

    Args:
        most_bytes: how much is kept at most; 0: nothing.
        seconds: how long.

    Attributes:
        position: how many events were handed out so far.
        forgotten_at: when the youngest event that is forgotten was handed out; None: none is.
    """

    def __init__(self, most_bytes: int, seconds: float) -> None:
        self.position = 0
        self.forgotten_at: float | None = None
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._pieces: deque[_Piece] = deque()
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes that are kept, about."""
        return self._bytes

    @property
    def events(self) -> int:
        """Events that are kept."""
        return self.position - self._first

    @property
    def _first(self) -> int:
        return self._pieces[0].first if self._pieces else self.position

    def add(self, chunk: bytes, events: int, now: float) -> None:
        """So many events have been handed out, as these bytes.

        Args:
            chunk: whole server frames.
            events: how many these are; 0: one that a single client got, which can be found and is
                not given to others.
            now: the loop's clock.
        """
        self._pieces.append(_Piece(self.position, now, chunk, events))
        self.position += events
        self._bytes += len(chunk) + _PIECE_BYTES
        if self._bytes > self._most_bytes or self._pieces[0].at < now - self._seconds:
            self.forget(now)

    def forget(self, now: float) -> None:
        """Let go of what is too much or too old."""
        pieces = self._pieces
        while pieces and (self._bytes > self._most_bytes or pieces[0].at < now - self._seconds):
            gone = pieces.popleft()
            self._bytes -= len(gone.chunk) + _PIECE_BYTES
            self.forgotten_at = gone.at

    def reaches(self, position: int) -> bool:
        """Whether everything from a position on is there."""
        return self._first <= position <= self.position

    def find(self, source: str, event_id: str) -> int | None:
        """The position behind an event; None where it is not known (any more)."""
        name = _encode(event_id)
        for piece in reversed(self._pieces):
            if name not in piece.chunk:
                continue
            found = None
            for each in _events(piece):
                if each.head.event_id == event_id and each.head.source == source:
                    found = each.position + (piece.events > 0)
            if found is not None:
                return found
        return None

    def after(self, position: int) -> Iterator[Remembered]:
        """The events from a position on that are there, oldest first."""
        for piece in self._pieces:
            if piece.events and piece.first + piece.events > position:
                yield from (each for each in _events(piece) if each.position >= position)

    def since(self, at: float) -> Iterator[Remembered]:
        """The events that are there and were handed out at that time or later, oldest first."""
        for piece in self._pieces:
            if piece.at >= at and piece.events:
                yield from _events(piece)


def _events(piece: _Piece) -> Iterator[Remembered]:
    for number, (start, payload, end) in enumerate(frames(piece.chunk)):
        view = memoryview(piece.chunk)
        yield Remembered(piece.first + number, _decode(view[payload:end]), view[start:end])
