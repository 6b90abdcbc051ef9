"""The Hub's decisions: what a client's frame does, and to whom.

This is the hot path. Consecutive events that lead to the same connections are gathered and pushed
to each of them as one piece of bytes, which is the sender's own; nothing is encoded again. Frames
that are refused take a slower way (`envelope.read_other`, `_refuse`), where what is wrong is found
out exactly.

The switch knows no socket and no clock: the shell says what time it is with each batch of input,
and is told what to do through `Effects` and each session's `Wire`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from kite.errors import KiteError
from kite.event_hub.core.checks import (
    check_fields,
    check_request,
    check_right,
    check_subject,
    check_subscribe,
)
from kite.event_hub.core.dedup import Recent
from kite.event_hub.core.delivery import Delivery, Effects
from kite.event_hub.core.envelope import (
    Incoming,
    Refused,
    adds_up,
    complete,
    decode_event,
    inspect,
    read_other,
    seconds_left,
)
from kite.event_hub.core.lane import PURE, Parts
from kite.event_hub.core.outbox import Outbox
from kite.event_hub.core.questions import Question, Questions
from kite.event_hub.core.rights import Identity
from kite.event_hub.core.route import Chosen, Interest, Route
from kite.event_hub.core.router import Router
from kite.event_hub.core.session import Session, Wire
from kite.event_hub.core.shape import is_too_deep
from kite.event_hub.core.stall import Stall
from kite.event_hub.core.streams.jobs import Job, Outcome, Pick, Read, Stored, Write
from kite.event_hub.core.streams.keeper import Batch, Item
from kite.event_hub.core.streams.replay import Replay
from kite.event_hub.core.streams.stream import MOST_BYTES, without_marks
from kite.event_hub.core.streams.streaming import Streaming
from kite.event_hub.core.tally import Tally
from kite.event_hub.core.websocket import text
from kite.event_hub.limits import HubConfig
from kite.wire.frame import Ack, Error, Event, Settlement, Subscribe, Unsubscribe, encode
from kite.wire.limits import MAX_DEPTH, MAX_FRAME_BYTES

NAME = "event_hub"
STARTED = "hub.started"
SLOW_CONSUMER = "hub.slow_consumer"
REPAIRED = "hub.stream_repaired"
DEAD = "_dead."
TRY_AGAIN_LATER = 1013
_LETTER_BYTES = 4 << 10
"""Of a dead letter, besides the event in it."""


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
        self.epoch = epoch
        self.router: Router[Session] = Router(config.limits.routes)
        self.sessions: dict[int, Session] = {}
        self.tally = Tally()
        self._delivery = Delivery(config.limits, effects, self.cut)
        self._effects = effects
        self._new_id = new_id
        self._instant = instant
        self._next_number = 1
        self.questions: Questions[Session] = Questions(
            per_asker=config.limits.requests, pairs=config.limits.awaited
        )
        self._recent: dict[str, Recent] = {}
        self._parts = parts
        self._run = parts.run()
        self._acks: list[bytes] = []
        self._speaker: Session | None = None
        self._streaming: Streaming | None = None
        self._repairs: list[dict[str, Any]] = []

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
            self._tell_lost(lost)
        if self._streaming is not None:
            self._streaming.leave(session, self._delivery.now)

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
        for pattern, queue in list(self.router.interests(session)):
            if not identity.may_subscribe(pattern):
                self.router.remove(session, pattern, queue)
                what = f"subscribe to '{pattern}'"
                self._say(session, _error("permission_denied", who=session.name, what=what))
        if self._streaming is not None:
            for name, pattern in self._streaming.uncovered(session):
                frame = Unsubscribe(events=[pattern], durable=name)
                self._streaming.unsubscribe(session, frame, self._delivery.now)
                what = f"subscribe to '{pattern}'"
                self._say(session, _error("permission_denied", who=session.name, what=what))

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
            self._refuse(session, refused)
        else:
            self._publish(session, frame, payload, is_plain)
        self._open_lane(session)

    def end(self, session: Session) -> None:
        """The batch is over."""
        lane = session.lane
        lane.is_open = False
        if lane.received:
            session.received += lane.received
            session.published += lane.published
            session.duplicates += lane.duplicates
            lane.received = lane.published = lane.duplicates = 0
        self._push_gathered(session)
        self._push_acks(session)
        self._speaker = None
        if self._streaming is not None:
            self._streaming.flush()

    def flush(self) -> None:
        """Write what was pushed since the last time."""
        self._delivery.flush()

    def writable(self, session: Session, now: float) -> None:
        """The session's socket has taken everything that was written to it."""
        self._delivery.writable(session, now)
        if self._streaming is not None:
            self._streaming.readers.writable(session, now)
            self._ring(now)

    def advance(self, now: float) -> None:
        """Cut who has been too slow for too long, forget old ids, and say when to look again."""
        self._delivery.now = now
        deadlines = self._delivery.advance(now)
        for recent in self._recent.values():
            recent.expire(now)
            if (deadline := recent.next_deadline()) is not None:
                deadlines.append(deadline)
        if (deadline := self.questions.advance(now)) is not None:
            deadlines.append(deadline)
        if self._streaming is not None:
            deadlines += self._streaming.advance(now)
        if deadlines:
            self._effects.alarm(min(deadlines))

    # ── the Hub's own words ─────────────────────────────────────────────────────────────────

    def announce(self, subject: str, data: dict[str, Any]) -> int:
        """Publish an event of the Hub's own; returns to how many connections."""
        payload = self._own_event(subject, data)
        self.tally.published += 1
        route = self.router.route(subject)
        if route.streams and self._streaming is not None:
            self._streaming.take_own(subject, payload, route.streams)
            return route.counted
        return self._announce(route, payload)

    def _announce(self, route: Route[Session], payload: bytes) -> int:
        return len(self._hand_out(route, payload, None).holds)

    def push_control(self, session: Session, data: bytes) -> None:
        """Push a frame that is no event: an answer to a ping, a close."""
        self._delivery.push(session, data, 0, session)

    def cut(self, session: Session) -> None:
        """Part with a slow consumer: it learns how much it missed, and everyone learns of it."""
        waiting = session.outbox.load
        self.leave(session)
        missed = session.outbox.discard()
        self.tally.slow_consumers += 1
        self._say(session, _error("slow_consumer", missed=missed, module=session.name))
        session.wire.finish(TRY_AGAIN_LATER, "slow_consumer")
        self.announce(
            SLOW_CONSUMER,
            {
                "module_id": session.name,
                "connection": session.number,
                "missed": missed,
                "queued_bytes": waiting,
                "delivered": session.outbox.delivered,
                "stalls": session.stalls,
            },
        )

    # ── events ──────────────────────────────────────────────────────────────────────────────

    def _publish(self, session: Session, frame: Incoming, payload: bytes, is_plain: bool) -> None:
        """Check an event and pass it on. Who may not, or cannot, is told at once."""
        event_id = frame.event_id
        try:
            route = self._admit(session, frame)
            if event_id is UNSET or frame.source is UNSET or frame.timestamp is UNSET:
                payload, event_id = self._complete(session, frame, payload)
            if route.streams or session.behind:
                kept = payload if is_plain else without_marks(payload)
                self._keep(session, route, frame, payload, kept, event_id)
                return
        except Refused as refused:
            refused.event_id = frame.event_id
            self._refuse(session, refused)
            return
        if frame.event_id is not UNSET and not session.recent.add(event_id):
            session.duplicates += 1
            if frame.ack:
                self._acks.append(text(encode(Ack(event_id=event_id, delivered=0, duplicate=True))))
            return
        session.published += 1
        if route.groups or route.carries_replies or frame.reply_to is not UNSET:
            delivered = self._pass_on(session, route, frame, payload, event_id)
        else:
            # As `_pass_on`, without the call: this is the hot path.
            run = self._run
            if route.fanout is not run.fanout:
                self._push_gathered(session)
                run.fanout = route.fanout
            run.add(payload)
            delivered = route.counted
        if not route.groups:
            self._admit_to_lane(session, route)
        if frame.ack:
            self._acks.append(text(encode(Ack(event_id=event_id, delivered=delivered))))

    def _keep(  # noqa: PLR0917  (the hot path of what is kept)
        self,
        session: Session,
        route: Route[Session],
        frame: Incoming,
        payload: bytes,
        kept: bytes,
        event_id: Any,
    ) -> None:
        """Hand an event to its streams, or let it wait behind one that was; raises `Refused`."""
        streaming = self._streaming
        assert streaming is not None
        if route.streams:
            streaming.check(frame, payload, self._delivery.now)
        streaming.take(session, frame, payload, kept, route.streams, event_id)

    def _pass_on(
        self,
        session: Session,
        route: Route[Session],
        frame: Incoming,
        payload: bytes,
        event_id: str,
    ) -> int:
        """Gather an accepted event for its subscribers; returns how many these are."""
        delivered, answering = route.counted, route.answering
        if route.groups:
            self._push_gathered(session)
            chosen = self._hand_out(route, payload, session)
            delivered, answering = chosen.delivered, chosen.answering
        else:
            run = self._run
            if route.fanout is not run.fanout:
                self._push_gathered(session)
                run.fanout = route.fanout
            run.add(payload)
        now = self._delivery.now
        if route.carries_replies and not self.questions.answer(frame.event, session, now):
            session.late_replies += 1
        if frame.reply_to is not UNSET:
            self._expect_answer(session, frame, event_id, answering)
        return delivered

    def _expect_answer(
        self, session: Session, frame: Incoming, event_id: str, answering: frozenset[Session]
    ) -> None:
        """Remember a request until it is answered, or its deadline."""
        seconds = seconds_left(frame.headers, self._instant)
        if seconds <= 0 or not answering or session.is_leaving:
            return
        question = Question(
            session,
            event_id=event_id,
            subject=frame.event,
            reply_to=str(frame.reply_to),
            awaited=(each for each in answering if not each.is_leaving),
        )
        if not question.awaited:  # passing it on was too much for whoever was to get it
            self._tell_lost(question)
        elif look_at := self.questions.ask(question, self._delivery.now + seconds):
            self._effects.alarm(look_at)

    def _tell_lost(self, question: Question[Session]) -> None:
        """Nobody is left to answer a request."""
        error = _error("responder_lost", event_id=question.event_id, subject=question.subject)
        self._say(question.asker, error)

    def _admit(self, session: Session, frame: Incoming) -> Route[Session]:
        """Where an event goes, if everything about it is as it must be.

        Raises:
            Refused: with what is not.
        """
        route = self.router.routes.get(frame.event)
        if route is None:
            check_subject(frame.event)
            route = self.router.route(frame.event)
        if session.identity not in route.granted:
            check_right(session.identity, route, frame)
        check_fields(session, frame)
        if session in route.quiet:
            route = self.router.route_from(route, session)
        if frame.reply_to is not UNSET:
            check_request(session, frame.reply_to, route, frame)
        return route

    def _admit_to_lane(self, session: Session, route: Route[Session]) -> None:
        """Further events of the session on this subject need no second thought, if none is due.

        A right that depends on the event's content is not remembered in `granted`, replies have
        routes that are not kept, and `quiet` makes the route the publisher's own.
        """
        lane = session.lane
        if lane.version != self.router.version:
            lane.forget()
            lane.version = self.router.version
        if (
            self.router.routes.get(route.subject) is route
            and session.identity in route.granted
            and session not in route.quiet
        ):
            lane.admit(route.subject, route.fanout)

    def _open_lane(self, session: Session) -> None:
        """What the full path has done may have changed everything: the lane learns of it here."""
        lane = session.lane
        lane.is_open = (
            lane.version == self.router.version and not session.is_leaving and not session.behind
        )

    def _hand_out(
        self, route: Route[Session], payload: bytes, publisher: Session | None
    ) -> Chosen[Session]:
        """Each group chooses a member for this very event; a connection gets one copy."""
        chunk = text(payload)
        chosen = self.router.choose(route)
        for member, holds in chosen.holds.items():
            self._delivery.deliver(member, chunk, publisher, holds=holds)
        return chosen

    def _complete(self, session: Session, frame: Incoming, payload: bytes) -> tuple[bytes, str]:
        event_id = frame.event_id
        made = self._new_id() if event_id is UNSET else None
        payload = complete(
            payload,
            event_id=made,
            source=session.name if frame.source is UNSET else None,
            timestamp=self._instant() if frame.timestamp is UNSET else None,
        )
        if len(payload) > MAX_FRAME_BYTES:
            raise Refused(
                "event_too_large", subject=frame.event, size=len(payload), limit=MAX_FRAME_BYTES
            )
        return payload, made or str(event_id)

    # ── subscriptions ───────────────────────────────────────────────────────────────────────

    def _receive_other(self, session: Session, payload: bytes) -> None:
        try:
            frame = read_other(payload)
            if isinstance(frame, Subscribe):
                check_subscribe(session, frame, self.router, self.config.limits)
        except Refused as refused:
            self._refuse(session, refused)
            return
        # What was published before is routed as things stood then.
        self._push_gathered(session)
        self._push_acks(session)
        try:
            if self._receive_for_streams(session, frame) or not isinstance(
                frame, Subscribe | Unsubscribe
            ):
                return
        except Refused as refused:
            self._refuse(session, refused)
            return
        queue = None if frame.queue is UNSET else frame.queue
        if isinstance(frame, Unsubscribe):
            for pattern in frame.events:
                self.router.remove(session, pattern, queue)
            self._say(session, Ack(id=frame.id))
            return
        drops = frame.overflow == "drop_oldest"
        for pattern in frame.events:
            interest = Interest(
                pattern, queue=queue, echo=frame.echo, observe=frame.observe, drops=drops
            )
            self.router.add(session, interest)
        self._say(session, Ack(id=frame.id))
        self._greet(session)
        self._effects.subscribed(session)

    def _greet(self, session: Session) -> None:
        """What is said once to each connection that wants to hear it, since it was not there."""
        if not session.knows_start and self._hears(session, STARTED):
            session.knows_start = True
            started = text(self._own_event(STARTED, {"epoch": self.epoch}))
            self._delivery.push(session, started, 1, None)
        if self._repairs and not session.knows_repairs and self._hears(session, REPAIRED):
            session.knows_repairs = True
            for repair in self._repairs:
                self._delivery.push(session, text(self._own_event(REPAIRED, repair)), 1, None)

    def _receive_for_streams(
        self, session: Session, frame: Subscribe | Unsubscribe | Settlement
    ) -> bool:
        """A frame that is about a durable subscription or a replay; False: it is not.

        Raises:
            Refused: with what is wrong.
        """
        streaming, now = self._streaming, self._delivery.now
        if isinstance(frame, Subscribe):
            if frame.durable is UNSET and frame.replay is UNSET:
                return False
            if streaming is None:
                raise Refused("stream_unknown", id=frame.id, detail="'hub.streams' names none")
            if (ack := streaming.subscribe(session, frame)) is not None:
                self.answer(session, ack)
                streaming.start(session, str(frame.durable), now)
                self._ring(now)
        elif isinstance(frame, Unsubscribe):
            if frame.durable is UNSET:
                return False
            if streaming is not None:
                streaming.unsubscribe(session, frame, now)
            self._say(session, Ack(id=frame.id))
        elif streaming is None:
            raise Refused("durable_unknown", id=frame.id, durable=frame.durable[:100])
        else:
            streaming.settle(session, frame, now)
            self._ring(now)
        return True

    def _hears(self, session: Session, subject: str) -> bool:
        route = self.router.route(subject)
        return session in route.fanout.members or any(
            session is member for group in route.groups for member, _ in group.members
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
        self._streaming = Streaming(
            self.config.streams, stored, submit=self._effects.store, wall=wall, outside=self
        )
        self.router.keeping = self._streaming.keeper.keeping
        self.router.forget()
        self._repairs = stored.repairs
        for repair in stored.repairs:
            self.repaired(repair)
        self.advance(now)

    def repaired(self, what: dict[str, Any]) -> None:
        """Tell that something of a stream was damaged."""
        self.announce(REPAIRED, what)

    @property
    def streaming(self) -> Streaming | None:
        """The streams, where there are any."""
        return self._streaming

    def stored(self, job: Job, outcome: Outcome, now: float) -> None:
        """The disk has done a job, or could not."""
        streaming = self._streaming
        assert streaming is not None
        self._delivery.now = now
        if isinstance(job, Read | Pick):
            streaming.read(job, outcome, now)
        elif isinstance(job, Write):
            batch = streaming.written(outcome, now)
            self._release(batch)
            if not batch.failure:
                streaming.readers.grown(batch.appends, now)
            if not batch.failure or streaming.keeper.has_items:
                streaming.flush()
        self._ring(now)

    def _ring(self, now: float) -> None:
        assert self._streaming is not None
        if (deadline := self._streaming.next_deadline(now)) is not None:
            self._effects.alarm(deadline)

    def _release(self, batch: Batch) -> None:
        """Pass on what waited for the disk, and tell who published it."""
        if self._speaker is not None:
            self.end(self._speaker)
        speaker: Session | None = None
        for item in batch.items:
            if item.session is not speaker:
                if speaker is not None:
                    self._push_gathered(speaker)
                    self._push_acks(speaker)
                speaker = item.session
            if batch.failure and item.stream:
                self._tell_failure(item, batch.failure)
            elif speaker is None:
                self._announce(self.router.route(item.subject), item.payload)
            else:
                self._release_one(speaker, item, batch)
        if speaker is not None:
            self._push_gathered(speaker)
            self._push_acks(speaker)

    def _release_one(self, session: Session, item: Item, batch: Batch) -> None:
        delivered = 0
        if item.payload:
            route = self.router.routes.get(item.subject) or self.router.route(item.subject)
            if session in route.quiet:
                route = self.router.route_from(route, session)
            assert item.frame is not None
            delivered = self._pass_on(session, route, item.frame, item.payload, item.event_id)
            if item.frame.reply_to is not UNSET and not route.has_responders:
                # Whoever could have answered has left while the event was written.
                lost = _error("responder_lost", event_id=item.event_id, subject=item.subject)
                self._say(session, lost)
        if not item.ack:
            return
        ack = Ack(event_id=item.event_id, delivered=delivered, duplicate=not item.payload)
        if item.stream and item.payload:
            ack = Ack(
                event_id=item.event_id,
                delivered=delivered,
                stream=item.stream,
                seq=batch.firsts[item.stream] + item.place,
            )
        self._acks.append(text(encode(ack)))

    def _tell_failure(self, item: Item, why: str) -> None:
        session = item.session
        if session is None or self._streaming is None:
            # The Hub's own words are said at least to those who are there.
            self._announce(self.router.route(item.subject), item.payload)
            return
        if item.payload:
            session.published -= 1
            self._streaming.unkept(session.name, item.event_id)
        self._refuse(session, Refused("stream_unavailable", event_id=item.event_id, detail=why))

    def push(self, session: Session, chunk: bytes, events: int) -> None:
        """Queue what was read from a stream, or a word about it."""
        self._delivery.push(session, chunk, events, None)

    def read(self, job: Read | Pick) -> None:
        """Have something read from the disk."""
        self._effects.store(job)

    def answer(self, session: Session, ack: Ack) -> None:
        """A durable subscription stands."""
        self._say(session, ack)
        self._effects.subscribed(session)

    def bury(self, name: str, data: dict[str, Any]) -> None:
        """Publish a dead letter; an event that leaves no room for it is told by its number."""
        if len(data["event"]) > MOST_BYTES - _LETTER_BYTES:
            data = {**data, "event": None}
        self.announce(DEAD + name, data)

    def finished(self, replay: Replay, failure: str) -> None:
        """A replay has read everything: from here on its client hears what comes."""
        session = replay.session
        if session.is_leaving:
            return
        if failure:
            self._say(session, _error("stream_unavailable", id=replay.id, detail=failure))
            return
        for interest in replay.interests:
            self.router.add(session, interest)
        self._say(session, Ack(id=replay.id, replayed=replay.replayed))
        if replay.interests:
            self._greet(session)

    # ── output ──────────────────────────────────────────────────────────────────────────────

    def _push_gathered(self, session: Session) -> None:
        run = self._run
        events = run.events
        if not events:
            return
        fanout = run.fanout
        chunk = run.take()
        for member in fanout.holding:
            if member.outbox.push(chunk, events):
                self._delivery.hold(member, session)
        for member in fanout.dropping:
            member.outbox.push_newest(chunk, events)

    def _push_acks(self, session: Session) -> None:
        if self._acks:
            chunk = b"".join(self._acks)
            self._acks.clear()
            self._delivery.push(session, chunk, 0, session)

    def _say(self, session: Session, frame: Ack | Error) -> None:
        """A word to one client, behind everything that was pushed to it before."""
        self._delivery.push(session, text(encode(frame)), 0, session)

    def _refuse(self, session: Session, refused: Refused) -> None:
        session.refused += 1
        self.tally.refused[refused.code] = self.tally.refused.get(refused.code, 0) + 1
        frame = _error(refused.code, id=refused.id, event_id=refused.event_id, **refused.params)
        self._acks.append(text(encode(frame)))

    def _own_event(self, subject: str, data: dict[str, Any]) -> bytes:
        event = Event(
            event=subject,
            data=data,
            event_id=self._new_id(),
            source=NAME,
            timestamp=self._instant(),
        )
        return encode(event)


def _error(
    code: str,
    *,
    id: str | int | UnsetType = UNSET,  # noqa: A002  (the wire's word)
    event_id: str | UnsetType = UNSET,
    **params: Any,
) -> Error:
    """An error frame, in English as everything on the wire."""
    missed = params.get("missed", UNSET)
    message = KiteError(code, **params).english
    return Error(code=code, message=message, id=id, event_id=event_id, missed=missed)
