"""A durable subscription: what of a stream is still to be done, and by whom.

Its whole state is a position (everything up to it was looked at) and the open sequence numbers
below it, with their attempts. There are never more open ones than `max_in_flight`, and no payload
is kept longer than it takes to deliver it: what is due again is read again.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from kite.event_hub.core.streams.jobs import Record

_BUFFER_BYTES = 2 << 20
"""Of events that were read and wait for a member."""

_PICK = 64
"""Events that are read again at a time."""

ACK_WAIT = "ack_wait"
DISCONNECTED = "disconnected"


class Member(Protocol):
    """A connection that takes part."""

    @property
    def number(self) -> int: ...

    @property
    def is_ready(self) -> bool:
        """Whether its outbox has room."""
        ...


M = TypeVar("M", bound=Member)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed.

    Args:
        patterns: of the events that are wanted.
        ack_wait: seconds until an event that was not settled is due again.
        max_deliver: attempts before it is a dead letter.
        max_in_flight: events that are delivered and not settled, of all members together.
    """

    patterns: tuple[str, ...]
    ack_wait: float = 30.0
    max_deliver: int = 5
    max_in_flight: int = 256


@dataclass(frozen=True, slots=True)
class Deliver(Generic[M]):
    """Send an event to a member."""

    member: M
    seq: int
    payload: bytes
    attempt: int


