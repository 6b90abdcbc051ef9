"""Deduplication against a list of (when, id)."""

from __future__ import annotations

import pytest
from hub_fakes import FORMS
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kite.event_hub.core.lane import PURE

SECONDS, IDS, GRAIN = 10.0, 6, 0.25


class RecentMachine(RuleBasedStateMachine):
    """What was said within the window is known; what is too old, or too many ids ago, is not."""

    parts = PURE

    @initialize()
    def begin(self) -> None:
        self.recent = self.parts.recent(SECONDS, IDS)
        self.now = 0.0
        self.said: list[tuple[float, str]] = []  # accepted, oldest first

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.25, 1.0, 4.0, 9.9, 10.3, 50.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=st.sampled_from("abcdefghijkl"))
    def add(self, name: str) -> None:
        self.recent.mark(self.now)
        last = self.said[-IDS:]
        surely = [n for at, n in last if at > self.now - SECONDS]
        maybe = [n for at, n in last if at > self.now - SECONDS - 2 * GRAIN]
        accepted = self.recent.add(name)
        if name in surely:
            assert not accepted
        if name not in maybe:
            assert accepted
        if accepted:
            self.said.append((self.now, name))

    @rule()
    def tidy(self) -> None:
        self.recent.expire(self.now)
        if self.said and self.said[-1][0] <= self.now - SECONDS - 2 * GRAIN:
            assert len(self.recent) == 0

    @rule()
    def tidy_in_time(self) -> None:
        """Whoever comes at the deadline and finds nothing said since leaves nothing behind."""
        deadline = self.recent.next_deadline()
        if deadline is not None:
            self.now = max(self.now, deadline)
            self.recent.expire(self.now)
            assert len(self.recent) == 0
            assert self.recent.next_deadline() is None

    @invariant()
    def bounded(self) -> None:
        if hasattr(self, "recent"):
            assert len(self.recent) <= IDS


class CompiledRecentMachine(RecentMachine):
    parts = FORMS.get("compiled", PURE)


RecentMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestRecent = RecentMachine.TestCase


@pytest.mark.skipif("compiled" not in FORMS, reason="the hot path is not compiled here")
class TestCompiledRecent(CompiledRecentMachine.TestCase):
    settings = RecentMachine.TestCase.settings


def test_an_id_is_known_until_as_many_newer_ones_have_come(hot_path: str) -> None:
    recent = FORMS[hot_path].recent(120, 100_000)
    recent.mark(0)
    assert recent.add("first")
    for n in range(99_999):
        assert recent.add(str(n))
    assert not recent.add("first")
    assert recent.add("one more")
    assert recent.add("first")


def test_an_id_is_known_for_as_long_as_promised_and_not_much_longer(hot_path: str) -> None:
    recent = FORMS[hot_path].recent(120, 100)
    recent.mark(0)
    recent.add("x")
    recent.mark(119.9)
    assert "x" in recent
    recent.mark(120.5)
    assert "x" not in recent
