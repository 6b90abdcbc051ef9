"""The Hub's decisions: what a client's frame does, and to whom.

Here are the sessions, and where a frame goes: most events never come here (`lane`); the others are
checked in `publishing`, gathered for their subscribers in `gathering`, and pushed by `delivery`.
Everything else that clients ask is in `subscribing`, what comes back from the disk in `release`.

The switch knows no socket and no clock: the shell says what time it is with each batch of input,
and is told what to do through `Effects` and each session's `Wire`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from kite.event_hub.core.announcer import REPAIRED, SLOW_CONSUMER, Announcer
from kite.event_hub.core.dedup import Recent
from kite.event_hub.core.delivery import Delivery, Effects
from kite.event_hub.core.envelope import (
    Refused,
    adds_up,
    decode_event,
    inspect,
    read_other,
)
from kite.event_hub.core.gathering import Gathering
from kite.event_hub.core.history import History
from kite.event_hub.core.lane import PURE, Parts
from kite.event_hub.core.outbox import Outbox
from kite.event_hub.core.passing import Passing
from kite.event_hub.core.publishing import Publishing
from kite.event_hub.core.questions import Questions
from kite.event_hub.core.recall import Recall
from kite.event_hub.core.refusal import error
from kite.event_hub.core.release import Release
from kite.event_hub.core.rights import Identity
from kite.event_hub.core.router import Router
from kite.event_hub.core.session import Session, Wire
from kite.event_hub.core.shape import is_too_deep
from kite.event_hub.core.stall import Stall
from kite.event_hub.core.streams.jobs import Job, Outcome, Pick, Read, Stored, Write
from kite.event_hub.core.streams.streaming import Streaming
from kite.event_hub.core.subscribing import Subscribing
from kite.event_hub.core.tally import Tally
from kite.event_hub.limits import HubConfig
from kite.wire.limits import MAX_DEPTH

TRY_AGAIN_LATER = 1013


class Switch:
    """All sessions and what they say to each other.

    Args:
        config: the limits.
        effects: the shell.
        epoch: names this life of the Hub.
        new_id: makes an event id that was never used.
        instant: the present time as RFC 3339 text.
        parts: the hot path, pure or compiled.
    """

    def __init__(
        self,
        config: HubConfig,
        effects: Effects,
        *,
        epoch: str,
        new_id: Callable[[], str],
        instant: Callable[[], str],
        parts: Parts = PURE,
    ) -> None:
        self.config = config
        self.router: Router[Session] = Router(config.limits.routes)
        self.sessions: dict[int, Session] = {}
        self.tally = Tally()
        self.questions: Questions[Session] = Questions(
            per_asker=config.limits.requests, pairs=config.limits.awaited
        )
        self.streaming: Streaming | None = None
        self.history = History(config.history.bytes, config.history.seconds)
        self._delivery = Delivery(config.limits, effects, self.history, self.cut)
        self._effects = effects
        self._instant = instant
        self._next_number = 1
        self._recent: dict[str, Recent] = {}
        self._parts = parts
        self._run = parts.run()
        self._speaker: Session | None = None
        self._gathering = Gathering(self._delivery, self._run, self.tally, effects)
        self._passing = Passing(
            router=self.router,
            gathering=self._gathering,
            delivery=self._delivery,
            questions=self.questions,
            effects=effects,
            instant=instant,
        )
        self._publishing = Publishing(
            router=self.router,
            gathering=self._gathering,
            passing=self._passing,
            new_id=new_id,
            instant=instant,
        )
        self._announcer = Announcer(
            epoch=epoch,
            router=self.router,
            passing=self._passing,
            delivery=self._delivery,
            tally=self.tally,
            new_id=new_id,
            instant=instant,
        )
        self.recall = Recall(
            epoch=epoch,
            history=self.history,
            router=self.router,
            delivery=self._delivery,
            instant=instant,
        )
        self._subscribing = Subscribing(
            limits=config.limits,
            router=self.router,
            gathering=self._gathering,
            announcer=self._announcer,
            recall=self.recall,
            effects=effects,
            ring=self._ring,
        )
        self._release = Release(
            router=self.router,
            gathering=self._gathering,
            passing=self._passing,
            delivery=self._delivery,
            announcer=self._announcer,
            subscribing=self._subscribing,
            effects=effects,
        )

    # ── sessions ────────────────────────────────────────────────────────────────────────────

    def open(self, identity: Identity, wire: Wire, now: float) -> Session:
        """A client has connected."""
        limits = self.config.limits
        recent = self._recent_of(identity.module)
        session = Session(
            self._next_number,
            identity,
            wire=wire,
            outbox=Outbox(wire, limits.outbox_bytes, self._delivery.wake, self._instant),
            recent=recent,
            lane=self._parts.lane(self._run, identity.module, recent),
            stall=Stall(
                rate=limits.slow_rate, seconds=limits.slow_seconds, window=limits.slow_window
            ),
            connected_at=now,
        )
        self._next_number += 1
        self.sessions[session.number] = session
        return session

    def _recent_of(self, module: str) -> Recent:
        """The ids that a source has used lately."""
        recent = self._recent.get(module)
        if recent is None:
            window = self.config.deduplication
            recent = self._recent[module] = self._parts.recent(window.seconds, window.ids)
        return recent

    def leave(self, session: Session) -> None:
        """The client goes, or is told to: nothing is routed to it any more."""
        if session.is_leaving:
            return
        session.is_leaving = True
        self.router.drop(session)
        self._delivery.forget(session)
        for lost in self.questions.leave(session, self._delivery.now):
            self._passing.tell_lost(lost)
        if self.streaming is not None:
            self.streaming.leave(session, self._delivery.now)

    def close(self, session: Session) -> None:
        """The connection is gone."""
        self.leave(session)
        session.outbox.close()
        if self.sessions.pop(session.number, None) is not None:
            self.tally.remember(session)

    def dismiss(self, session: Session, code: int, reason: str) -> None:
        """Tell a client to go, now: what waits for it is dropped."""
        if not session.is_leaving:
            self.leave(session)
            session.outbox.discard()
            session.wire.finish(code, reason)

    def change_identity(self, session: Session, identity: Identity) -> None:
        """The rights of a token changed: subscriptions that they no longer cover end."""
        session.identity = identity
        self.router.forget()
        self._subscribing.end_what_is_not_covered(session, self._delivery.now)

    # ── input ───────────────────────────────────────────────────────────────────────────────

    def begin(self, session: Session, now: float) -> None:
        """A batch of frames of one client follows."""
        if self._speaker is not None and self._speaker is not session:
            self.end(self._speaker)
        self._speaker = session
        session.lane.is_open = False
        self._delivery.now = now
        recent = session.recent
        if recent.mark(now) and (deadline := recent.next_deadline()) is not None:
            self._effects.alarm(deadline)

    def receive(self, session: Session, payload: bytes) -> None:
        """One whole text message, which is valid UTF-8, and which the lane did not take."""
        if session.is_leaving:
            return
        session.received += 1
        try:
            frame = decode_event(payload)
            is_plain = adds_up(frame, len(payload))
            if not is_plain:
                inspect(payload)
            if payload.count(b"{") + payload.count(b"[") > MAX_DEPTH and is_too_deep(payload):
                raise Refused("too_deep", limit=MAX_DEPTH, event_id=frame.event_id)
        except (msgspec.DecodeError, RecursionError):
            self._receive_other(session, payload)
        except Refused as refused:
            self._gathering.refuse(session, refused)
        else:
            self._publishing.publish(session, frame, payload, is_plain=is_plain)
        self._publishing.open_lane(session)

    def refuse(self, session: Session, refused: Refused) -> None:
        """One whole message that was found wrong before it came here."""
        if not session.is_leaving:
            session.received += 1
            self._gathering.refuse(session, refused)

    def _receive_other(self, session: Session, payload: bytes) -> None:
        try:
            self._subscribing.receive(session, read_other(payload), self._delivery.now)
        except Refused as refused:
            self._gathering.refuse(session, refused)

    def end(self, session: Session) -> None:
        """The batch is over."""
        lane = session.lane
        lane.is_open = False
        if lane.received:
            session.received += lane.received
            session.published += lane.published
            session.duplicates += lane.duplicates
            lane.received = lane.published = lane.duplicates = 0
        self._gathering.push(session)
        self._speaker = None
        if self.streaming is not None:
            self.streaming.flush()

    def flush(self) -> None:
        """Write what was pushed since the last time."""
        self._delivery.flush()

    def writable(self, session: Session, now: float) -> None:
        """The session's socket has taken everything that was written to it."""
        self._delivery.writable(session, now)
        if self.streaming is not None:
            self.streaming.readers.writable(session, now)
            self._ring(now)

    def advance(self, now: float) -> None:
        """Cut who has been too slow for too long, forget old ids, and say when to look again."""
        self._delivery.now = now
        deadlines = self._delivery.advance(now)
        self.history.forget(now)
        for recent in self._recent.values():
            recent.expire(now)
            if (deadline := recent.next_deadline()) is not None:
                deadlines.append(deadline)
        if (deadline := self.questions.advance(now)) is not None:
            deadlines.append(deadline)
        if self.streaming is not None:
            deadlines += self.streaming.advance(now)
        if deadlines:
            self._effects.alarm(min(deadlines))

    # ── the Hub's own words ─────────────────────────────────────────────────────────────────

    def announce(self, subject: str, data: dict[str, Any]) -> int:
        """Publish an event of the Hub's own; returns to how many connections."""
        return self._announcer.announce(subject, data)

    def greet_with(
        self,
        silences: Callable[[], Sequence[dict[str, Any]]],
        presences: Callable[[], Sequence[dict[str, Any]]],
    ) -> None:
        """Tell each connection that wants to hear of it, once, which others are silent already, and
        the Registry which modules are there."""
        self._announcer.silences = silences
        self._announcer.presences = presences

    def push_control(self, session: Session, data: bytes) -> None:
        """Push a frame that is no event: an answer to a ping, a close."""
        self._delivery.push(session, data, 0, session)

    def cut(self, session: Session) -> None:
        """Part with a slow consumer: it learns how much it missed, and everyone learns of it."""
        waiting = session.outbox.load
        self.leave(session)
        missed = session.outbox.discard()
        self.tally.slow_consumers += 1
        self._gathering.say(session, error("slow_consumer", missed=missed, module=session.name))
        session.wire.finish(TRY_AGAIN_LATER, "slow_consumer")
        self.announce(
            SLOW_CONSUMER,
            {
                "module_id": session.name,
                "life": session.identity.life,
                "connection": session.number,
                "missed": missed,
                "queued_bytes": waiting,
                "delivered": session.outbox.delivered,
                "stalls": session.stalls,
            },
        )

    # ── streams ─────────────────────────────────────────────────────────────────────────────

    def keep(self, stored: Stored, wall: Callable[[], float], now: float) -> None:
        """Streams are on the disk as this says: from now on they are kept.

        Args:
            stored: what was there.
            wall: seconds since 1970.
            now: as everywhere, of the loop's clock.
        """
        for age, source, event_id in stored.ids:
            recent = self._recent_of(source)
            recent.mark(now - age)
            recent.add(event_id)
        streaming = Streaming(
            self.config.streams,
            stored,
            submit=self._effects.store,
            wall=wall,
            outside=self._release,
        )
        self.streaming = streaming
        for part in (self._publishing, self._announcer, self._release, self._subscribing):
            part.streaming = streaming
        self.router.keeping = streaming.keeper.keeping
        self.router.forget()
        self._announcer.repairs = stored.repairs
        for repair in stored.repairs:
            self.repaired(repair)
        self.advance(now)

    def repaired(self, what: dict[str, Any]) -> None:
        """Tell that something of a stream was damaged."""
        self.announce(REPAIRED, what)

    def stored(self, job: Job, outcome: Outcome, now: float) -> None:
        """The disk has done a job, or could not."""
        streaming = self.streaming
        assert streaming is not None
        self._delivery.now = now
        if isinstance(job, Read | Pick):
            streaming.read(job, outcome, now)
        elif isinstance(job, Write):
            batch = streaming.written(outcome, now)
            if self._speaker is not None:
                self.end(self._speaker)
            self._release.release(batch)
            if not batch.failure:
                streaming.readers.grown(batch.appends, now)
            if not batch.failure or streaming.keeper.has_items:
                streaming.flush()
        self._ring(now)

    def _ring(self, now: float) -> None:
        assert self.streaming is not None
        if (deadline := self.streaming.next_deadline(now)) is not None:
            self._effects.alarm(deadline)
