"""The Hub's decisions: what a client's frame does, and to whom.

This is the hot path. Consecutive events that lead to the same connections are gathered and pushed
to each of them as one piece of bytes, which is the sender's own; nothing is encoded again. Frames
that are refused take a slower way (`envelope.read_other`, `_refuse`), where what is wrong is found
out exactly.

The switch knows no socket and no clock: the shell says what time it is with each batch of input,
and is told what to do through `Effects` and each session's `Wire`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from kite.errors import KiteError
from kite.event_hub.core.dedup import Recent
from kite.event_hub.core.envelope import (
    Incoming,
    Refused,
    adds_up,
    complete,
    decode_event,
    inspect,
    read_other,
)
from kite.event_hub.core.outbox import Outbox
from kite.event_hub.core.rights import Identity
from kite.event_hub.core.router import Interest, Route, Router
from kite.event_hub.core.session import Session, Wire
from kite.event_hub.core.shape import is_too_deep
from kite.event_hub.core.stall import Stall
from kite.event_hub.core.tally import Tally
from kite.event_hub.core.websocket import text, text_header
from kite.event_hub.limits import HubConfig
from kite.wire.frame import Ack, Error, Event, Subscribe, Unsubscribe, encode
from kite.wire.limits import MAX_DEPTH, MAX_EVENT_ID_BYTES, MAX_FRAME_BYTES
from kite.wire.subject import pattern_problem, subject_problem

NAME = "event_hub"
STARTED = "hub.started"
SLOW_CONSUMER = "hub.slow_consumer"
TRY_AGAIN_LATER = 1013

_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII
)
_BRACE = ord("{")
_SURELY_SHORT = MAX_EVENT_ID_BYTES // 4
"""No text of so many characters has more bytes than an event id may have."""

_FAR_OVER = 16
"""An outbox that is this many times over its limit belongs to nobody who will catch up."""


class Effects(Protocol):
    """What the switch asks of the shell."""

    def wake(self) -> None:
        """Call `flush` as soon as the input that is at hand has been handed in."""
        ...

    def alarm(self, at: float) -> None:
        """Call `advance` at this time (or earlier)."""
        ...

    def subscribed(self, session: Session) -> None:
        """A subscription was granted, and its ack is on its way."""
        ...


class Switch:
    """All sessions and what they say to each other.

    Args:
        config: the limits.
        effects: the shell.
        epoch: names this life of the Hub.
        new_id: makes an event id that was never used.
        instant: the present time as RFC 3339 text.
    """

    def __init__(
        self,
        config: HubConfig,
        effects: Effects,
        *,
        epoch: str,
        new_id: Callable[[], str],
        instant: Callable[[], str],
    ) -> None:
        self.config = config
        self.epoch = epoch
        self.router: Router[Session] = Router(config.limits.routes)
        self.sessions: dict[int, Session] = {}
        self.tally = Tally()
        self._effects = effects
        self._new_id = new_id
        self._instant = instant
        self._now = 0.0
        self._next_number = 1
        self._recent: dict[str, Recent] = {}
        self._over: set[Session] = set()
        self._to_flush: list[Outbox] = []
        # The run of events that is being gathered: headers and payloads in turn, their publisher
        # and their common route's fanout.
        self._gathered: list[bytes] = []
        self._fanout: Any = None
        self._acks: list[bytes] = []
        self._speaker: Session | None = None

    # ── sessions ────────────────────────────────────────────────────────────────────────────

    def open(self, identity: Identity, wire: Wire, now: float) -> Session:
        """A client has connected."""
        limits = self.config.limits
        recent = self._recent.get(identity.module)
        if recent is None:
            window = self.config.deduplication
            recent = self._recent[identity.module] = Recent(window.seconds, window.ids)
        session = Session(
            self._next_number,
            identity,
            wire=wire,
            outbox=Outbox(wire, limits.outbox_bytes, self._wake),
            recent=recent,
            stall=Stall(
                rate=limits.slow_rate, seconds=limits.slow_seconds, window=limits.slow_window
            ),
            connected_at=now,
        )
        self._next_number += 1
        self.sessions[session.number] = session
        return session

    def leave(self, session: Session) -> None:
        """The client goes, or is told to: nothing is routed to it any more."""
        if session.is_leaving:
            return
        session.is_leaving = True
        self._over.discard(session)
        self.router.drop(session)
        session.release()
        for subscriber in session.held_by:
            subscriber.holds.discard(session)
        if session.held_by:
            session.held_by.clear()
            session.wire.resume()

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

    # ── input ───────────────────────────────────────────────────────────────────────────────

    def begin(self, session: Session, now: float) -> None:
        """A batch of frames of one client follows."""
        if self._speaker is not None and self._speaker is not session:
            self.end(self._speaker)
        self._speaker = session
        self._now = now
        recent = session.recent
        if recent.mark(now) and (deadline := recent.next_deadline()) is not None:
            self._effects.alarm(deadline)

    def receive(self, session: Session, payload: bytes) -> None:
        """One whole text message, which is valid UTF-8."""
        if session.is_leaving:
            return
        session.received += 1
        try:
            frame = decode_event(payload)
            if not adds_up(frame, len(payload)):
                inspect(payload)
            if payload.count(b"{") + payload.count(b"[") > MAX_DEPTH and is_too_deep(payload):
                raise Refused("too_deep", limit=MAX_DEPTH, event_id=frame.event_id)
        except (msgspec.DecodeError, RecursionError):
            self._receive_other(session, payload)
        except Refused as refused:
            self._refuse(session, refused)
        else:
            self._publish(session, frame, payload)

    def end(self, session: Session) -> None:
        """The batch is over."""
        self._push_gathered(session)
        self._push_acks(session)
        self._speaker = None

    def flush(self) -> None:
        """Write what was pushed since the last time."""
        ready, self._to_flush = self._to_flush, []
        for outbox in ready:
            outbox.flush()

    def writable(self, session: Session, now: float) -> None:
        """The session's socket has taken everything that was written to it."""
        if session.outbox.writable():
            self._relieve(session, now)

    def advance(self, now: float) -> None:
        """Cut who has been too slow for too long, and say when to look again."""
        self._now = now
        deadlines: list[float] = []
        for session in list(self._over):
            stall = session.stall
            stall.advance(now, session.outbox.taken())
            if stall.is_exhausted(now):
                self.cut(session)
            elif (deadline := stall.next_deadline()) is not None:
                deadlines.append(deadline)
        for recent in self._recent.values():
            recent.expire(now)
            if (deadline := recent.next_deadline()) is not None:
                deadlines.append(deadline)
        if deadlines:
            self._effects.alarm(min(deadlines))

    # ── the Hub's own words ─────────────────────────────────────────────────────────────────

    def announce(self, subject: str, data: dict[str, Any]) -> int:
        """Publish an event of the Hub's own; returns to how many connections."""
        chunk = self._own_event(subject, data)
        route = self.router.route(subject)
        members = list(route.fanout.members)
        members += [self.router.pick(group)[0] for group in route.groups]
        members = list(dict.fromkeys(members))
        self.tally.published += 1
        for member in members:
            self._push(member, chunk, 1, None)
        return len(members)

    def push_control(self, session: Session, data: bytes) -> None:
        """Push a frame that is no event: an answer to a ping, a close."""
        self._push(session, data, 0, session)

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

    def _publish(self, session: Session, frame: Incoming, payload: bytes) -> None:
        """Check an event and pass it on. Who may not, or cannot, is told at once."""
        event_id = frame.event_id
        try:
            route = self._admit(session, frame)
            if event_id is UNSET or frame.source is UNSET or frame.timestamp is UNSET:
                payload, event_id = self._complete(session, frame, payload)
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
        delivered = route.counted
        if route.groups:
            delivered = self._publish_to_groups(session, route, payload)
        else:
            if route.fanout is not self._fanout:
                self._push_gathered(session)
                self._fanout = route.fanout
            self._gathered.append(text_header(len(payload)))
            self._gathered.append(payload)
        if frame.ack:
            self._acks.append(text(encode(Ack(event_id=event_id, delivered=delivered))))

    def _admit(self, session: Session, frame: Incoming) -> Route[Session]:
        """Where an event goes, if everything about it is as it must be.

        Raises:
            Refused: with what is not.
        """
        subject = frame.event
        route = self.router.routes.get(subject)
        if route is None:
            if problem := subject_problem(subject):
                raise Refused("invalid_subject", subject=subject[:300], detail=problem)
            route = self.router.route(subject)
        if session.identity not in route.granted:
            self._check_right(session, route, frame)
        source = frame.source
        if source != session.identity.module and source is not UNSET:
            raise _denied(session, f"publish as '{source[:80]}'")
        event_id = frame.event_id
        if event_id is not UNSET and not 0 < len(event_id) <= _SURELY_SHORT:
            _check_event_id(event_id)
        timestamp = frame.timestamp
        if timestamp != session.last_timestamp and timestamp is not UNSET:
            if not _TIMESTAMP.fullmatch(timestamp):
                raise Refused("malformed_frame", detail="'timestamp' must be RFC 3339")
            session.last_timestamp = timestamp
        if len(frame.headers) and memoryview(frame.headers)[0] != _BRACE:
            raise Refused("malformed_frame", detail="'headers' must be an object")
        if session in route.quiet:
            route = self.router.route_from(route, session)
        if frame.reply_to is not UNSET:
            self._check_request(session, frame.reply_to, route, event_id)
        return route

    def _publish_to_groups(self, session: Session, route: Route[Session], payload: bytes) -> int:
        """Each group chooses a member for this very event; a connection gets one copy."""
        self._push_gathered(session)
        chosen = dict.fromkeys(route.fanout.members, False)
        delivered = route.counted
        for group in route.groups:
            member, counts = self.router.pick(group)
            if counts and not chosen.get(member):
                delivered += member not in chosen
            chosen.setdefault(member, counts)
        chunk = text(payload)
        for member in chosen:
            self._push(member, chunk, 1, session)
        return delivered

    def _check_right(self, session: Session, route: Route[Session], frame: Incoming) -> None:
        """May it publish here? A yes that holds for every event is remembered in the route."""
        identity = session.identity
        subject = route.subject
        if identity.may_publish(subject):
            route.granted.add(identity)
            return
        if identity.may_speak_of_itself(subject):
            if _module_id(frame.data) == identity.module:
                return
            raise _denied(session, f"publish '{subject}' about another module")
        raise _denied(session, f"publish on '{subject}'")

    def _check_request(
        self,
        session: Session,
        reply_to: str,
        route: Route[Session],
        event_id: str | UnsetType,
    ) -> None:
        if problem := subject_problem(reply_to):
            raise Refused("invalid_subject", subject=reply_to[:300], detail=problem)
        if not session.identity.may_be_answered_at(reply_to):
            raise _denied(session, f"be answered at '{reply_to}'")
        # A repeat of a request that was accepted is a repeat, whether somebody still listens.
        if not route.responders and (event_id is UNSET or event_id not in session.recent):
            raise Refused("no_responders", subject=route.subject)

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
                self._check_subscribe(session, frame)
        except Refused as refused:
            self._refuse(session, refused)
            return
        # What was published before is routed as things stood then.
        self._push_gathered(session)
        self._push_acks(session)
        queue = None if frame.queue is UNSET else frame.queue
        if isinstance(frame, Unsubscribe):
            for pattern in frame.events:
                self.router.remove(session, pattern, queue)
            self._say(session, Ack(id=frame.id))
            return
        for pattern in frame.events:
            self.router.add(
                session, Interest(pattern, queue=queue, echo=frame.echo, observe=frame.observe)
            )
        self._say(session, Ack(id=frame.id))
        if not session.knows_start and self._hears_start(session):
            session.knows_start = True
            self._push(session, self._own_event(STARTED, {"epoch": self.epoch}), 1, None)
        self._effects.subscribed(session)

    def _check_subscribe(self, session: Session, frame: Subscribe) -> None:
        limits = self.config.limits
        own = self.router.interests(session)
        queue = None if frame.queue is UNSET else frame.queue
        new = {pattern for pattern in frame.events if (pattern, queue) not in own}
        tokens = sum(pattern.count(".") + 1 for pattern in new)
        for pattern in frame.events:
            if problem := pattern_problem(pattern):
                raise Refused("invalid_pattern", id=frame.id, pattern=pattern[:300], detail=problem)
            if not session.identity.may_subscribe(pattern):
                raise _denied(session, f"subscribe to '{pattern}'", id=frame.id)
        if len(own) + len(new) > limits.subscriptions:
            raise Refused("too_many_subscriptions", id=frame.id, limit=limits.subscriptions)
        if self.router.tokens + tokens > limits.pattern_tokens:
            raise Refused("too_many_subscriptions", id=frame.id, limit=limits.pattern_tokens)

    def _hears_start(self, session: Session) -> bool:
        route = self.router.route(STARTED)
        return session in route.fanout.members or any(
            session is member for group in route.groups for member, _ in group.members
        )

    # ── output ──────────────────────────────────────────────────────────────────────────────

    def _push_gathered(self, session: Session) -> None:
        gathered = self._gathered
        if not gathered:
            return
        chunk = b"".join(gathered)
        events = len(gathered) >> 1
        gathered.clear()
        members = self._fanout.members
        self._fanout = None
        for member in members:
            if member.outbox.push(chunk, events):
                self._hold(member, session)

    def _push(self, member: Session, chunk: bytes, events: int, publisher: Session | None) -> None:
        if member.outbox.push(chunk, events):
            self._hold(member, publisher)

    def _push_acks(self, session: Session) -> None:
        if self._acks:
            chunk = b"".join(self._acks)
            self._acks.clear()
            self._push(session, chunk, 0, session)

    def _say(self, session: Session, frame: Ack | Error) -> None:
        """A word to one client, behind everything that was pushed to it before."""
        self._push(session, text(encode(frame)), 0, session)

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
        return text(encode(event))

    def _hold(self, member: Session, publisher: Session | None) -> None:
        """A subscriber is over its limit: who feeds it waits, and its clock runs."""
        if member.is_leaving:
            return
        if publisher is not None:
            member.hold(publisher)
        if member not in self._over:
            self._over.add(member)
            member.stalls += 1
            member.stall.start(self._now, member.outbox.taken())
            deadline = member.stall.next_deadline()
            if deadline is not None:
                self._effects.alarm(deadline)
        if member.outbox.queued > _FAR_OVER * self.config.limits.outbox_bytes:
            self.cut(member)

    def _relieve(self, session: Session, now: float) -> None:
        if session in self._over:
            self._over.discard(session)
            session.stall.stop(now, session.outbox.taken())
            session.release()
            if session.stall.is_exhausted(now):
                self.cut(session)

    def _wake(self, outbox: Outbox) -> None:
        if not self._to_flush:
            self._effects.wake()
        self._to_flush.append(outbox)


def _check_event_id(event_id: str) -> None:
    size = len(event_id.encode())
    if not 0 < size <= MAX_EVENT_ID_BYTES:
        raise Refused("invalid_event_id", size=size)


def _denied(session: Session, what: str, **mark: Any) -> Refused:
    return Refused("permission_denied", who=session.name, what=what, **mark)


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


def _module_id(data: msgspec.Raw) -> str | None:
    try:
        content = json.loads(bytes(data)) if len(data) else None
    except ValueError:
        return None
    found = content.get("module_id") if isinstance(content, dict) else None
    return found if isinstance(found, str) else None
