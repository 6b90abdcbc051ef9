"""Streams as the switch sees them: what it hands in, and when it gets it back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from kite.event_hub.core.envelope import Incoming, Refused
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.batch import Batch
from kite.event_hub.core.streams.jobs import Extent, Job, Outcome, Pick, Read, Stored
from kite.event_hub.core.streams.keeper import Keeper
from kite.event_hub.core.streams.outside import Outside
from kite.event_hub.core.streams.readers import Readers
from kite.event_hub.core.streams.replay import Replay
from kite.event_hub.core.streams.requests import (
    check_durable_count,
    check_same_stream,
    check_settlement,
    cursors_of,
    durable_name,
    start_of,
    stream_of,
    terms_of,
)
from kite.event_hub.core.streams.stream import MOST_BYTES, Stream
from kite.event_hub.core.websocket import text
from kite.event_hub.limits import StreamConfig
from kite.wire.frame import Ack, Settlement, Subscribe, Unsubscribe, encode

MOST_REPLAYS = 8
"""Of one connection at a time."""

_MOST_UNKEPT = 200_000


class Streaming:
    """All streams, with who writes them and who reads them.

    Args:
        configs: `hub.streams`.
        stored: what was on the disk.
        submit: hands a job to the disk.
        wall: seconds since 1970.
        outside: the Hub.
    """

    def __init__(
        self,
        configs: Mapping[str, StreamConfig],
        stored: Stored,
        *,
        submit: Callable[[Job], None],
        wall: Callable[[], float],
        outside: Outside,
    ) -> None:
        self.streams = {
            name: Stream(name, config, stored.extents.get(name, Extent()))
            for name, config in configs.items()
        }
        self.keeper = Keeper(self.streams, submit, wall)
        self.readers = Readers(self.keeper, outside, stored.durables)
        self._outside = outside
        self._unkept: dict[tuple[str, str], None] = {}
        self._again: set[tuple[str, str]] = set()

    # ── events ──────────────────────────────────────────────────────────────────────────────

    def check(self, session: Session, frame: Incoming, payload: bytes, now: float) -> None:
        """Raise `stream_unavailable` or `event_too_large` where an event cannot be kept."""
        if (
            self.keeper.failure
            and (why := self.keeper.refuses(now))
            and not self._is_taken(session, frame.event_id)
        ):
            raise Refused("stream_unavailable", detail=why)
        if len(payload) > MOST_BYTES:
            raise Refused(
                "event_too_large", subject=frame.event, size=len(payload), limit=MOST_BYTES
            )

    def take(  # noqa: PLR0917  (the hot path of what is kept)
        self,
        session: Session,
        frame: Incoming,
        payload: bytes,
        kept: bytes,
        streams: tuple[Stream, ...],
        event_id: Any,
    ) -> None:
        """An event that is kept, or that waits behind one of the same connection that is.

        Args:
            kept: the bytes for the streams.
            event_id: its id, its own or the Hub's.
        """
        if frame.event_id is UNSET or session.recent.add(event_id):
            session.published += 1
        elif self._unkept and self._unkept.pop((session.name, event_id), False) is None:
            session.published += 1  # its id was remembered, and then the disk refused it
            self._again.add((session.name, event_id))
        else:
            session.duplicates += 1
            if not frame.ack:
                return
            payload = b""
        self.keeper.take(session, frame.event, payload, kept, event_id, frame, streams)

    def take_own(self, subject: str, payload: bytes, streams: tuple[Stream, ...]) -> None:
        """An event of the Hub's own that is kept."""
        self.keeper.take(None, subject, payload, payload, "", None, streams)
        self.flush()

    def _is_taken(self, session: Session, event_id: str | UnsetType) -> bool:
        """Whether it repeats an event that is kept, or on its way to the disk."""
        return (
            isinstance(event_id, str)
            and event_id in session.recent
            and (session.name, event_id) not in self._unkept
        )

    def kept(self, source: str, event_id: str) -> None:
        """An event is on the disk."""
        if self._again:
            self._again.discard((source, event_id))

    def unkept(self, source: str, event_id: str) -> None:
        """An event was accepted, and then the disk refused it."""
        self._again.discard((source, event_id))
        if len(self._unkept) >= _MOST_UNKEPT:
            del self._unkept[next(iter(self._unkept))]
        self._unkept[source, event_id] = None

    def repeats_kept(self, source: str, event_id: str) -> bool:
        """Whether what is answered now repeats an event that is kept: not one that the disk refused
        meanwhile, though it may be on its way there again."""
        place = source, event_id
        return place not in self._unkept and place not in self._again

    def touches(self, patterns: Iterable[str]) -> bool:
        """Whether any stream keeps anything of what matches one of the patterns."""
        streams = self.streams.values()
        return any(stream.touches(pattern) for stream in streams for pattern in patterns)

    # ── what clients ask ────────────────────────────────────────────────────────────────────

    def replay(self, session: Session, frame: Subscribe) -> None:
        """Begin a replay, permitted already: its end is told to the Hub.

        Raises:
            Refused: `malformed_frame`, `stream_unknown`, `too_many_subscriptions`.
        """
        replay = frame.replay
        assert replay is not UNSET
        cursors = cursors_of(frame, replay, self.streams)
        if self.readers.replays.count(session) >= MOST_REPLAYS:
            raise Refused("too_many_subscriptions", id=frame.id, limit=MOST_REPLAYS)
        self.readers.replays.begin(Replay(session, frame, cursors))

    def take_part(self, session: Session, frame: Subscribe) -> Ack:
        """Take part in a durable subscription, permitted already; its events follow `start`.

        Raises:
            Refused: `malformed_frame`, `stream_unknown`, `too_many_subscriptions`.
        """
        name, terms = durable_name(frame), terms_of(frame)
        desk = self.readers.desks.get((session.name, name))
        if desk is None:
            stream = stream_of(frame, self.streams)
            check_durable_count(frame, len(self.readers.desks))
        else:
            stream = desk.stream
            check_same_stream(frame, name, stream)
        position, since = start_of(frame, stream)
        desk = self.readers.join(session, name, stream, terms, position=position, since=since)
        return Ack(id=frame.id, stream=stream.name, seq=desk.durable.position)

    def start(self, session: Session, name: str, now: float) -> None:
        """The durable's ack is on its way: now its events may follow."""
        desk = self.readers.desks.get((session.name, name))
        if desk is not None:
            self.readers.work(desk, now)
        self.flush()

    def unsubscribe(self, session: Session, frame: Unsubscribe, now: float) -> bool:
        """Leave a durable subscription, or end it.

        Returns:
            Whether that stands already; else it is acknowledged when it is on the disk.

        Raises:
            Refused: `permission_denied`.
        """
        name = str(frame.durable)
        if not frame.forget:
            self.readers.part(session, name, now)
            self.flush()
            return True
        if (stream := self.readers.forget(session, name)) is None:
            return True
        self.keeper.confirm(session, Ack(id=frame.id), is_synced=stream.is_synced)
        self.flush()
        return False

    def settle(self, session: Session, frame: Settlement, now: float) -> None:
        """What has become of an event.

        Raises:
            Refused: `durable_unknown`, `permission_denied`, `malformed_frame`.
        """
        check_settlement(frame)
        self.readers.settle(session, frame, now)

    def leave(self, session: Session, now: float) -> None:
        """A connection is gone."""
        self.readers.leave(session, now)
        self.flush()

    def uncovered(self, session: Session) -> list[tuple[str, str]]:
        """Durables with a pattern that the session's rights do not cover (any more); replays of
        such patterns end, and that is said."""
        self.readers.replays.review(session)
        found = []
        for desk in self.readers.of(session):
            for pattern in desk.durable.terms.patterns:
                if not session.identity.may_subscribe(pattern):
                    found.append((desk.name[1], pattern))
                    break
        return found

    # ── the disk ────────────────────────────────────────────────────────────────────────────

    def flush(self) -> None:
        """Hand over what waits for the disk, unless a transaction is under way."""
        if not self.keeper.is_writing:
            self.readers.save()
            self.keeper.flush()

    def written(self, outcome: Outcome, now: float) -> Batch:
        """A transaction is on the disk, or failed."""
        batch = self.keeper.done(outcome, now)
        self.readers.save()
        for session, ack in batch.confirms:
            if session.is_leaving:
                continue
            if batch.failure:
                refused = Refused("stream_unavailable", id=ack.id, detail=batch.failure)
                self._outside.refuse(session, refused)
            else:
                self._outside.push(session, text(encode(ack)), 0)
        return batch

    def read(self, job: Read | Pick, outcome: Outcome, now: float) -> None:
        """Something was read, or could not be."""
        self.readers.done(job.ticket, outcome, job, now)
        self.flush()

    def advance(self, now: float) -> list[float]:
        """Time has passed; returns when to look again."""
        self.readers.advance(now)
        self.readers.save()
        self.keeper.advance(now)
        deadline = self.next_deadline(now)
        return [] if deadline is None else [deadline]

    def next_deadline(self, now: float) -> float | None:
        """When `advance` is to be called."""
        found = (self.readers.next_deadline(), self.keeper.next_deadline(now))
        return min((each for each in found if each is not None), default=None)
