"""Kept events: the gate's rules one by one, and order and bounds under any history."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kite.registry.core.backlog import LIMIT, PATIENCE, Backlog, Gate


def taken(backlog):
    found = []
    while (event := backlog.first()) is not None:
        found.append(event)
        backlog.gone(event)
    return found


def connected_with(*modules):
    """A backlog that was connected and saw these modules."""
    backlog = Backlog()
    backlog.hub_started("one")
    backlog.connected(0.0)
    for module in modules:
        backlog.module_ready(module)
    return backlog


def test_the_first_connection_waits_for_nobody():
    backlog = Backlog()
    backlog.keep("a")
    assert taken(backlog) == []
    backlog.connected(0.0)
    assert taken(backlog) == ["a"]
    assert backlog.next_deadline() is None


def test_after_the_hub_was_away_everybody_is_waited_for():
    backlog = connected_with("alpha", "beta")
    backlog.lost()
    backlog.keep("a")
    backlog.connected(10.0)
    backlog.hub_started("two")
    backlog.module_ready("beta")
    assert taken(backlog) == []
    assert backlog.next_deadline() == 10.0 + PATIENCE
    backlog.keep("b")
    backlog.module_ready("alpha")
    assert taken(backlog) == ["a", "b"]


def test_who_never_comes_back_is_not_waited_for_long():
    backlog = connected_with("alpha")
    backlog.lost()
    backlog.keep("a")
    backlog.connected(10.0)
    backlog.tick(10.0 + PATIENCE - 0.01)
    assert taken(backlog) == []
    backlog.tick(10.0 + PATIENCE)
    assert taken(backlog) == ["a"]


def test_who_has_ended_is_not_waited_for():
    backlog = connected_with("alpha", "beta")
    backlog.module_ended("beta")
    backlog.lost()
    backlog.connected(10.0)
    assert backlog.gate is Gate.WAITING
    backlog.module_ended("alpha")
    assert backlog.gate is Gate.OPEN


def test_with_the_same_hub_nobody_has_to_come_back():
    backlog = connected_with("alpha")
    backlog.lost()
    backlog.keep("a")
    backlog.connected(10.0)
    backlog.hub_started("one")
    assert taken(backlog) == ["a"]


def test_two_losses_in_a_row_forget_nobody():
    backlog = connected_with("alpha", "beta")
    backlog.lost()
    backlog.connected(1.0)
    backlog.hub_started("two")
    backlog.module_ready("alpha")
    backlog.lost()
    backlog.connected(2.0)
    backlog.hub_started("three")
    backlog.module_ready("alpha")
    assert backlog.gate is Gate.WAITING
    backlog.module_ready("beta")
    assert backlog.gate is Gate.OPEN


def test_more_than_the_limit_is_told_after_the_kept_ones():
    backlog = Backlog()
    assert all(backlog.keep(number) for number in range(LIMIT))
    assert not backlog.keep("too many")
    backlog.connected(0.0)
    assert not backlog.keep("still too many: the order would lie")
    assert taken(backlog) == list(range(LIMIT))
    assert backlog.has_overflowed
    backlog.overflow_told()
    assert backlog.keep("next")
    assert taken(backlog) == ["next"]


class BacklogMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.backlog = Backlog()
        self.now = 0.0
        self.serial = 0
        self.expected = []
        self.connected_at = None

    @rule()
    def keep(self):
        self.serial += 1
        if self.backlog.keep(self.serial):
            self.expected.append(self.serial)

    @rule(epoch=st.sampled_from(["one", "two"]))
    def connect(self, epoch):
        if self.backlog.gate is Gate.AWAY:
            self.backlog.connected(self.now)
            self.backlog.hub_started(epoch)
            self.connected_at = self.now

    @rule()
    def lose(self):
        self.backlog.lost()
        self.connected_at = None

    @rule(module=st.sampled_from("abc"))
    def ready(self, module):
        if self.backlog.gate is not Gate.AWAY:
            self.backlog.module_ready(module)

    @rule(module=st.sampled_from("abc"))
    def ended(self, module):
        self.backlog.module_ended(module)

    @rule(seconds=st.integers(0, 6))
    def time_passes(self, seconds):
        self.now += seconds
        self.backlog.tick(self.now)

    @rule()
    def send_one(self):
        event = self.backlog.first()
        if event is not None:
            assert event == self.expected.pop(0)
            self.backlog.gone(event)

    @invariant()
    def nothing_is_lost_or_held_too_long(self):
        assert len(self.backlog) == len(self.expected)
        if self.connected_at is None:
            assert self.backlog.first() is None
        elif self.expected and self.now - self.connected_at >= PATIENCE:
            self.backlog.tick(self.now)
            assert self.backlog.first() == self.expected[0]


TestBacklog = BacklogMachine.TestCase
