"""Leases against a dictionary that is searched from end to end."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kite.registry.core.leases import Leases

KEYS = st.sampled_from(["a", "b", "c", "d"])


class LeasesMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.leases = Leases()
        self.naive = {}
        self.now = 0.0

    @rule(key=KEYS, ttl=st.none() | st.integers(0, 20))
    def grant(self, key, ttl):
        deadline = None if ttl is None else self.now + ttl
        self.leases.grant(key, deadline)
        self.naive[key] = deadline

    @rule(key=KEYS)
    def drop(self, key):
        assert self.leases.drop(key) == (key in self.naive)
        self.naive.pop(key, None)

    @rule(seconds=st.integers(0, 15))
    def time_passes(self, seconds):
        self.now += seconds
        due = {k: d for k, d in self.naive.items() if d is not None and d <= self.now}
        found = self.leases.due(self.now)
        assert sorted(found) == sorted(due)
        assert [due[key] for key in found] == sorted(due.values())
        for key in due:
            del self.naive[key]

    @invariant()
    def same_as_naive(self):
        deadlines = [each for each in self.naive.values() if each is not None]
        assert self.leases.next_deadline() == (min(deadlines) if deadlines else None)
        assert len(self.leases) == len(self.naive)
        for key, deadline in self.naive.items():
            assert key in self.leases
            assert self.leases.deadline(key) == deadline


TestLeases = LeasesMachine.TestCase


def test_renewing_often_does_not_grow():
    leases = Leases()
    for step in range(10_000):
        leases.grant("busy", step + 30.0)
    assert len(leases._heap) < 200
    assert leases.due(10_028.0) == []
    assert leases.due(10_029.0) == ["busy"]


def test_no_deadline_for_a_stranger():
    with pytest.raises(KeyError):
        Leases().deadline("nobody")
