"""What each event of a durable subscription should be, said as simply as possible: one state for
each, moved by what is done to it, and only as `protocol/states.json` lets it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from durable_log import Log, Reader

TABLE = json.loads((Path(__file__).parents[3] / "protocol" / "states.json").read_text())["durable"]
MOVES = {(row["from"], row["to"]) for row in TABLE["moves"]}


@dataclass
class Entry:
    """One event.

    Attributes:
        until: in flight: its deadline; due: from when on.
        order: the how many-th delivery of all.
    """

    state: str = TABLE["initial"]
    attempts: int = 0
    member: Reader | None = None
    until: float = 0.0
    order: int = 0
    reason: str = ""
    is_dying: bool = False


class Oracle:
    """All events of one durable, beside the durable itself.

    Args:
        log: where that works; what it has done is read off there.

    Attributes:
        seen: moves that were made.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self.events: dict[int, Entry] = {}
        self.seen: set[tuple[str, str]] = set()
        self._delivered = self._dead = self._missed = self._order = 0
        self._now = 0.0

    @property
    def _terms(self) -> tuple[float, int]:
        terms = self.log.durable.terms
        return terms.ack_wait, terms.max_deliver

    def _move(self, entry: Entry, state: str) -> None:
        assert (entry.state, state) in MOVES, (entry, state)
        self.seen.add((entry.state, state))
        entry.state = state
        entry.member = None

    def _back(self, entry: Entry, reason: str, until: float) -> None:
        entry.reason = reason
        entry.until = until
        if entry.attempts < self._terms[1]:
            self._move(entry, "due")
        else:
            entry.is_dying = True

    # ── what is done to them ────────────────────────────────────────────────────────────────

    def published(self, seq: int) -> None:
        self.events[seq] = Entry()

    def settle(self, seq: int) -> None:
        entry = self.events[seq]
        if entry.state in ("in_flight", "due"):
            self._move(entry, "settled")

    def refuse(self, seq: int, by: Reader | None, until: float) -> None:
        entry = self.events[seq]
        if entry.state == "in_flight" and (
            entry.member is by or by not in self.log.durable.members
        ):
            self._back(entry, "nack", until)

    def give_up(self, seq: int) -> None:
        entry = self.events[seq]
        if entry.state in ("in_flight", "due"):
            entry.is_dying, entry.reason, entry.member = True, "no", None

    def lost(self, member: Reader | None) -> None:
        """A connection is lost, or (None) all of them."""
        by_member: dict[int, list[Entry]] = {}
        for entry in self.events.values():
            if entry.state == "in_flight" and member in (None, entry.member) and entry.member:
                by_member.setdefault(entry.member.number, []).append(entry)
        for entries in by_member.values():
            for place, entry in enumerate(sorted(entries, key=lambda each: each.order)):
                entry.attempts -= 1 if place else 0
                self._back(entry, "disconnected", 0.0)

    def restarted(self) -> None:
        self.lost(None)
        for entry in self.events.values():
            if entry.state == "due":
                entry.until, entry.reason = 0.0, "disconnected"

    # ── what becomes of them ────────────────────────────────────────────────────────────────

    def check(self, now: float) -> None:
        """The durable has worked: everything that it did was right, and nothing is left to do."""
        self._now = now
        for entry in self.events.values():
            if entry.state == "in_flight" and entry.until <= now and not entry.is_dying:
                self._back(entry, "ack_wait", 0.0)
            if entry.state == "due" and entry.attempts >= self._terms[1]:
                entry.is_dying = True  # fewer are allowed than before
        log = self.log
        for seq, attempts, reason in log.dead[self._dead :]:
            entry = self.events[seq]
            assert entry.is_dying
            assert (attempts, reason) == (entry.attempts, entry.reason)
            self._move(entry, "dead")
            entry.is_dying = False
        for first, last in log.missed[self._missed :]:
            for seq in range(first, last + 1):
                assert seq not in log.events, "what is there is not missed"
                if seq in self.events:
                    self._move(self.events[seq], "missed")
        for member, seq, attempt in log.delivered[self._delivered :]:
            entry = self.events[seq]
            assert entry.state == "waiting" or entry.until <= now
            self._move(entry, "in_flight")
            self._order += 1
            entry.attempts += 1
            assert attempt == entry.attempts <= self._terms[1]
            entry.member, entry.order = member, self._order
            entry.until = now + self._terms[0]
        self._dead, self._missed = len(log.dead), len(log.missed)
        self._delivered = len(log.delivered)
        assert not any(entry.is_dying for entry in self.events.values())

    def compare(self) -> None:
        """The durable knows what the oracle knows."""
        open_ones = {
            seq for seq, entry in self.events.items() if entry.state in ("in_flight", "due")
        }
        durable = self.log.durable
        assert durable.open().keys() == open_ones
        assert durable.pending == len(open_ones) <= durable.terms.max_in_flight
        for seq, entry in self.events.items():
            is_waiting = entry.state == "waiting"
            assert not is_waiting or seq > durable.position
        deadlines = [
            entry.until
            for entry in self.events.values()
            if entry.state in ("in_flight", "due") and entry.until > self._now
        ]
        look_at = durable.next_deadline()
        assert not deadlines or (look_at is not None and look_at <= min(deadlines))
