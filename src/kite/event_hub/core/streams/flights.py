"""The open events of a durable subscription: delivered and not settled, each with its attempts.

One is with a member until its deadline, or put off until its deadline, or due, or dead: to be
published as a dead letter as soon as its bytes have been read again.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Generic

from kite.event_hub.core.streams.crew import Crew
from kite.event_hub.core.streams.decisions import M

ACK_WAIT = "ack_wait"
DISCONNECTED = "disconnected"

_STALE = 64
"""Deadlines of events that are settled, beyond the open ones, before they are cleared away."""


class Flight(Generic[M]):
    """One open event.

    Attributes:
        attempts: how often it was delivered.
        member: who has it; None: nobody.
        order: counts deliveries, to tell what a member got first.
        deadline: when the member must have settled it, or until when it is put off; else 0.
        why: why it came back the last time.
        is_dead: whether it is given up.
    """

    __slots__ = ("attempts", "deadline", "is_dead", "member", "order", "why")

    def __init__(self, attempts: int = 0, why: str = "") -> None:
        self.attempts = attempts
        self.member: M | None = None
        self.order = 0
        self.deadline = 0.0
        self.why = why
        self.is_dead = False


class Flights(Generic[M]):
    """All open events of one durable.

    Args:
        crew: who they are with.
        most: attempts that each has.
        open: attempts by sequence number, from an earlier life of the Hub: these are due.
        dead: of these, why they were given up.
    """

    def __init__(
        self,
        crew: Crew[M],
        most: int,
        open: Mapping[int, int],  # noqa: A002  (the word for it)
        dead: Mapping[int, str],
    ) -> None:
        self._crew = crew
        self._most = most
        self._all: dict[int, Flight[M]] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._due: list[int] = []
        self._dead: dict[int, None] = {}
        self._order = 0
        for seq, attempts in open.items():
            self._all[seq] = Flight(attempts, DISCONNECTED)
            if seq in dead:
                self.give_up(seq, dead[seq])
            else:
                self.come_back(seq, DISCONNECTED)

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, seq: int) -> bool:
        return seq in self._all

    def __getitem__(self, seq: int) -> Flight[M]:
        return self._all[seq]

    def get(self, seq: int) -> Flight[M] | None:
        """The open event with this number."""
        return self._all.get(seq)

    # ── what is kept of them ────────────────────────────────────────────────────────────────

    def open(self) -> dict[int, int]:
        """Attempts by sequence number, as they count if every connection is lost now: that is what
        a new life of the Hub will find."""
        firsts: dict[M, int] = {}
        for flight in self._all.values():
            if (member := flight.member) is not None:
                firsts[member] = min(firsts.get(member, flight.order), flight.order)
        return {
            seq: flight.attempts
            if flight.member is None or flight.order == firsts[flight.member]
            else flight.attempts - 1
            for seq, flight in self._all.items()
        }

    def reasons(self) -> dict[int, str]:
        """Why the dead ones were given up."""
        return {seq: self._all[seq].why for seq in self._dead}

    # ── what happens to them ────────────────────────────────────────────────────────────────

    def begin(self, seq: int, member: M, deadline: float) -> int:
        """An event goes to a member; returns the how many-th attempt that is."""
        flight = self._all.get(seq)
        if flight is None:
            flight = self._all[seq] = Flight()
        self._order += 1
        flight.attempts += 1
        flight.member = member
        flight.order = self._order
        self._crew.took(member)
        self._set(seq, flight, deadline)
        return flight.attempts

    def end(self, seq: int) -> bool:
        """One is done with; False when it was not open."""
        flight = self._all.pop(seq, None)
        if flight is None:
            return False
        self._let_go(flight)
        self._dead.pop(seq, None)
        return True

    def come_back(self, seq: int, why: str, until: float = 0.0) -> None:
        """Nobody has it any more: it is due, or put off until an instant, or dead."""
        flight = self._all[seq]
        self._let_go(flight)
        flight.why = why
        if flight.attempts >= self._most:
            self.give_up(seq, why)
        elif until:
            self._set(seq, flight, until)
        else:
            heapq.heappush(self._due, seq)

    def give_up(self, seq: int, why: str) -> None:
        """It is dead."""
        flight = self._all[seq]
        self._let_go(flight)
        flight.why = why or "given up"
        flight.is_dead = True
        self._dead[seq] = None

    def allow(self, most: int) -> None:
        """So many attempts each has from now on; who waits for one more than that is dead."""
        self._most = most
        for seq, flight in self._all.items():
            if flight.member is None and not flight.is_dead and flight.attempts >= most:
                self.give_up(seq, flight.why)

    def lose(self, member: M) -> None:
        """A connection is lost: the event that it was at, the oldest, has had its attempt; the
        others were waiting in its queue and get theirs back."""
        lost = [seq for seq, flight in self._all.items() if flight.member is member]
        lost.sort(key=lambda seq: self._all[seq].order)
        for place, seq in enumerate(lost):
            if place:
                self._all[seq].attempts -= 1
            self.come_back(seq, DISCONNECTED)

    def expire(self, now: float) -> bool:
        """Let those come back whose deadline is over; True when there were any."""
        is_any = False
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            seq = heapq.heappop(self._deadlines)[1]
            flight = self._all[seq]
            self.come_back(seq, flight.why if flight.member is None else ACK_WAIT)
            is_any = True
        return is_any

    # ── what is to be done with them ────────────────────────────────────────────────────────

    @property
    def dead(self) -> Iterator[int]:
        """Those that are given up."""
        return iter(self._dead)

    def next_due(self) -> int | None:
        """The lowest that is due."""
        due = self._due
        while due:
            if self._is_due(due[0]):
                return due[0]
            heapq.heappop(due)
        return None

    def due(self, most: int) -> Iterator[int]:
        """About the lowest that are due."""
        return filter(self._is_due, islice(self._due, most))

    def next_deadline(self) -> float | None:
        """When `expire` has something to do."""
        while self._deadlines:
            deadline, seq = self._deadlines[0]
            flight = self._all.get(seq)
            if flight is not None and flight.deadline == deadline:
                return deadline
            heapq.heappop(self._deadlines)
        return None

    def _is_due(self, seq: int) -> bool:
        flight = self._all.get(seq)
        return (
            flight is not None
            and flight.member is None
            and not flight.is_dead
            and not flight.deadline
        )

    def _set(self, seq: int, flight: Flight[M], deadline: float) -> None:
        flight.deadline = deadline
        if len(self._deadlines) > 2 * len(self._all) + _STALE:
            self._deadlines = [
                (each.deadline, number) for number, each in self._all.items() if each.deadline
            ]
            heapq.heapify(self._deadlines)
        else:
            heapq.heappush(self._deadlines, (deadline, seq))

    def _let_go(self, flight: Flight[M]) -> None:
        if flight.member is not None:
            self._crew.gave_back(flight.member)
            flight.member = None
        flight.deadline = 0.0