@dataclass(frozen=True, slots=True)
class Bury:
    """Publish a dead letter; the event is settled."""

    seq: int
    payload: bytes
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read what is behind a sequence number."""

    after: int


@dataclass(frozen=True, slots=True)
class FetchAgain:
    """Read these again."""

    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Missed:
    """The stream has not these any more."""

    first: int
    last: int


Action = Deliver[M] | Bury | Fetch | FetchAgain | Missed


class _Flight(Generic[M]):
    """An open event: with a member until the deadline, or (`member` None) due at the deadline."""

    __slots__ = ("attempts", "deadline", "member", "order", "reason")

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        self.member: M | None = None
        self.deadline = 0.0
        self.order = 0
        self.reason = ""


class Durable(Generic[M]):
    """One durable subscription of one stream.

    Args:
        terms: see `Terms`.
        wants: whether an event's bytes match the patterns.
        position: everything up to here was looked at.
        last: of the stream.
        open: attempts of what was delivered and not settled, by sequence number.

    Attributes:
        is_dirty: whether `position` or what is open changed in a way that is to be written.
    """

    def __init__(
        self,
        terms: Terms,
        wants: Callable[[bytes], bool],
        *,
        position: int,
        last: int,
        open: Mapping[int, int] | None = None,  # noqa: A002  (the word for it)
    ) -> None:
        self.terms = terms
        self.is_dirty = False
        self._wants = wants
        self._position = position
        self._last = last
        self._read_to = position
        self._buffer: deque[Record] = deque()
        self._buffer_bytes = 0
        self._is_fetching = False
        self._fetch_from = 0
        self._is_picking = False
        self._members: dict[M, int] = {}
        self._turn = 0
        self._order = 0
        self._flights: dict[int, _Flight[M]] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._due: list[int] = []
        self._dead: list[int] = []
        self._again: dict[int, bytes] = {}
        self._missed: list[Missed] = []
        for seq, attempts in (open or {}).items():
            self._flights[seq] = _Flight(attempts)
            if attempts >= terms.max_deliver:
                self._flights[seq].reason = DISCONNECTED
                self._dead.append(seq)
            else:
                heapq.heappush(self._due, seq)

    @property
    def position(self) -> int:
        """Everything up to here was looked at."""
        return self._position

    @property
    def members(self) -> Iterable[M]:
        """The connections that take part."""
        return self._members

    @property
    def pending(self) -> int:
        """Events that were delivered and not settled, or are to be delivered again."""
        return len(self._flights)

    def open(self) -> dict[int, int]:
        """Attempts of what is not settled, by sequence number."""
        return {seq: flight.attempts for seq, flight in self._flights.items()}

    # ── facts ───────────────────────────────────────────────────────────────────────────────

    def agree(self, terms: Terms, wants: Callable[[bytes], bool]) -> None:
        """New terms, for what is delivered from now on."""
        self.terms = terms
        self._wants = wants
        self.is_dirty = True

    def join(self, member: M) -> None:
        """A connection takes part."""
        self._members.setdefault(member, 0)

    def leave(self, member: M, now: float) -> None:
        """A connection is gone.

        The event that it was at, the oldest, has had its attempt; the others were waiting in its
        queue and get theirs back.
        """
        self.retire(member)
        lost = [seq for seq, flight in self._flights.items() if flight.member is member]
        lost.sort(key=lambda seq: self._flights[seq].order)
        for place, seq in enumerate(lost):
            if place:
                self._flights[seq].attempts -= 1
            self._return(seq, now, DISCONNECTED)

    def retire(self, member: M) -> None:
        """A connection wants nothing new; what it has it may still finish."""
        if self._members.pop(member, None) is not None and not self._members:
            self._again.clear()
            self._buffer.clear()
            self._buffer_bytes = 0
            self._read_to = self._position

    def arrived(self, first: int, payloads: list[bytes]) -> None:
        """The stream has grown; who is at its end need not read it."""
        self._last = first + len(payloads) - 1
        room = _BUFFER_BYTES - self._buffer_bytes
        if self._read_to != first - 1 or not self._members or self._is_fetching or room <= 0:
            return
        for seq, payload in enumerate(payloads, first):
            room -= len(payload)
            if room < 0:
                break
            self._buffer.append((seq, payload))
            self._buffer_bytes += len(payload)
            self._read_to = seq

    def fetched(self, records: list[Record], through: int) -> None:
        """What `Fetch` asked for: everything there is from where it began up to `through`."""
        self._is_fetching = False
        if not self._members or self._fetch_from != self._read_to:
            return  # everybody left meanwhile: it begins again at the position
        at = self._read_to
        for seq, payload in records:
            if seq <= at:
                continue
            self._skip(at + 1, seq - 1)
            self._buffer.append((seq, payload))
            self._buffer_bytes += len(payload)
            at = seq
        self._skip(at + 1, through)
        self._read_to = max(at, through)
        if not self._buffer:
            self._move(self._read_to)

    def picked(self, asked: tuple[int, ...], records: list[Record]) -> None:
        """What `FetchAgain` asked for; what is not among it is gone."""
        self._is_picking = False
        found = dict(records)
        for seq in asked:
            if seq not in self._flights:
                continue
            if seq in found:
                self._again[seq] = found[seq]
            else:
                self._missed.append(Missed(seq, seq))
                self.settle(seq)

    def failed(self) -> None:
        """What was to be read could not be: it is asked for again at the next occasion."""
        self._is_fetching = self._is_picking = False

    def settle(self, seq: int) -> bool:
        """The event is done with; False when it was not open."""
        flight = self._flights.pop(seq, None)
        if flight is None:
            return False
        self._let_go(flight)
        self._again.pop(seq, None)
        self.is_dirty = True
        return True

    def refuse(self, seq: int, now: float, *, delay: float = 0.0, reason: str = "nack") -> bool:
        """A member could not do it: it is due again after a delay, or dead."""
        flight = self._flights.get(seq)
        if flight is None or flight.member is None:
            return False
        self._return(seq, now, reason, delay)
        return True

    def give_up(self, seq: int, reason: str) -> bool:
        """A member says that nobody can do it: dead at once."""
        flight = self._flights.get(seq)
        if flight is None or flight.reason:
            return False
        self._let_go(flight)
        self._bury(seq, flight, reason)
        return True

    # ── decisions ───────────────────────────────────────────────────────────────────────────

    def work(self, now: float) -> list[Action[M]]:
        """What is to be done now."""
        actions: list[Action[M]] = []
        self._expire(now)
        actions += self._missed
        self._missed.clear()
        self._bury_dead(actions)
        self._deliver_again(now, actions)
        self._deliver_new(now, actions)
        self._ask(actions)
        return actions

    def next_deadline(self) -> float | None:
        """When `work` is to be called at the latest, if nothing happens before."""
        while self._deadlines:
            deadline, seq = self._deadlines[0]
            flight = self._flights.get(seq)
            if flight is not None and flight.deadline == deadline and not flight.reason:
                return deadline
            heapq.heappop(self._deadlines)
        return None

    def _expire(self, now: float) -> None:
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            seq = heapq.heappop(self._deadlines)[1]
            flight = self._flights[seq]
            if flight.member is not None:
                self._return(seq, now, ACK_WAIT)
            else:
                flight.deadline = 0.0
                heapq.heappush(self._due, seq)

    def _return(self, seq: int, now: float, reason: str, delay: float = 0.0) -> None:
        flight = self._flights[seq]
        self._let_go(flight)
        if flight.attempts >= self.terms.max_deliver:
            self._bury(seq, flight, reason)
        elif delay > 0:
            flight.deadline = now + delay
            heapq.heappush(self._deadlines, (flight.deadline, seq))
        else:
            heapq.heappush(self._due, seq)

    def _let_go(self, flight: _Flight[M]) -> None:
        if flight.member is not None:
            if flight.member in self._members:
                self._members[flight.member] -= 1
            flight.member = None
        flight.deadline = 0.0

    def _bury(self, seq: int, flight: _Flight[M], reason: str) -> None:
        flight.reason = reason or "given up"
        self._dead.append(seq)

    def _bury_dead(self, actions: list[Action[M]]) -> None:
        waiting = []
        for seq in self._dead:
            flight = self._flights.get(seq)
            if flight is None:
                continue
            payload = self._again.pop(seq, None)
            if payload is None:
                waiting.append(seq)
                continue
            actions.append(Bury(seq, payload, flight.attempts, flight.reason))
            self.settle(seq)
        self._dead = waiting

    def _deliver_again(self, now: float, actions: list[Action[M]]) -> None:
        while self._due:
            seq = self._due[0]
            flight = self._flights.get(seq)
            if flight is None or flight.member is not None or flight.reason:
                heapq.heappop(self._due)
                continue
            if seq not in self._again or (member := self._choose()) is None:
                return
            heapq.heappop(self._due)
            actions.append(self._fly(seq, flight, member, self._again.pop(seq), now))

    def _deliver_new(self, now: float, actions: list[Action[M]]) -> None:
        buffer = self._buffer
        while buffer and len(self._flights) < self.terms.max_in_flight:
            seq, payload = buffer[0]
            if self._wants(payload):
                member = self._choose()
                if member is None:
                    return
                flight: _Flight[M] = _Flight(0)
                self._flights[seq] = flight
                actions.append(self._fly(seq, flight, member, payload, now))
            buffer.popleft()
            self._buffer_bytes -= len(payload)
            self._move(self._read_to if not buffer else seq)

    def _fly(
        self, seq: int, flight: _Flight[M], member: M, payload: bytes, now: float
    ) -> Deliver[M]:
        self._order += 1
        flight.attempts += 1
        flight.member = member
        flight.order = self._order
        flight.deadline = now + self.terms.ack_wait
        heapq.heappush(self._deadlines, (flight.deadline, seq))
        self._members[member] += 1
        return Deliver(member, seq, payload, flight.attempts)

    def _choose(self) -> M | None:
        """The member with the least in flight that has room; among equals they take turns."""
        ready = [member for member in self._members if member.is_ready]
        if not ready:
            return None
        self._turn += 1
        size = len(ready)
        return min(
            (ready[(self._turn + step) % size] for step in range(size)),
            key=self._members.__getitem__,
        )

    def _ask(self, actions: list[Action[M]]) -> None:
        missing = [seq for seq in self._dead if seq not in self._again]
        if self._members:
            for seq in self._due[: 2 * _PICK]:
                flight = self._flights.get(seq)
                if flight is not None and flight.member is None and seq not in self._again:
                    missing.append(seq)
        if missing and not self._is_picking:
            self._is_picking = True
            actions.append(FetchAgain(tuple(sorted(set(missing[:_PICK])))))
        if (
            self._members
            and not self._buffer
            and self._read_to < self._last
            and len(self._flights) < self.terms.max_in_flight
            and not self._is_fetching
        ):
            self._is_fetching = True
            self._fetch_from = self._read_to
            actions.append(Fetch(self._read_to))

    def _move(self, position: int) -> None:
        if position > self._position:
            self._position = position
            self.is_dirty = True

    def _skip(self, first: int, last: int) -> None:
        if first <= last:
            self._missed.append(Missed(first, last))
