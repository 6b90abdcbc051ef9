"""Who reads streams: durable subscriptions with their connections, and replays.

What they decide (`Durable.work`, `Replay.next`) becomes frames and jobs here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec import UNSET

from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.durable import (
    Bury,
    Deliver,
    Durable,
    Fetch,
    FetchAgain,
    Missed,
    Terms,
)
from kite.event_hub.core.streams.jobs import Append, Found, Outcome, Pick, Read
from kite.event_hub.core.streams.keeper import Keeper
from kite.event_hub.core.streams.replay import Replay
from kite.event_hub.core.streams.stream import Stream, marked
from kite.event_hub.core.websocket import text
from kite.wire.frame import Ack, AckEvent, Gap, NackEvent, Settlement, TermEvent, encode

Name = tuple[str, str]
"""A durable subscription belongs to a module, and has a name there."""


class Outside(Protocol):
    """What the readers need of the Hub."""

    def push(self, session: Session, chunk: bytes, events: int) -> None:
        """Queue frames for a connection."""
        ...

    def read(self, job: Read | Pick) -> None:
        """Hand a job to the disk."""
        ...

    def bury(self, name: str, data: dict[str, object]) -> None:
        """Publish a dead letter of the durable of this name."""
        ...

    def finished(self, replay: Replay, failure: str) -> None:
        """A replay has read everything, or can read no more."""
        ...

    def answer(self, session: Session, ack: Ack) -> None:
        """Tell a connection that its durable subscription stands."""
        ...


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A durable subscription as it lies in the file."""

    stream: str
    patterns: tuple[str, ...]
    position: int
    open: dict[int, int] = {}
    ack_wait: float
    max_deliver: int
    max_in_flight: int


_decode_state = msgspec.json.Decoder(State).decode


@dataclass(slots=True)
class Desk:
    """One durable subscription and the stream it reads."""

    name: Name
    stream: Stream
    durable: Durable[Session]

    def state(self) -> bytes:
        """As it is written."""
        terms = self.durable.terms
        return msgspec.json.encode(
            State(
                stream=self.stream.name,
                patterns=terms.patterns,
                position=self.durable.position,
                open=self.durable.open(),
                ack_wait=terms.ack_wait,
                max_deliver=terms.max_deliver,
                max_in_flight=terms.max_in_flight,
            )
        )


