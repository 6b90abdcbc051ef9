"""A durable subscription beside an oracle, in any order of what can happen to it."""

from __future__ import annotations

from typing import Any

from durable_log import Log, Reader, make
from durable_oracle import MOVES, TABLE, Oracle
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kite.event_hub.core.streams.decisions import Terms
from kite.event_hub.core.streams.durable import Durable


def wants(payload: bytes) -> bool:
    return payload != b"other"


class World:
    """A durable, its readers and the oracle, at one time."""

    def __init__(self, **terms: Any) -> None:
        self.log, reader = make(**terms)
        self.oracle = Oracle(self.log)
        self.readers = [reader]
        self.now = 1.0
        self._numbers = 1

    def work(self) -> None:
        self.log.work(self.now)
        self.oracle.check(self.now)

    def publish(self, *payloads: bytes) -> None:
        for seq, payload in enumerate(payloads, self.log.last + 1):
            if wants(payload):
                self.oracle.published(seq)
        self.log.publish(*payloads)
        self.work()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.work()

    def join(self) -> Reader:
        self._numbers += 1
        self.readers.append(Reader(self._numbers))
        self.log.durable.join(self.readers[-1])
        self.work()
        return self.readers[-1]

    def leave(self, reader: Reader) -> None:
        self.readers.remove(reader)
        self.oracle.lost(reader)
        self.log.durable.leave(reader)
        self.work()

    def settle(self, seq: int) -> None:
        self.oracle.settle(seq)
        self.log.durable.settle(seq)
        self.work()

    def refuse(self, seq: int, delay: float = 0.0, by: Reader | None = None) -> None:
        self.oracle.refuse(seq, by, self.now + delay if delay else 0.0)
        self.log.durable.refuse(seq, self.now, by=by, delay=delay)
        self.work()

    def give_up(self, seq: int) -> None:
        self.oracle.give_up(seq)
        self.log.durable.give_up(seq, "no")
        self.work()

    def trim(self, last: int) -> None:
        for seq in [seq for seq in self.log.events if seq <= last]:
            del self.log.events[seq]

    def agree(self, **terms: Any) -> None:
        self.log.durable.agree(Terms(patterns=(">",), **terms), wants)
        self.work()

    def restart(self) -> None:
        """A new life of the Hub knows what was written, and nothing else."""
        old = self.log.durable
        self.oracle.restarted()
        self.log.durable = Durable(
            old.terms,
            wants,
            position=old.position,
            last=self.log.last,
            open=old.open(),
            dead=old.dead(),
        )
        self.readers = []
        self.work()


def test_every_move_of_the_table_is_made_and_no_other() -> None:
    """`protocol/states.json`, section `durable`, says what the core does."""
    seen: set[tuple[str, str]] = set()
    for script in (_settled_at_once, _late, _dead, _missed):
        world = World(ack_wait=10, max_deliver=2, max_in_flight=2)
        script(world)
        seen |= world.oracle.seen
    assert seen == MOVES
    states = {state for move in MOVES for state in move}
    assert states - {before for before, _ in MOVES} == set(TABLE["final"])
    assert states - {after for _, after in MOVES} == {TABLE["initial"]}


def _settled_at_once(world: World) -> None:
    world.publish(b"a")
    world.settle(1)


def _late(world: World) -> None:
    """An ack for what is due already; and a second delivery."""
    world.publish(b"a", b"b")
    world.refuse(1, delay=5)
    world.settle(1)
    world.wait(10)
    world.settle(2)


def _dead(world: World) -> None:
    world.publish(b"a", b"b")
    world.give_up(1)
    world.refuse(2, delay=5)
    world.give_up(2)


def _missed(world: World) -> None:
    """One that nobody has read yet, one that is to be read again; dead ones get their letter."""
    world.publish(b"a", b"b")
    world.refuse(1, delay=5)
    world.leave(world.readers[0])
    world.publish(b"c", b"d")
    world.trim(3)
    world.join()
    assert world.log.missed == [(2, 2), (3, 3)]
    world.wait(5)
    assert world.log.missed == [(2, 2), (3, 3), (1, 1)]


class Life(RuleBasedStateMachine):
    """Readers come, go, stall, settle and refuse, in any order, while time passes, retention takes
    events, terms change and the Hub dies."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(ack_wait=10, max_deliver=3, max_in_flight=4)

    @property
    def log(self) -> Log:
        return self.world.log

    @rule(payloads=st.lists(st.sampled_from([b"a", b"b", b"other"]), min_size=1, max_size=6))
    def publish(self, payloads: list[bytes]) -> None:
        self.world.publish(*payloads)

    @rule(seconds=st.sampled_from([0.5, 3, 5, 9.5, 10, 15]))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @precondition(lambda self: len(self.world.readers) < 4)
    @rule()
    def join(self) -> None:
        self.world.join()

    @precondition(lambda self: self.world.readers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.world.leave(data.draw(st.sampled_from(self.world.readers)))

    @precondition(lambda self: self.world.readers)
    @rule(data=st.data(), is_ready=st.booleans())
    def stall(self, data: st.DataObject, is_ready: bool) -> None:
        data.draw(st.sampled_from(self.world.readers)).is_ready = is_ready
        self.world.work()

    @precondition(lambda self: self.world.oracle.events)
    @rule(data=st.data(), how=st.sampled_from(["settle", "refuse", "later", "stale", "give_up"]))
    def answer(self, data: st.DataObject, how: str) -> None:
        """About any event there ever was, delivered or not."""
        seq = data.draw(st.sampled_from(sorted(self.world.oracle.events)))
        if how == "settle":
            self.world.settle(seq)
        elif how == "give_up":
            self.world.give_up(seq)
        elif how == "stale" and self.world.readers:
            self.world.refuse(seq, by=data.draw(st.sampled_from(self.world.readers)))
        else:
            self.world.refuse(seq, delay=3.0 if how == "later" else 0.0)

    @rule(data=st.data())
    def trim(self, data: st.DataObject) -> None:
        if self.log.events:
            self.world.trim(data.draw(st.sampled_from(sorted(self.log.events))))

    @rule(most=st.integers(1, 4))
    def agree(self, most: int) -> None:
        self.world.agree(ack_wait=10, max_deliver=most, max_in_flight=4)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @invariant()
    def it_knows_what_the_oracle_knows(self) -> None:
        self.world.oracle.compare()

    def teardown(self) -> None:
        """Whoever comes in the end, and is always ready, gets everything done."""
        world = self.world
        for other in world.readers:
            other.is_ready = False
        world.join()
        for _ in range(400):
            if self.log.durable.position == self.log.last and not self.log.durable.pending:
                break
            for seq in list(self.log.durable.open()):
                world.settle(seq)
            world.wait(11)
        assert self.log.durable.position == self.log.last
        assert {entry.state for entry in world.oracle.events.values()} <= set(TABLE["final"])


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
