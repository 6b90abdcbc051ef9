"""A replay: what streams have kept, read from a place to their end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.decisions import Missed
from kite.event_hub.core.streams.jobs import Found, Record
from kite.event_hub.core.streams.stream import Stream
from kite.wire.frame import Subscribe


@dataclass(slots=True)
class Cursor:
    """How far one stream has been read.

    Args:
        stream: which.
        wants: whether an event's bytes are wanted.
        after: everything up to here was looked at.
        since: seconds since 1970 at which the first read begins; None: at `after`.
        earlier: streams that are read before: what they have is not wanted again.
    """

    stream: Stream
    wants: Callable[[bytes], bool]
    after: int
    since: float | None
    earlier: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether the end of the stream is reached."""
        return self.after >= self.stream.extent.last

    def found(self, found: Found) -> tuple[Missed | None, list[Record]]:
        """What was read: what is missing before it, and what of it is wanted."""
        gap = None
        first = found.records[0][0] if found.records else found.through + 1
        if self.since is None and first > self.after + 1:
            gap = Missed(self.after + 1, first - 1)
        self.since = None
        self.after = max(found.through, self.after)
        return gap, [
            record
            for record in found.records
            if record[0] not in found.shared and self.wants(record[1])
        ]


class Replay:
    """One replay of one connection.

    Args:
        session: whose.
        frame: with which it was asked for.
        cursors: one for each stream; they are read one after the other.

    Attributes:
        pending: what was read and waits for room: a stream's events, and words about gaps.
        replayed: how many events were found.
        is_reading: whether something is on its way from the disk.
    """

    def __init__(self, session: Session, frame: Subscribe, cursors: Sequence[Cursor]) -> None:
        self.session = session
        self.frame = frame
        self.pending: deque[tuple[Stream, Record | Missed]] = deque()
        self.replayed = 0
        self.is_reading = False
        self._cursors = cursors
        self._at: Cursor | None = None

    def next(self) -> Cursor | None:
        """What to read next, which counts as being read from now on; None: everything is read."""
        self._at = next((each for each in self._cursors if not each.is_done), None)
        self.is_reading = self._at is not None
        return self._at

    def found(self, found: Found) -> None:
        """What was read."""
        cursor = self._at
        assert cursor is not None
        self.is_reading = False
        gap, wanted = cursor.found(found)
        if gap is not None:
            self.pending.append((cursor.stream, gap))
        self.pending += [(cursor.stream, record) for record in wanted]
        self.replayed += len(wanted)
