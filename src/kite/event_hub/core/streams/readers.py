"""Who reads streams: durable subscriptions with their connections, and replays.

What a durable decides (`Durable.work`) becomes frames and jobs here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping

from msgspec import UNSET

from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.decisions import (
    Bury,
    Deliver,
    Fetch,
    FetchAgain,
    Missed,
    Terms,
)
from kite.event_hub.core.streams.desk import Desk, Name, decode_state
from kite.event_hub.core.streams.durable import Durable
from kite.event_hub.core.streams.jobs import Append, Found, Outcome, Pick, Read
from kite.event_hub.core.streams.keeper import Keeper
from kite.event_hub.core.streams.outside import Outside, gap
from kite.event_hub.core.streams.replay import Replay
from kite.event_hub.core.streams.replays import Replays
from kite.event_hub.core.streams.stream import Stream
from kite.wire.frame import Ack, AckEvent, NackEvent, Settlement, TermEvent

MOST_REASON = 500
"""Characters of the reason that a member gives."""


class Readers:
    """All durable subscriptions and replays.

    Args:
        keeper: the streams.
        outside: the Hub.
        states: durables from an earlier life of the Hub.

    Attributes:
        desks: the durables.
        replays: the replays.
    """

    def __init__(self, keeper: Keeper, outside: Outside, states: Mapping[Name, bytes]) -> None:
        self.desks: dict[Name, Desk] = {}
        self.replays = Replays(outside, self._ticket)
        self._keeper = keeper
        self._outside = outside
        self._tickets = itertools.count(1)
        self._asked: dict[int, Desk | Replay] = {}
        self._of_stream: dict[str, dict[Name, Desk]] = {name: {} for name in keeper.streams}
        self._of_session: dict[Session, dict[Desk, None]] = {}
        self._dirty: dict[Name, Desk] = {}
        self._look_at = math.inf
        for name, raw in states.items():
            self._restore(name, raw)

    def _restore(self, name: Name, raw: bytes) -> None:
        state = decode_state(raw)
        if (stream := self._keeper.streams.get(state.stream)) is not None:
            self._add(Desk.restored(name, stream, state))
        # Else it is not in the settings any more; it stays in the file, as the stream does.

    def _add(self, desk: Desk) -> None:
        self.desks[desk.name] = self._of_stream[desk.stream.name][desk.name] = desk

    def of(self, session: Session) -> Iterable[Desk]:
        """The durables that a connection takes part in."""
        return self._of_session.get(session, ())

    # ── subscriptions ───────────────────────────────────────────────────────────────────────

    def join(
        self,
        session: Session,
        name: str,
        stream: Stream,
        terms: Terms,
        *,
        position: int,
        since: float | None,
    ) -> Desk:
        """A connection takes part in a durable.

        Args:
            position: where it begins if it is new;
            since: seconds since 1970: and nothing kept before.
        """
        key = (session.name, name)
        desk = self.desks.get(key)
        if desk is None:
            durable: Durable[Session] = Durable(
                terms,
                stream.filter(terms.patterns),
                position=position,
                last=stream.extent.last,
                since=since,
            )
            durable.is_dirty = True
            desk = Desk(key, stream, durable)
            self._add(desk)
        elif desk.durable.terms != terms:
            desk.durable.agree(terms, stream.filter(terms.patterns))
        desk.durable.join(session)
        self._of_session.setdefault(session, {})[desk] = None
        return desk

    def part(self, session: Session, name: str, now: float) -> None:
        """A connection does not take part any more."""
        if (desk := self.desks.get((session.name, name))) is not None:
            self._retire(session, desk)
            self.work(desk, now)

    def forget(self, session: Session, name: str) -> Stream | None:
        """A durable ends, for all its members; returns what it read, None where there was none."""
        if (desk := self.desks.get((session.name, name))) is None:
            return None
        _check_page(session, desk)
        for member in list(desk.durable.members):
            self._retire(member, desk)
        del self.desks[desk.name], self._of_stream[desk.stream.name][desk.name]
        self._dirty.pop(desk.name, None)
        self._keeper.save({desk.name: None})
        return desk.stream

    def _retire(self, session: Session, desk: Desk) -> None:
        desk.durable.retire(session)
        own = self._of_session.get(session, {})
        own.pop(desk, None)
        if not own:
            self._of_session.pop(session, None)

    def leave(self, session: Session, now: float) -> None:
        """A connection is gone."""
        self._of_session.pop(session, None)
        self.replays.leave(session)
        for desk in list(self.desks.values()):
            if desk.name[0] == session.name:
                desk.durable.leave(session)
                self.work(desk, now)

    def settle(self, session: Session, frame: Settlement, now: float) -> None:
        """A connection says what has become of an event.

        Raises:
            Refused: `durable_unknown` when its module has no such durable; `permission_denied`.
        """
        desk = self.desks.get((session.name, frame.durable))
        if desk is None:
            raise Refused("durable_unknown", id=frame.id, durable=frame.durable[:100])
        durable = desk.durable
        if session.identity.is_session and session not in durable.members:
            _check_page(session, desk, frame)
        match frame:
            case AckEvent():
                durable.settle(frame.seq)
            case NackEvent():
                reason = frame.reason[:MOST_REASON]
                durable.refuse(frame.seq, now, by=session, delay=frame.delay, reason=reason)
            case TermEvent():
                durable.give_up(frame.seq, frame.reason[:MOST_REASON])
        if frame.id is not UNSET:
            answer = Ack(id=frame.id, seq=frame.seq)
            self._keeper.confirm(session, answer, is_synced=desk.stream.is_synced)
        self.work(desk, now)

    # ── what the disk says ──────────────────────────────────────────────────────────────────

    def grown(self, appends: tuple[Append, ...], now: float) -> None:
        """Events have been kept: whoever is at the end of their stream gets them."""
        for append in appends:
            for desk in list(self._of_stream[append.stream].values()):
                desk.durable.arrived(append.first, append.payloads)
                if desk.durable.members:
                    self.work(desk, now)
        self.replays.grown()

    def done(self, ticket: int, outcome: Outcome, asked: Read | Pick, now: float) -> None:
        """What was read."""
        reader = self._asked.pop(ticket, None)
        if isinstance(reader, Replay):
            self.replays.done(reader, outcome)
        elif reader is not None and self.desks.get(reader.name) is reader:
            durable = reader.durable
            if not isinstance(outcome, Found):
                durable.failed(now)  # the disk has said why
            elif isinstance(asked, Read):
                durable.fetched(outcome.records, outcome.through)
            else:
                durable.picked(asked.seqs, outcome.records, outcome.through)
            self.work(reader, now)

    def writable(self, session: Session, now: float) -> None:
        """A connection has room again."""
        for desk in list(self.of(session)):
            self.work(desk, now)
        self.replays.go_on(session)

    def advance(self, now: float) -> None:
        """Time has passed."""
        if now < self._look_at:
            return
        self._look_at = math.inf
        for desk in list(self.desks.values()):
            deadline = desk.durable.next_deadline()
            if deadline is not None and deadline <= now:
                self.work(desk, now)
            elif deadline is not None:
                self._look_at = min(self._look_at, deadline)

    def next_deadline(self) -> float | None:
        """When to look again; it may be for nothing."""
        return self._look_at if self._look_at < math.inf else None

    def save(self) -> None:
        """Hand over what is to be written of durables."""
        if self._dirty:
            dirty, self._dirty = self._dirty, {}
            for desk in dirty.values():
                desk.durable.is_dirty = False
            self._keeper.save({name: desk.state() for name, desk in dirty.items()})

    # ── durables ────────────────────────────────────────────────────────────────────────────

    def work(self, desk: Desk, now: float) -> None:
        """Do what a durable decides."""
        durable = desk.durable
        actions = durable.work(now)
        if durable.is_dirty:
            self._dirty[desk.name] = desk
        deadline = durable.next_deadline()
        if deadline is not None and deadline < self._look_at:
            self._look_at = deadline
        for action in actions:
            match action:
                case Deliver():
                    # What comes before it may have parted the Hub from this very connection.
                    if not action.member.is_leaving:
                        self._outside.push(action.member, desk.copy(action), 1)
                case Bury():
                    self._outside.bury(desk.name[1], desk.letter(action))
                case Missed():
                    for member in list(durable.members):
                        self._outside.push(member, gap(action, desk.stream.name, desk.name[1]), 0)
                case Fetch():
                    ticket = self._ticket(desk)
                    self._outside.read(
                        Read(
                            stream=desk.stream.name,
                            after=action.after,
                            since=action.since,
                            ticket=ticket,
                        )
                    )
                case FetchAgain():
                    ticket = self._ticket(desk)
                    self._outside.read(
                        Pick(stream=desk.stream.name, seqs=action.seqs, ticket=ticket)
                    )

    def _ticket(self, reader: Desk | Replay) -> int:
        ticket = next(self._tickets)
        self._asked[ticket] = reader
        return ticket


def _check_page(session: Session, desk: Desk, frame: Settlement | None = None) -> None:
    """A web page's narrower token decides nothing about events that it may not hear."""
    for pattern in desk.durable.terms.patterns:
        if session.identity.is_session and not session.identity.may_subscribe(pattern):
            what = f"settle events of '{pattern}'"
            mark = UNSET if frame is None else frame.id
            raise Refused("permission_denied", id=mark, who=session.name, what=what)
