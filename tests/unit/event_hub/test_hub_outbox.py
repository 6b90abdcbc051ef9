"""The outbox: bytes arrive whole and in order, and every event is accounted for."""

from __future__ import annotations

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
        self.outbox = Outbox(self.wire, LIMIT, self._wake)
        self.pushed = bytearray()
        self.events = 0
        self.number = 0
        self.is_closed = False

    def _wake(self, outbox: Outbox) -> None:
        assert outbox is self.outbox
        self.woken += 1

    @precondition(lambda self: not self.is_closed)
    @rule(count=st.integers(1, 5), size=st.sampled_from([0, 10, 125, 126, 700, 3000]))
    def push_events(self, count: int, size: int) -> None:
        chunk = b""
        for _ in range(count):
            self.number += 1
            chunk += text(b"event %d " % self.number + b"x" * size)
        over = self.outbox.push(chunk, count)
        self.pushed += chunk
        self.events += count
        assert over == self.outbox.is_over
        assert over or self.outbox.queued <= LIMIT

    @precondition(lambda self: not self.is_closed)
    @rule()
    def push_control(self) -> None:
        chunk = text(b"ack")
        self.outbox.push(chunk, 0)
        self.pushed += chunk

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
        """What was written stays a prefix of what was pushed, without a torn frame."""
        kept = self.outbox._handed
        before = self.outbox.dropped
        missed = self.outbox.discard()
        assert self.outbox.dropped == before + missed
        del self.pushed[kept:]
        assert self.outbox.queued == 0

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
    def bytes_are_in_order(self) -> None:
        if hasattr(self, "outbox"):
            assert self.pushed.startswith(self.wire.taken)
            assert self.outbox.taken() == len(self.wire.taken)

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
