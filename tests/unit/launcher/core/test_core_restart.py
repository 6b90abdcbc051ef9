"""Restart budgets: windows, growth, caps, jitter, probation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.core.plan import Policy, RestartRule
from kite.launcher.core.restart import (
    RETRY_CAP,
    RETRY_FIRST,
    GiveUp,
    RestartIn,
    judge,
    retry_delay,
    within,
)

RULES = st.builds(
    RestartRule,
    policy=st.just(Policy.ALWAYS),
    max=st.integers(1, 50),
    window=st.floats(1, 1000),
    initial=st.floats(0.01, 60),
    factor=st.floats(1, 10),
    cap=st.floats(0.01, 600),
    retry=st.booleans(),
)


def test_the_first_failure_of_a_window_is_answered_at_once() -> None:
    assert judge([5.0], RestartRule(), give_ups=0, chance=0.99) == RestartIn(0.0)


def test_later_ones_wait_longer_and_longer_up_to_the_cap() -> None:
    rule = RestartRule(max=100, initial=1.0, factor=2.0, cap=30.0)
    delays = [judge([0.0] * n, rule, give_ups=0, chance=1.0) for n in range(1, 10)]
    assert delays == [RestartIn(d) for d in (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0)]


def test_the_default_is_the_third() -> None:
    verdicts = [judge([0.0] * n, RestartRule(), give_ups=0, chance=1.0) for n in (1, 2, 3)]
    assert verdicts == [RestartIn(0.0), RestartIn(1.0), GiveUp(RETRY_FIRST)]


@given(rule=RULES, count=st.integers(1, 60), chance=st.floats(0, 1, exclude_max=True))
def test_delays_lie_between_half_and_the_whole(
    rule: RestartRule, count: int, chance: float
) -> None:
    verdict = judge([0.0] * count, rule, give_ups=0, chance=chance)
    if count >= rule.max:
        assert isinstance(verdict, GiveUp)
        return
    assert isinstance(verdict, RestartIn)
    if count == 1:
        assert verdict.delay == 0.0
        return
    whole = min(rule.cap, rule.initial * rule.factor ** (count - 2))
    assert whole / 2 <= verdict.delay <= whole


def test_a_thousand_failures_are_a_number_too() -> None:
    rule = RestartRule(max=100_000, factor=10.0)
    assert judge([0.0] * 50_000, rule, give_ups=0, chance=0.0) == RestartIn(15.0)


@given(rule=RULES, give_ups=st.integers(1, 100))
def test_on_probation_one_failure_is_enough(rule: RestartRule, give_ups: int) -> None:
    verdict = judge([0.0], rule, give_ups=give_ups, chance=0.5)
    assert verdict == GiveUp(retry_delay(give_ups) if rule.retry else None)


@pytest.mark.parametrize("retry", [True, False])
def test_never_is_never(retry: bool) -> None:
    rule = RestartRule(policy=Policy.NEVER, retry=retry)
    assert judge([0.0], rule, give_ups=0, chance=0.5) == GiveUp(None)


def test_without_retry_giving_up_is_final() -> None:
    assert judge([0.0], RestartRule(max=1, retry=False), give_ups=0, chance=0.5) == GiveUp(None)


def test_tries_after_giving_up_grow_apart() -> None:
    found = [retry_delay(n) for n in range(7)]
    assert found == [60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0]
    assert retry_delay(1000) == RETRY_CAP


@pytest.mark.parametrize(
    ("failures", "now", "kept"),
    [
        ([], 100.0, []),
        ([40.0, 40.1, 99.0], 100.0, [40.1, 99.0]),  # exactly a window ago is outside
        ([100.0], 100.0, [100.0]),
    ],
)
def test_what_lies_within_a_window(failures: list[float], now: float, kept: list[float]) -> None:
    assert within(failures, RestartRule(window=60.0), now) == kept
