"""A replay: what streams have kept, read from a place to their end, and then what comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.jobs import Found
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
    """

    stream: Stream
    wants: Callable[[bytes], bool]
    after: int
    since: float | None

    @property
    def is_done(self) -> bool:
        """Whether the end of the stream is reached."""
        return self.after >= self.stream.extent.last


class Replay:
    """One replay of one connection.

    Args:
        session: whose.
        frame: with which it was asked for.
        cursors: one for each stream; they are read one after the other.
    """

    def __init__(
        self,
        session: Session,
        frame: Subscribe,
        cursors: Sequence[Cursor],
    ) -> None:
        self.session = session
        self.frame = frame
        self.replayed = 0
        self._cursors = cursors
        self._reading: Cursor | None = None

    @property
    def is_reading(self) -> bool:
        """Whether something is on its way from the disk."""
        return self._reading is not None

    def next(self) -> Cursor | None:
        """What to read next, which counts as being read from now on; None: everything is read."""
        self._reading = next((each for each in self._cursors if not each.is_done), None)
        return self._reading

    def found(self, found: Found) -> tuple[Stream, list[tuple[int, bytes]], tuple[int, int] | None]:
        """What was read: its stream, what of it is wanted, and what is missing before it."""
        cursor = self._reading
        assert cursor is not None
        self._reading = None
        gap = None
        if cursor.since is None and found.records and found.records[0][0] > cursor.after + 1:
            gap = (cursor.after + 1, found.records[0][0] - 1)
        cursor.since = None
        cursor.after = max(found.through, cursor.after)
        wanted = [record for record in found.records if cursor.wants(record[1])]
        self.replayed += len(wanted)
        return cursor.stream, wanted, gap

    def failed(self) -> None:
        """The disk could not read."""
        self._reading = None
