"""A durable subscription: what of a stream is still to be done, and by whom.

Its whole state is a position (everything up to it was looked at) and the open sequence numbers
below it, with their attempts. There are never more open ones than `max_in_flight`, and no payload
is kept longer than it takes to deliver it: what is due again is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic

from kite.event_hub.core.streams.ahead import Ahead
from kite.event_hub.core.streams.crew import Crew
from kite.event_hub.core.streams.decisions import (
    Action,
    Bury,
    Deliver,
    FetchAgain,
    M,
    Missed,
    Terms,
)
from kite.event_hub.core.streams.flights import Flights
from kite.event_hub.core.streams.jobs import Record

_PICK = 64
"""Events that are read again at a time."""

_AGAIN_BYTES = 2 << 20
"""Of events that were read again and wait for a member."""

_RETRY = 1.0
"""Seconds after which what could not be read is asked for again."""


class Durable(Generic[M]):
    """One durable subscription of one stream.

    Args:
        terms: see `Terms`.
        wants: whether an event's bytes match the patterns.
        position: everything up to here was looked at.
        last: of the stream.
        since: seconds since 1970: nothing kept before is wanted.
        open: attempts of what was delivered and not settled, by sequence number.
        dead: of these, why they were given up.

    Attributes:
        is_dirty: whether something that is to be written has changed.
    """

    def __init__(
        self,
        terms: Terms,
        wants: Callable[[bytes], bool],
        *,
        position: int,
        last: int,
        since: float | None = None,
        open: Mapping[int, int] | None = None,  # noqa: A002  (the word for it)
        dead: Mapping[int, str] | None = None,
    ) -> None:
        self.terms = terms
        self.is_dirty = False
        self._wants = wants
        self._crew: Crew[M] = Crew()
        self._ahead = Ahead(position, last, since)
        self._flights = Flights(self._crew, terms.max_deliver, open or {}, dead or {})
        self._again: dict[int, bytes] = {}
        self._again_bytes = 0
        self._is_picking = False
        self._retry_at: float | None = None
        self._missed: list[Missed] = []
        self._lost: list[Bury] = []

    @property
    def position(self) -> int:
        """Everything up to here was looked at."""
        return self._ahead.position

    @property
    def since(self) -> float | None:
        """Nothing kept before is wanted, where that has still to be looked up."""
        return self._ahead.since

    @property
    def members(self) -> Crew[M]:
        """The connections that take part."""
        return self._crew

    @property
    def pending(self) -> int:
        """Events that were delivered and not settled, or are to be delivered again."""
        return len(self._flights)

    def open(self) -> dict[int, int]:
        """Attempts of what is not settled, by sequence number, as a new life of the Hub counts."""
        return self._flights.open()

    def dead(self) -> dict[int, str]:
        """Of these, why they were given up."""
        return self._flights.reasons()

    # ── facts ───────────────────────────────────────────────────────────────────────────────

    def agree(self, terms: Terms, wants: Callable[[bytes], bool]) -> None:
        """New terms, for what is delivered from now on, redeliveries too."""
        self.terms = terms
        self._wants = wants
        self._flights.allow(terms.max_deliver)
        self.is_dirty = True

    def join(self, member: M) -> None:
        """A connection takes part."""
        self._crew.add(member)

    def leave(self, member: M) -> None:
        """A connection is gone: what it had is due again."""
        self.retire(member)
        self._flights.lose(member)
        self.is_dirty = True

    def retire(self, member: M) -> None:
        """A connection wants nothing new; what it has it may still finish."""
        if self._crew.remove(member):
            self._forget_again()
            self._ahead.clear()

    def arrived(self, first: int, payloads: list[bytes]) -> None:
        """The stream has grown."""
        self._ahead.arrived(first, payloads, is_wanted=bool(self._crew))

    def fetched(self, records: list[Record], through: int) -> None:
        """What `Fetch` asked for: everything there is from where it began up to `through`."""
        self._missed += self._ahead.fetched(records, through, is_wanted=bool(self._crew))

    def picked(self, asked: tuple[int, ...], records: list[Record], through: int) -> None:
        """What `FetchAgain` asked for, up to `through`; what is not among it is gone."""
        self._is_picking = False
        found = dict(records)
        for seq in asked:
            flight = self._flights.get(seq)
            if flight is None or seq > through:
                continue
            if seq not in found:
                if flight.is_dead:
                    self._lost.append(Bury(seq, None, flight.attempts, flight.why))
                else:
                    self._missed.append(Missed(seq, seq))
                self.settle(seq)
            elif (self._crew or flight.is_dead) and seq not in self._again:
                self._again[seq] = found[seq]
                self._again_bytes += len(found[seq])

    def failed(self, now: float) -> None:
        """What was to be read could not be: it is asked for again a little later."""
        self._is_picking = False
        self._ahead.failed()
        self._retry_at = now + _RETRY

    def settle(self, seq: int) -> bool:
        """The event is done with; False when it was not open."""
        if not self._flights.end(seq):
            return False
        self._take_again(seq)
        self.is_dirty = True
        return True

    def refuse(
        self, seq: int, now: float, *, by: M | None = None, delay: float = 0.0, reason: str = "nack"
    ) -> bool:
        """The event could not be done: it is due again after a delay, or dead.

        Args:
            by: who says so. A member speaks of what it has itself: what it had before, and another
                has by now, is the other's.
        """
        flight = self._flights.get(seq)
        if flight is None or flight.member is None:
            return False
        if flight.member is not by and by in self._crew:
            return False
        self._flights.come_back(seq, reason, now + delay if delay > 0 else 0.0)
        self.is_dirty = True
        return True

    def give_up(self, seq: int, reason: str) -> bool:
        """A member says that nobody can do it: dead at once."""
        flight = self._flights.get(seq)
        if flight is None or flight.is_dead:
            return False
        self._flights.give_up(seq, reason)
        self.is_dirty = True
        return True

    # ── decisions ───────────────────────────────────────────────────────────────────────────

    def work(self, now: float) -> list[Action[M]]:
        """What is to be done now."""
        if self._flights.expire(now):
            self.is_dirty = True
        actions: list[Action[M]] = [*self._missed, *self._lost]
        self._missed, self._lost = [], []
        self._bury_dead(actions)
        self._deliver_again(now, actions)
        self._deliver_new(now, actions)
        if self._retry_at is None or now >= self._retry_at:
            self._retry_at = None
            self._ask(actions)
        if self._ahead.has_moved:
            self._ahead.has_moved = False
            self.is_dirty = True
        return actions

    def next_deadline(self) -> float | None:
        """When `work` is to be called at the latest, if nothing happens before."""
        deadline = self._flights.next_deadline()
        if self._retry_at is None or (deadline is not None and deadline < self._retry_at):
            return deadline
        return self._retry_at

    def _deliver_again(self, now: float, actions: list[Action[M]]) -> None:
        flights = self._flights
        while (seq := flights.next_due()) is not None:
            payload = self._again.get(seq)
            if payload is None:
                return
            if not self._wants(payload):
                self.settle(seq)  # of patterns that are not asked for any more
                continue
            member = self._crew.choose()
            if member is None:
                return
            self._take_again(seq)
            self._deliver(seq, payload, member, now, actions)

    def _deliver_new(self, now: float, actions: list[Action[M]]) -> None:
        ahead, most = self._ahead, self.terms.max_in_flight
        while ahead and len(self._flights) < most:
            seq, payload = ahead.head
            if self._wants(payload):
                member = self._crew.choose()
                if member is None:
                    return
                self._deliver(seq, payload, member, now, actions)
            ahead.pop()

    def _deliver(
        self, seq: int, payload: bytes, member: M, now: float, actions: list[Action[M]]
    ) -> None:
        attempt = self._flights.begin(seq, member, now + self.terms.ack_wait)
        actions.append(Deliver(member, seq, payload, attempt))
        self.is_dirty = True

    def _ask(self, actions: list[Action[M]]) -> None:
        if not self._is_picking and (wanted := self._wanted_again()):
            self._is_picking = True
            actions.append(FetchAgain(wanted))
        if self._crew and len(self._flights) < self.terms.max_in_flight:
            fetch = self._ahead.ask()
            if fetch is not None:
                actions.append(fetch)

    def _wanted_again(self) -> tuple[int, ...]:
        wanted = set()
        for seq in self._flights.dead:
            wanted.add(seq)
            if len(wanted) >= _PICK:
                break
        if not self._crew or (first := self._flights.next_due()) is None:
            return tuple(sorted(wanted))
        if self._again_bytes >= _AGAIN_BYTES:
            if first in self._again:
                return tuple(sorted(wanted))
            self._forget_again()  # what came back since goes first
        wanted |= {seq for seq in self._flights.due(_PICK) if seq not in self._again}
        return tuple(sorted(wanted)[:_PICK])

    def _bury_dead(self, actions: list[Action[M]]) -> None:
        """Publish what is given up and at hand."""
        for seq in self._flights.dead:
            payload = self._again.get(seq)
            if payload is not None:
                flight = self._flights[seq]
                actions.append(Bury(seq, payload, flight.attempts, flight.why))
        for action in actions:
            if isinstance(action, Bury):
                self.settle(action.seq)

    def _take_again(self, seq: int) -> bytes | None:
        payload = self._again.pop(seq, None)
        if payload is not None:
            self._again_bytes -= len(payload)
        return payload

    def _forget_again(self) -> None:
        self._again.clear()
        self._again_bytes = 0
