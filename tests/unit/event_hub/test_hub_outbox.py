"""The outbox: bytes arrive whole and in order, and every event is accounted for."""

from __future__ import annotations

import json

from hub_fakes import FakeWire, payloads
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kite.event_hub.core.outbox import Outbox
from kite.event_hub.core.websocket import text

LIMIT = 2000


class OutboxMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.wire = FakeWire(appetite=0)
        self.woken = 0
        self.outbox = Outbox(self.wire, LIMIT, self._wake, lambda: "now")
        self.pushed: list[tuple[int, bool]] = []  # the numbers of all events, and which may go
        self.events = 0
        self.number = 0
        self.checked = 0
        self.is_closed = False

    def _wake(self, outbox: Outbox) -> None:
        assert outbox is self.outbox
        self.woken += 1

    @precondition(lambda self: not self.is_closed)
    @rule(count=st.integers(1, 5), size=st.sampled_from([0, 10, 125, 126, 700, 3000]))
    def push_events(self, count: int, size: int) -> None:
        over = self.outbox.push(self.chunk(count, size, droppable=False), count)
        assert over == self.outbox.is_over
        assert over or self.outbox.queued <= LIMIT

    def chunk(self, count: int, size: int, *, droppable: bool) -> bytes:
        chunk = b""
        for _ in range(count):
            self.number += 1
            self.pushed.append((self.number, droppable))
            chunk += text(b"event %d " % self.number + b"x" * size)
        self.events += count
        return chunk

    @precondition(lambda self: not self.is_closed)
    @rule(count=st.integers(1, 5), size=st.sampled_from([0, 10, 125, 126, 700, 3000]))
    def push_newest(self, count: int, size: int) -> None:
        was_over = self.outbox.is_over
        self.outbox.push_newest(self.chunk(count, size, droppable=True), count)
        assert self.outbox.is_over <= was_over, "nobody is held because of what may be dropped"

    @precondition(lambda self: not self.is_closed)
    @rule()
    def push_control(self) -> None:
        self.outbox.push(text(b"ack"), 0)

    @rule(size=st.sampled_from([1, 50, 200, 5000, 50_000]))
    def peer_reads(self, size: int) -> None:
        if self.wire.take(size) and not self.is_closed:
            was_over = self.outbox.is_over
            relieved = self.outbox.writable()
            assert relieved == (was_over and not self.outbox.is_over)

    @rule()
    def flush(self) -> None:
        self.outbox.flush()

    @precondition(lambda self: not self.is_closed)
    @rule()
    def discard(self) -> None:
        """What was written stays without a torn frame; what is missed is known."""
        before = self.outbox.dropped
        newest = self.outbox._newest
        untold = newest.missed if newest is not None else 0
        missed = self.outbox.discard()
        assert self.outbox.dropped == before + missed - untold
        assert self.outbox.queued == 0
        # Here ends what gap frames tell of: what is missed now is the caller's word.
        self.pushed.clear()
        self.checked = len(self.handed())

    @rule()
    def close(self) -> None:
        self.outbox.close()
        self.is_closed = True
        assert self.outbox.waiting == 0

    @invariant()
    def every_event_is_accounted_for(self) -> None:
        if hasattr(self, "outbox"):
            box = self.outbox
            assert box.delivered + box.dropped + box.waiting == self.events

    @invariant()
    def events_are_in_order_and_every_hole_is_told(self) -> None:
        """Up to the last event that was written, what is missing is what the gaps said, where
        they said it, and only what may be missing."""
        if not hasattr(self, "outbox"):
            return
        assert self.outbox.taken() == len(self.wire.taken)
        expected = iter(self.pushed)
        hole = told = 0
        for payload in self.handed()[self.checked :]:
            if payload.startswith(b"event"):
                number = int(payload.split()[1])
                for pushed, droppable in expected:
                    if pushed == number:
                        break
                    assert droppable, f"{pushed} is missing, and may not be"
                    hole += 1
                else:
                    raise AssertionError(f"{number} was not pushed, or came out of order")
                if self.droppable(number):
                    assert hole == told, "a hole is told before the next event"
            elif b'"gap"' in payload:
                gap = json.loads(payload)
                assert gap == {"type": "gap", "missed": gap["missed"], "since": "now"}
                assert gap["missed"] > 0
                told += gap["missed"]

    def handed(self) -> list[bytes]:
        """The payloads that the socket has or is about to take."""
        return payloads(bytes(self.wire.taken) + bytes(self.wire.pending))

    def droppable(self, number: int) -> bool:
        return dict(self.pushed).get(number, False)

    @invariant()
    def what_may_be_dropped_has_the_room_that_is_left(self) -> None:
        if hasattr(self, "outbox") and (newest := self.outbox._newest) is not None:
            assert not newest or self.outbox.queued + newest.queued <= LIMIT
            assert newest.missed == 0 or self.outbox._is_blocked

    @invariant()
    def delivered_means_taken_by_the_socket(self) -> None:
        """Between two calls of `writable` an event may be taken before it is counted."""
        if hasattr(self, "outbox"):
            whole = [p for p in payloads(bytes(self.wire.taken)) if p.startswith(b"event")]
            assert self.outbox.delivered <= len(whole)
            if not self.wire.pending and not self.is_closed:
                assert self.outbox.delivered == len(whole)


OutboxMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestOutbox = OutboxMachine.TestCase


def test_it_asks_to_be_flushed_once() -> None:
    woken: list[Outbox] = []
    outbox = Outbox(FakeWire(), LIMIT, woken.append)
    outbox.push(text(b"a"), 1)
    outbox.push(text(b"b"), 1)
    assert woken == [outbox]
    outbox.flush()
    outbox.push(text(b"c"), 1)
    assert woken == [outbox, outbox]


def test_a_reader_that_keeps_up_is_never_over_its_limit() -> None:
    outbox = Outbox(FakeWire(), LIMIT, lambda _: None)
    assert not any(outbox.push(text(b"x" * 1500), 1) for _ in range(50))


def test_what_comes_after_the_end_is_dropped_and_counted() -> None:
    outbox = Outbox(FakeWire(), LIMIT, lambda _: None)
    outbox.close()
    assert not outbox.push(text(b"x"), 3)
    assert outbox.dropped == 3


def test_the_newest_that_fit_arrive_behind_one_gap() -> None:
    wire = FakeWire(appetite=0)
    outbox = Outbox(wire, LIMIT, lambda _: None, lambda: "t0")
    outbox.push(text(b"stuck"), 1)
    outbox.flush()
    for number in range(100):
        outbox.push_newest(text(b"event %03d " % number + b"x" * 90), 1)
    assert wire.take()
    outbox.writable()
    _, gap, *events = payloads(bytes(wire.taken))
    assert len(events) == LIMIT // 102
    assert [int(event.split()[1]) for event in events] == list(range(100 - len(events), 100))
    assert json.loads(gap) == {"type": "gap", "missed": 100 - len(events), "since": "t0"}
    assert (outbox.gaps, outbox.dropped) == (1, 100 - len(events))


def test_a_gap_is_told_although_nothing_follows_it() -> None:
    """What may not be dropped takes all the room; the client still learns what it lost."""
    wire = FakeWire(appetite=0)
    outbox = Outbox(wire, LIMIT, lambda _: None)
    outbox.push(text(b"stuck"), 1)
    outbox.flush()
    outbox.push(text(b"x" * LIMIT), 1)
    outbox.push_newest(text(b"newest"), 1)
    wire.take()
    outbox.writable()
    assert json.loads(payloads(bytes(wire.taken))[-1])["missed"] == 1
    assert outbox.is_empty


def test_dropping_one_event_of_a_long_run_costs_no_copy_of_the_rest() -> None:
    wire = FakeWire(appetite=0)
    outbox = Outbox(wire, 1 << 20, lambda _: None)
    outbox.push(text(b"stuck"), 1)
    outbox.flush()
    outbox.push_newest(text(b"x" * 100) * 10_000, 10_000)
    for _ in range(1000):
        outbox.push_newest(text(b"y" * 100), 1)
    newest = outbox._newest
    assert newest is not None
    rest = newest._pieces[0][0]
    assert isinstance(rest, memoryview)
    assert len(rest.obj) == 102 * 10_000
    assert newest.queued == len(rest) + 102 * 1000 <= 1 << 20
