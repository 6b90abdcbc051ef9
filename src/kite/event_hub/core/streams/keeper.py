"""The way of an event into its stream: gathered, written in one transaction, and only then passed on.

One transaction is under way at a time; what comes meanwhile is gathered for the next. Whoever has
published something that waits here has everything after it wait too, so that its order stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kite.event_hub.core.envelope import Incoming
from kite.event_hub.core.hold import Holder
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.jobs import (
    Append,
    Failed,
    Outcome,
    Write,
    Written,
)
from kite.event_hub.core.streams.stream import Stream

_MOST_BYTES = 8 << 20
"""That wait for the disk before publishers are held."""

_ITEM_BYTES = 256
"""What an event costs besides its own bytes, about."""

_RETRY = 1.0
"""Seconds after a failed write in which events for streams are refused at once."""

_SOON = 0.05


class Item(NamedTuple):
    """An event on its way.

    Args:
        session: who published it; None is the Hub.
        subject: its subject.
        payload: its bytes; empty for a repeat, which is only acknowledged.
        event_id: its id.
        ack: whether its publisher wants to know.
        frame: the event as it was read; None for the Hub's own.
        stream: the (first) stream that keeps it; empty where none does.
        place: its place among what goes to that stream.
    """

    session: Session | None
    subject: str
    payload: bytes
    event_id: str
    ack: bool
    frame: Incoming | None
    stream: str
    place: int


class Batch(NamedTuple):
    """What has become of a transaction.

    Args:
        items: in the order in which they were published.
        firsts: the sequence number of the first event, by stream.
        appends: what was written.
        failure: why it was not.
    """

    items: list[Item]
    firsts: Mapping[str, int]
    appends: tuple[Append, ...]
    failure: str


class Keeper:
    """All streams of the Hub.

    Args:
        streams: by name, in the order of the file.
        submit: hands a job to the disk.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        streams: Mapping[str, Stream],
        submit: Callable[[Write], None],
        wall: Callable[[], float],
    ) -> None:
        self.streams = streams
        self.failure = ""
        self._submit = submit
        self._wall = wall
        self._gate = Holder()
        self._items: list[Item] = []
        self._kept: dict[str, list[bytes]] = {}
        self._sources: dict[str, set[str]] = {}
        self._last: Session | None = None
        self._bytes = 0
        self._held = 0
        self._flying: tuple[list[Item], dict[str, int], int] | None = None
        self._states: dict[tuple[str, str], bytes | None] = {}
        self._appends: tuple[Append, ...] = ()
        self._saving: dict[tuple[str, str], bytes | None] = {}
        self._retry_at = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits here."""
        return self._flying is None and not self._items and not self._states

    @property
    def has_items(self) -> bool:
        """Whether events have been gathered for the next transaction."""
        return bool(self._items)

    def keeping(self, subject: str) -> tuple[Stream, ...]:
        """The streams that keep events on a subject."""
        return tuple(stream for stream in self.streams.values() if stream.keeps(subject))

    def refuses(self, now: float) -> str:
        """Why events for streams cannot be taken at present; empty when they can."""
        return self.failure if now < self._retry_at else ""

    def take(  # noqa: PLR0917  (the hot path of what is kept)
        self,
        session: Session | None,
        subject: str,
        payload: bytes,
        kept: bytes,
        event_id: str,
        frame: Incoming | None,
        streams: tuple[Stream, ...],
    ) -> None:
        """An event, a repeat of one (no payload), or one that only waits its turn (no streams).

        Args:
            session: who publishes it; None is the Hub.
            subject: its subject.
            payload: its bytes.
            kept: the bytes for the streams.
            event_id: its id.
            frame: it, as it was read; None for the Hub's own.
            streams: what keeps it.
        """
        name, place = "", 0
        if payload:
            for stream in reversed(streams):
                name = stream.name
                gathered = self._kept.get(name)
                if gathered is None:
                    gathered = self._kept[name] = []
                    self._sources[name] = set()
                    self._last = None
                place = len(gathered)
                gathered.append(kept)
            if streams and (session is not self._last or session is None):
                self._last = session
                for stream in streams:
                    self._sources[stream.name].add("event_hub" if session is None else session.name)
        elif streams:
            name = streams[0].name
        ack = frame is not None and frame.ack
        self._items.append(Item(session, subject, payload, event_id, ack, frame, name, place))
        self._bytes += len(payload) + _ITEM_BYTES
        if session is not None:
            session.behind += 1
            if self._bytes + self._held > _MOST_BYTES:
                self._gate.hold(session)

    def save(self, states: Mapping[tuple[str, str], bytes | None]) -> None:
        """Durables whose state is to be written with the next transaction."""
        self._states.update(states)

    def flush(self) -> None:
        """Write what was gathered, unless a transaction is under way."""
        if self._flying is not None or not (self._items or self._states):
            return
        self._write()

    def is_overdue(self) -> bool:
        """Whether something is too old already."""
        now = self._wall()
        return any(
            stream.max_age is not None
            and stream.extent.oldest is not None
            and stream.extent.oldest + stream.max_age <= now
            for stream in self.streams.values()
        )

    def trim(self) -> None:
        """Let the disk look for what is too old."""
        if self._flying is None:
            self._write()

    def done(self, outcome: Outcome, now: float) -> Batch:
        """The transaction is on the disk, or failed."""
        assert self._flying is not None
        items, firsts, size = self._flying
        self._flying = None
        self._held -= size
        appends, self._appends = self._appends, ()
        failure = ""
        if isinstance(outcome, Written):
            for name, extent in outcome.extents.items():
                if name in self.streams:
                    self.streams[name].extent = extent
            self.failure = ""
        else:
            failure = outcome.why if isinstance(outcome, Failed) else "?"
            self.failure = failure
            self._states = {**self._saving, **self._states}
            self._retry_at = now + _RETRY
        for item in items:
            if item.session is not None:
                item.session.behind -= 1
        if self._bytes + self._held <= _MOST_BYTES // 2:
            self._gate.release()
        return Batch(items, firsts, appends, failure)

    def next_deadline(self, now: float) -> float | None:
        """When something becomes too old."""
        due = [
            stream.extent.oldest + stream.max_age
            for stream in self.streams.values()
            if stream.max_age is not None and stream.extent.oldest is not None
        ]
        return now + max(_SOON, min(due) - self._wall()) if due else None

    def _write(self) -> None:
        appends = tuple(
            Append(
                stream=name,
                first=self.streams[name].extent.last + 1,
                payloads=payloads,
                sources=frozenset(self._sources[name]),
            )
            for name, payloads in self._kept.items()
        )
        firsts = {append.stream: append.first for append in appends}
        self._flying = (self._items, firsts, self._bytes)
        self._held += self._bytes
        self._appends = appends
        states = self._saving = self._states
        self._items, self._kept, self._sources, self._states = [], {}, {}, {}
        self._bytes = 0
        self._submit(
            Write(
                appends=appends,
                states=states,
                at=self._wall(),
                sync=any(self.streams[append.stream].is_synced for append in appends),
            )
        )
