"""One durable subscription, against everything that can happen to it."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kite.event_hub.core.streams.durable import (
    ACK_WAIT,
    DISCONNECTED,
    Action,
    Bury,
    Deliver,
    Durable,
    Fetch,
    FetchAgain,
    Missed,
    Terms,
)


@dataclass(eq=False)
class Reader:
    number: int = 1
    is_ready: bool = True


class Log:
    """A stream that is a dictionary, and does at once what a durable asks of it."""

    def __init__(self, durable: Durable[Reader]) -> None:
        self.durable = durable
        self.events: dict[int, bytes] = {}
        self.last = 0
        self.delivered: list[tuple[Reader, int, int]] = []
        self.dead: list[tuple[int, int, str]] = []
        self.missed: list[tuple[int, int]] = []

    def publish(self, *payloads: bytes) -> None:
        first = self.last + 1
        for payload in payloads:
            self.last += 1
            self.events[self.last] = payload
        self.durable.arrived(first, list(payloads))

    def work(self, now: float) -> None:
        todo: list[Action[Reader]] = self.durable.work(now)
        while todo:
            action = todo.pop(0)
            match action:
                case Deliver():
                    assert self.events.get(action.seq, action.payload) == action.payload
                    self.delivered.append((action.member, action.seq, action.attempt))
                case Bury():
                    self.dead.append((action.seq, action.attempts, action.reason))
                case Missed():
                    self.missed.append((action.first, action.last))
                case Fetch():
                    found = [pair for pair in sorted(self.events.items()) if pair[0] > action.after]
                    through = found[2][0] if len(found) > 3 else self.last
                    self.durable.fetched(found[:3], through)
                    todo += self.durable.work(now)
                case FetchAgain():
                    found = [(seq, self.events[seq]) for seq in action.seqs if seq in self.events]
                    self.durable.picked(action.seqs, found)
                    todo += self.durable.work(now)


def make(**terms: float) -> tuple[Log, Reader]:
    durable: Durable[Reader] = Durable(
        Terms(patterns=(">",), **terms),  # type: ignore[arg-type]
        lambda payload: payload != b"other",
        position=0,
        last=0,
    )
    reader = Reader()
    durable.join(reader)
    return Log(durable), reader


def seqs(log: Log) -> list[int]:
    return [seq for _, seq, _ in log.delivered]


def test_what_arrives_is_delivered_once_and_settled() -> None:
    log, _ = make()
    log.publish(b"1", b"other", b"3")
    log.work(0)
    assert seqs(log) == [1, 3]
    assert log.durable.settle(1)
    assert not log.durable.settle(1)
    assert log.durable.settle(3)
    log.work(1000)
    assert seqs(log) == [1, 3]
    assert (log.durable.position, log.durable.open()) == (3, {})


def test_an_event_that_is_not_settled_comes_again_and_dies_in_the_end() -> None:
    log, _ = make(ack_wait=10, max_deliver=2)
    log.publish(b"1")
    log.work(0)
    assert log.durable.next_deadline() == 10
    log.work(9.9)
    assert seqs(log) == [1]
    log.work(10)
    assert [attempt for *_, attempt in log.delivered] == [1, 2]
    log.work(20)
    assert log.dead == [(1, 2, ACK_WAIT)]
    assert log.durable.open() == {}


def test_a_refusal_waits_for_its_delay() -> None:
    log, _ = make(ack_wait=10)
    log.publish(b"1", b"2")
    log.work(0)
    assert log.durable.refuse(1, 1, delay=5)
    assert log.durable.next_deadline() == 6
    log.work(5)
    assert seqs(log) == [1, 2]
    log.work(6)
    assert seqs(log) == [1, 2, 1]


def test_who_gives_up_buries_at_once() -> None:
    log, _ = make()
    log.publish(b"1")
    log.work(0)
    assert log.durable.give_up(1, "no such document")
    log.work(0)
    assert log.dead == [(1, 1, "no such document")]


def test_a_lost_connection_spends_an_attempt_of_the_event_it_was_at_alone() -> None:
    log, reader = make(max_deliver=2)
    log.publish(b"1", b"2", b"3")
    for turn in range(1, 3):
        log.work(turn)
        log.durable.leave(reader, turn)
        log.durable.join(reader)
    log.work(3)
    assert log.dead == [(1, 2, DISCONNECTED)]
    assert log.durable.open() == {2: 1, 3: 1}


def test_no_more_are_in_flight_than_agreed() -> None:
    log, _ = make(max_in_flight=2)
    log.publish(b"1", b"2", b"3", b"4", b"5")
    log.work(0)
    assert seqs(log) == [1, 2]
    log.durable.settle(2)
    log.work(0)
    assert seqs(log) == [1, 2, 3]


def test_two_members_share_and_a_full_one_gets_nothing() -> None:
    log, one = make()
    two = Reader(2)
    log.durable.join(two)
    log.publish(b"1", b"2", b"3", b"4")
    log.work(0)
    assert [member for member, *_ in log.delivered].count(one) == 2
    one.is_ready = False
    log.publish(b"5", b"6")
    log.work(0)
    assert [member for member, *_ in log.delivered][4:] == [two, two]


def test_what_retention_took_is_told() -> None:
    log, reader = make()
    log.durable.leave(reader, 0)
    log.publish(b"1", b"2", b"3", b"4")
    del log.events[1], log.events[2]
    log.durable.join(reader)
    log.work(0)
    assert log.missed == [(1, 2)]
    assert seqs(log) == [3, 4]


def test_what_was_open_in_an_earlier_life_is_delivered_again() -> None:
    durable: Durable[Reader] = Durable(
        Terms(patterns=(">",)), lambda _: True, position=3, last=4, open={2: 1}
    )
    log = Log(durable)
    log.events, log.last = {seq: b"%d" % seq for seq in range(1, 5)}, 4
    durable.join(Reader())
    log.work(0)
    assert [(seq, attempt) for _, seq, attempt in log.delivered] == [(2, 2), (4, 1)]


def test_a_reading_from_before_everybody_left_says_nothing_about_gaps() -> None:
    durable: Durable[Reader] = Durable(Terms(patterns=(">",)), lambda _: True, position=0, last=4)
    reader = Reader()
    durable.join(reader)
    assert durable.work(0) == [Fetch(0)]
    durable.fetched([(1, b"1"), (2, b"2")], 2)
    assert durable.work(0)[-1] == Fetch(2)
    durable.settle(1)
    durable.leave(reader, 0)
    durable.join(reader)
    durable.fetched([(3, b"3")], 3)  # what was asked for before; it is at 2 still
    reader.is_ready = False
    assert [type(action) for action in durable.work(0)] == [FetchAgain]


class Life(RuleBasedStateMachine):
    """Readers come, go, stall, settle and refuse, in any order, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.log, reader = make(ack_wait=10, max_deliver=3, max_in_flight=4)
        self.readers = [reader]
        self.settled: set[int] = set()
        self.trimmed: set[int] = set()
        self.numbers = 1

    @rule(payloads=st.lists(st.sampled_from([b"a", b"b", b"other"]), min_size=1, max_size=6))
    def publish(self, payloads: list[bytes]) -> None:
        self.log.publish(*payloads)
        self.log.work(self.now)

    @rule(seconds=st.floats(0.5, 15))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.log.work(self.now)

    @rule()
    def join(self) -> None:
        self.numbers += 1
        self.readers.append(Reader(self.numbers))
        self.log.durable.join(self.readers[-1])
        self.log.work(self.now)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from(self.readers))
        self.readers.remove(reader)
        self.log.durable.leave(reader, self.now)
        self.log.work(self.now)

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), is_ready=st.booleans())
    def stall(self, data: st.DataObject, is_ready: bool) -> None:
        data.draw(st.sampled_from(self.readers)).is_ready = is_ready
        self.log.work(self.now)

    @rule(data=st.data(), how=st.sampled_from(["settle", "refuse", "later", "give_up"]))
    def answer(self, data: st.DataObject, how: str) -> None:
        open_ones = sorted(self.log.durable.open())
        if not open_ones:
            return
        seq = data.draw(st.sampled_from(open_ones))
        if how == "settle":
            self.log.durable.settle(seq)
            self.settled.add(seq)
        elif how == "give_up":
            self.log.durable.give_up(seq, "no")
        else:
            self.log.durable.refuse(seq, self.now, delay=3.0 if how == "later" else 0.0)
        self.log.work(self.now)

    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        if self.log.events:
            first = data.draw(st.sampled_from(sorted(self.log.events)))
            for seq in [seq for seq in self.log.events if seq <= first]:
                del self.log.events[seq]
                self.trimmed.add(seq)

    @rule()
    def restart(self) -> None:
        """A new life of the Hub knows the position and what is open, and nothing else."""
        old = self.log.durable
        self.log.durable = Durable(
            old.terms,
            lambda payload: payload != b"other",
            position=old.position,
            last=self.log.last,
            open=old.open(),
        )
        self.readers = []
        self.log.work(self.now)

    @invariant()
    def every_event_is_accounted_for(self) -> None:
        durable = self.log.durable
        delivered = set(seqs(self.log))
        dead = {seq for seq, *_ in self.log.dead}
        told = {seq for first, last in self.log.missed for seq in range(first, last + 1)}
        for seq in range(1, durable.position + 1):
            if self.log.events.get(seq) == b"other" or seq in self.trimmed:
                continue
            assert seq in self.settled | dead | told | durable.open().keys()
        assert durable.open().keys() <= delivered
        assert not durable.open().keys() & (self.settled | dead)

    @invariant()
    def nothing_is_beyond_what_was_agreed(self) -> None:
        durable = self.log.durable
        assert durable.pending <= 4
        assert all(attempt <= 3 for *_, attempt in self.log.delivered)

    def teardown(self) -> None:
        """Whoever comes in the end, and is always ready, gets everything done."""
        reader = Reader(99)
        for other in self.readers:
            other.is_ready = False
        self.log.durable.join(reader)
        for _ in range(400):
            self.log.work(self.now)
            for seq in list(self.log.durable.open()):
                self.log.durable.settle(seq)
            self.now += 11
            self.log.work(self.now)
        assert self.log.durable.position == self.log.last
        assert not self.log.durable.open()


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