class Readers:
    """All durable subscriptions and replays.

    Args:
        keeper: the streams.
        outside: the Hub.
        states: durables from an earlier life of the Hub.
    """

    def __init__(self, keeper: Keeper, outside: Outside, states: Mapping[Name, bytes]) -> None:
        self.desks: dict[Name, Desk] = {}
        self._keeper = keeper
        self._outside = outside
        self._tickets = itertools.count(1)
        self._asked: dict[int, Desk | Replay] = {}
        self._located: dict[int, tuple[Stream, Callable[[int, float], None]]] = {}
        self._replays: set[Replay] = set()
        self._dirty: dict[Name, Desk] = {}
        self._confirms: list[tuple[Session, Ack]] = []
        self._confirming: list[tuple[Session, Ack]] = []
        for name, raw in states.items():
            self._restore(name, raw)

    def _restore(self, name: Name, raw: bytes) -> None:
        try:
            state = _decode_state(raw)
        except msgspec.DecodeError:
            return
        stream = self._keeper.streams.get(state.stream)
        if stream is None:
            return  # not in the settings any more; it stays in the file, as the stream does
        terms = Terms(
            patterns=state.patterns,
            ack_wait=state.ack_wait,
            max_deliver=state.max_deliver,
            max_in_flight=state.max_in_flight,
        )
        last = stream.extent.last
        durable: Durable[Session] = Durable(
            terms,
            stream.filter(terms.patterns),
            # A file that lost its end gives these numbers again: what gets them is new.
            position=min(state.position, last),
            last=last,
            open={seq: attempts for seq, attempts in state.open.items() if seq <= last},
        )
        self.desks[name] = Desk(name, stream, durable)

    def of(self, session: Session) -> Iterator[Desk]:
        """The durables that a connection takes part in."""
        return (desk for desk in self.desks.values() if session in desk.durable.members)

    # ── subscriptions ───────────────────────────────────────────────────────────────────────

    def join(
        self, session: Session, name: str, stream: Stream, terms: Terms, *, position: int
    ) -> Desk:
        """A connection takes part in a durable, which begins at a position if it is new."""
        key = (session.name, name)
        desk = self.desks.get(key)
        wants = stream.filter(terms.patterns)
        if desk is None:
            durable: Durable[Session] = Durable(
                terms, wants, position=position, last=stream.extent.last
            )
            desk = self.desks[key] = Desk(key, stream, durable)
            durable.is_dirty = True
        elif desk.durable.terms != terms:
            desk.durable.agree(terms, wants)
        desk.durable.join(session)
        return desk

    def part(self, session: Session, name: str, *, forget: bool, now: float) -> None:
        """A connection does not take part any more; `forget` ends the durable for everybody."""
        desk = self.desks.get((session.name, name))
        if desk is None:
            return
        desk.durable.retire(session)
        if forget:
            del self.desks[desk.name]
            self._dirty.pop(desk.name, None)
            self._keeper.save({desk.name: None})
            self._keeper.flush()
        else:
            self.work(desk, now)

    def leave(self, session: Session, now: float) -> None:
        """A connection is gone."""
        for desk in list(self.desks.values()):
            if desk.name[0] == session.name:
                desk.durable.leave(session, now)
                self.work(desk, now)
        for replay in [each for each in self._replays if each.session is session]:
            self._replays.discard(replay)

    def settle(self, session: Session, frame: Settlement, now: float) -> bool:
        """A connection says what has become of an event; False when its module has no such durable."""
        desk = self.desks.get((session.name, frame.durable))
        if desk is None:
            return False
        match frame:
            case AckEvent():
                desk.durable.settle(frame.seq)
            case NackEvent():
                desk.durable.refuse(
                    frame.seq, now, delay=max(0.0, frame.delay), reason=frame.reason[:500]
                )
            case TermEvent():
                desk.durable.give_up(frame.seq, frame.reason[:500])
        if frame.id is not UNSET:
            self._confirms.append((session, Ack(id=frame.id, seq=frame.seq)))
        self.work(desk, now)
        return True

    # ── what the disk says ──────────────────────────────────────────────────────────────────

    def grown(self, appends: tuple[Append, ...], now: float) -> None:
        """Events have been kept: whoever is at the end of their stream gets them."""
        for append in appends:
            for desk in self.desks.values():
                if desk.stream.name == append.stream:
                    desk.durable.arrived(append.first, append.payloads)
                    self.work(desk, now)
        for replay in list(self._replays):
            self._go_on(replay)

    def done(self, ticket: int, outcome: Outcome, asked: Read | Pick, now: float) -> None:
        """What was read."""
        if ticket in self._located:
            self._tell_place(ticket, outcome, now)
            return
        reader = self._asked.pop(ticket, None)
        if isinstance(reader, Desk):
            if not isinstance(outcome, Found):
                reader.durable.failed()
                return  # asked for again when anything happens; the disk has said why
            if isinstance(asked, Read):
                reader.durable.fetched(outcome.records, outcome.through)
            else:
                reader.durable.picked(asked.seqs, outcome.records)
            self.work(reader, now)
        elif reader is not None and reader in self._replays:
            if isinstance(outcome, Found):
                self._replayed(reader, outcome)
            else:
                reader.failed()
                self._replays.discard(reader)
                self._outside.finished(reader, getattr(outcome, "why", ""))

    def writable(self, session: Session, now: float) -> None:
        """A connection has room again."""
        for desk in self.of(session):
            self.work(desk, now)
        for replay in list(self._replays):
            if replay.session is session:
                self._go_on(replay)

    def advance(self, now: float) -> list[float]:
        """Time has passed; returns when to look again."""
        deadlines = []
        for desk in self.desks.values():
            deadline = desk.durable.next_deadline()
            if deadline is not None and deadline <= now:
                self.work(desk, now)
                deadline = desk.durable.next_deadline()
            if deadline is not None:
                deadlines.append(deadline)
        return deadlines

    def next_deadline(self) -> float | None:
        """When to look again."""
        found = [desk.durable.next_deadline() for desk in self.desks.values()]
        return min((each for each in found if each is not None), default=None)

    def save(self) -> None:
        """Hand over what is to be written of durables."""
        if not self._dirty:
            return
        dirty, self._dirty = self._dirty, {}
        for desk in dirty.values():
            desk.durable.is_dirty = False
        self._keeper.save({name: desk.state() for name, desk in dirty.items()})

    def saving(self) -> None:
        """What has been handed over is under way: these confirmations wait for it."""
        self._confirming += self._confirms
        self._confirms = []

    def saved(self) -> None:
        """And is on the disk."""
        confirms, self._confirming = self._confirming, []
        for session, ack in confirms:
            self._outside.push(session, text(encode(ack)), 0)

    def locate(self, stream: Stream, since: float, tell: Callable[[int, float], None]) -> None:
        """Find the position before what was kept from an instant on."""
        ticket = next(self._tickets)
        self._located[ticket] = (stream, tell)
        self._outside.read(Read(stream=stream.name, after=0, since=since, ticket=ticket))

    def _tell_place(self, ticket: int, outcome: Outcome, now: float) -> None:
        stream, tell = self._located.pop(ticket)
        position = stream.extent.last
        if isinstance(outcome, Found):
            position = outcome.records[0][0] - 1 if outcome.records else outcome.through
        tell(position, now)

    # ── replays ─────────────────────────────────────────────────────────────────────────────

    def replays_of(self, session: Session) -> int:
        """How many of a connection are under way."""
        return sum(replay.session is session for replay in self._replays)

    def replay(self, replay: Replay) -> None:
        """Begin to read for a connection."""
        self._replays.add(replay)
        self._go_on(replay)

    def _go_on(self, replay: Replay) -> None:
        if replay.is_reading or not replay.session.is_ready:
            return
        cursor = replay.next()
        if cursor is None:
            self._replays.discard(replay)
            self._outside.finished(replay, "")
            return
        ticket = next(self._tickets)
        self._asked[ticket] = replay
        self._outside.read(
            Read(stream=cursor.stream.name, after=cursor.after, since=cursor.since, ticket=ticket)
        )

    def _replayed(self, replay: Replay, found: Found) -> None:
        stream, wanted, gap = replay.found(found)
        if gap is not None:
            self._push_gap(replay.session, Missed(*gap), stream.name)
        name = msgspec.json.encode(stream.name)
        for seq, payload in wanted:
            mark = b'"stream":%b,"seq":%d,' % (name, seq)
            self._outside.push(replay.session, text(marked(payload, mark)), 1)
        self._go_on(replay)

    # ── durables ────────────────────────────────────────────────────────────────────────────

    def work(self, desk: Desk, now: float) -> None:
        """Do what a durable decides."""
        actions = desk.durable.work(now)
        if desk.durable.is_dirty and desk.name in self.desks:
            self._dirty[desk.name] = desk
        for action in actions:
            match action:
                case Deliver():
                    self._deliver(desk, action)
                case Bury():
                    self._bury(desk, action)
                case Missed():
                    for member in desk.durable.members:
                        self._push_gap(member, action, desk.stream.name, desk.name[1])
                case Fetch():
                    ticket = self._ticket(desk)
                    self._outside.read(
                        Read(stream=desk.stream.name, after=action.after, ticket=ticket)
                    )
                case FetchAgain():
                    ticket = self._ticket(desk)
                    self._outside.read(
                        Pick(stream=desk.stream.name, seqs=action.seqs, ticket=ticket)
                    )

    def _ticket(self, desk: Desk) -> int:
        ticket = next(self._tickets)
        self._asked[ticket] = desk
        return ticket

    def _deliver(self, desk: Desk, deliver: Deliver[Session]) -> None:
        mark = b'"stream":%b,"seq":%d,"durable":%b,"attempt":%d,' % (
            msgspec.json.encode(desk.stream.name),
            deliver.seq,
            msgspec.json.encode(desk.name[1]),
            deliver.attempt,
        )
        self._outside.push(deliver.member, text(marked(deliver.payload, mark)), 1)

    def _bury(self, desk: Desk, bury: Bury) -> None:
        module, name = desk.name
        self._outside.bury(
            name,
            {
                "module_id": module,
                "durable": name,
                "stream": desk.stream.name,
                "seq": bury.seq,
                "attempts": bury.attempts,
                "reason": bury.reason,
                "event": msgspec.Raw(bury.payload),
            },
        )

    def _push_gap(
        self, session: Session, missed: Missed, stream: str, durable: str | None = None
    ) -> None:
        gap = Gap(
            stream=stream,
            first=missed.first,
            last=missed.last,
            missed=missed.last - missed.first + 1,
            durable=UNSET if durable is None else durable,
        )
        self._outside.push(session, text(encode(gap)), 0)
