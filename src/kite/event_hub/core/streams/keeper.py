"""The way of an event into its stream: gathered, written in one transaction, and only then passed on.

One transaction is under way at a time; what comes meanwhile is gathered for the next. Whoever has
published something that waits here has everything after it wait too, so that its order stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from kite.event_hub.core.envelope import Incoming
from kite.event_hub.core.hold import Holder
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.batch import Batch, Confirm, Item, Portion
from kite.event_hub.core.streams.jobs import Append, Failed, Outcome, Write, Written
from kite.event_hub.core.streams.stream import Stream
from kite.wire.frame import Ack

_MOST_BYTES = 8 << 20
"""That wait for the disk before publishers are held."""

_ITEM_BYTES = 256
"""What an event costs besides its own bytes, about."""

_RETRY = 1.0
"""Seconds after a failed write in which events for streams are refused at once."""

_MOST_OWED = 8 << 20
"""Bytes of the Hub's own events that a disk refused and that are kept later."""

_SOON = 0.05


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
        self._kept: dict[str, Portion] = {}
        self._bytes = 0
        self._room = _MOST_BYTES
        self._confirms: list[Confirm] = []
        self._must_sync = False
        self._states: dict[tuple[str, str], bytes | None] = {}
        self._owed: list[Item] = []
        self._owed_bytes = 0
        self._flying: _Flying | None = None
        self._retry_at = 0.0
        self._is_waiting = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits here."""
        return self._flying is None and not self._items and not self._is_anything_else

    @property
    def is_writing(self) -> bool:
        """Whether a transaction is under way."""
        return self._flying is not None

    @property
    def has_items(self) -> bool:
        """Whether events have been gathered for the next transaction."""
        return bool(self._items)

    @property
    def _is_anything_else(self) -> bool:
        return bool(self._states or self._confirms or self._owed)

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
        if streams:
            name = streams[0].name
            if payload:
                for stream in reversed(streams):
                    portion = self._kept.get(stream.name)
                    if portion is None:
                        portion = self._kept[stream.name] = Portion()
                    place = portion.add(session, kept)
        ack = frame is not None and frame.ack
        self._items.append(Item(session, subject, payload, event_id, ack, frame, name, place))
        self._bytes += len(payload) + _ITEM_BYTES
        if session is not None:
            session.behind += 1
            if self._bytes > self._room:
                self._gate.hold(session)

    def save(self, states: Mapping[tuple[str, str], bytes | None]) -> None:
        """Durables whose state is to be written with the next transaction."""
        self._states.update(states)

    def confirm(self, session: Session, ack: Ack, *, is_synced: bool) -> None:
        """Tell a connection when what is saved before the next transaction is on the disk.

        Args:
            is_synced: whether that must outlive a loss of power.
        """
        self._confirms.append(Confirm(session, ack))
        self._must_sync = self._must_sync or is_synced
        self._bytes += _ITEM_BYTES
        if self._bytes > self._room:
            self._gate.hold(session)

    def flush(self) -> None:
        """Write what was gathered, unless a transaction is under way."""
        if self._flying is None and (
            self._items or (self._is_anything_else and not self._is_waiting)
        ):
            self._write()

    def done(self, outcome: Outcome, now: float) -> Batch:
        """The transaction is on the disk, or failed."""
        flying, self._flying = self._flying, None
        assert flying is not None
        self._room = _MOST_BYTES
        failure = ""
        if isinstance(outcome, Written):
            for name, extent in outcome.extents.items():
                if name in self.streams:
                    self.streams[name].extent = extent
        else:
            failure = outcome.why if isinstance(outcome, Failed) else "?"
            self._states = {**flying.states, **self._states}
            self._owe(flying.items)
            self._retry_at = now + _RETRY
        self.failure = failure
        self._is_waiting = bool(failure)
        for item in flying.items:
            if item.session is not None:
                item.session.behind -= 1
        if self._bytes <= _MOST_BYTES // 2:
            self._gate.release()
        firsts = {append.stream: append.first for append in flying.appends}
        return Batch(flying.items, flying.confirms, firsts, flying.appends, failure)

    def advance(self, now: float) -> None:
        """Time has passed: what is too old or too much goes, what failed is tried again."""
        if now >= self._retry_at:
            self._is_waiting = False
        if self._flying is None and not self._is_waiting and self._overfull_in() <= 0:
            self._write()
        self.flush()

    def next_deadline(self, now: float) -> float | None:
        """When to call `advance`."""
        if self._flying is not None:
            return None
        if self._is_waiting and self._is_anything_else:
            return self._retry_at
        left = self._overfull_in()
        if left == math.inf:
            return None
        return max(now + max(_SOON, left), self._retry_at)

    def _overfull_in(self) -> float:
        """Seconds until something is to go."""
        due = [stream.overfull_at() for stream in self.streams.values()]
        return min((at for at in due if at is not None), default=math.inf) - self._wall()

    def _owe(self, items: Sequence[Item]) -> None:
        """The Hub's own events are passed on all the same; they are kept when the disk lets them."""
        for item in items:
            if item.session is None and item.stream:
                if self._owed_bytes + len(item.payload) > _MOST_OWED:
                    return
                self._owed.append(item)
                self._owed_bytes += len(item.payload)

    def _take_owed(self) -> None:
        owed, self._owed, self._owed_bytes = self._owed, [], 0
        for item in owed:
            streams = self.keeping(item.subject)
            self.take(None, item.subject, item.payload, item.payload, "", None, streams)
            self._items[-1] = replace(self._items[-1], is_told=True)

    def _write(self) -> None:
        if self._owed:
            self._take_owed()
        appends = tuple(
            Append(
                stream=name,
                first=self.streams[name].extent.last + 1,
                payloads=portion.payloads,
                sources=frozenset(portion.sources),
            )
            for name, portion in self._kept.items()
        )
        self._flying = _Flying(self._items, self._confirms, appends, self._states)
        must_sync = self._must_sync or any(
            self.streams[append.stream].is_synced for append in appends
        )
        states = self._states
        self._items, self._kept = [], {}
        self._confirms, self._states = [], {}
        self._must_sync = False
        self._room, self._bytes = _MOST_BYTES - self._bytes, 0
        self._submit(Write(appends=appends, states=states, at=self._wall(), sync=must_sync))


class _Flying(NamedTuple):
    """What is on its way to the disk."""

    items: list[Item]
    confirms: list[Confirm]
    appends: tuple[Append, ...]
    states: dict[tuple[str, str], bytes | None]
