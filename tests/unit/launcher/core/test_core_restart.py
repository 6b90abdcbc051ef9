"""Restart budgets: windows, growth, caps, jitter, the trial of one that was given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.core.plan import Policy, RestartRule
from kite.launcher.core.restart import (
    LEAST_DELAY,
    RETRY_CAP,
    RETRY_FIRST,
    GiveUp,
    RestartIn,
    foresee,
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
    longest = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0)
    assert delays == [RestartIn(seconds, seconds) for seconds in longest]


def test_the_default_is_the_third() -> None:
    verdicts = [judge([0.0] * n, RestartRule(), give_ups=0, chance=1.0) for n in (1, 2, 3)]
    assert verdicts == [RestartIn(0.0), RestartIn(1.0, 1.0), GiveUp(RETRY_FIRST, RETRY_FIRST)]


@given(rule=RULES, count=st.integers(1, 60), chance=st.floats(0, 1, exclude_max=True))
def test_delays_lie_between_nearly_nothing_and_the_whole(
    rule: RestartRule, count: int, chance: float
) -> None:
    """Full jitter, with a floor: no crash loop can spin, whatever a manifest and chance say."""
    verdict = judge([0.0] * count, rule, give_ups=0, chance=chance)
    if count >= rule.max:
        assert isinstance(verdict, GiveUp)
        return
    assert isinstance(verdict, RestartIn)
    if count == 1:
        assert verdict == RestartIn(0.0)
        return
    whole = min(rule.cap, rule.initial * rule.factor ** (count - 2))
    assert verdict.up_to == max(LEAST_DELAY, whole)
    assert LEAST_DELAY <= verdict.delay <= verdict.up_to


def test_delays_are_drawn_from_all_of_it() -> None:
    rule = RestartRule(max=100, initial=8.0)
    spread = [judge([0.0] * 2, rule, give_ups=0, chance=n / 100) for n in range(100)]
    delays = [verdict.delay for verdict in spread if isinstance(verdict, RestartIn)]
    assert delays[0] == LEAST_DELAY
    assert delays[-1] > 7.9
    assert sum(delays) / 100 == pytest.approx(4.0, abs=0.1)


def test_a_backoff_of_nothing_does_not_spin() -> None:
    rule = RestartRule(max=1000, initial=0.0, cap=0.0)
    verdicts = {judge([0.0] * n, rule, give_ups=0, chance=0.7) for n in range(2, 900)}
    assert verdicts == {RestartIn(LEAST_DELAY, LEAST_DELAY)}


def test_a_thousand_failures_are_a_number_too() -> None:
    rule = RestartRule(max=100_000, factor=10.0)
    assert judge([0.0] * 50_000, rule, give_ups=0, chance=0.0) == RestartIn(LEAST_DELAY, 30.0)


@given(rule=RULES, give_ups=st.integers(1, 100), chance=st.floats(0, 1, exclude_max=True))
def test_on_trial_one_failure_is_enough(rule: RestartRule, give_ups: int, chance: float) -> None:
    verdict = judge([0.0], rule, give_ups=give_ups, chance=chance)
    if not rule.retry:
        assert verdict == GiveUp(None)
        return
    assert isinstance(verdict, GiveUp)
    assert verdict.up_to == retry_delay(give_ups)
    assert verdict.retry_in is not None
    assert verdict.up_to / 2 <= verdict.retry_in <= verdict.up_to


@given(first=st.floats(0, 1, exclude_max=True), second=st.floats(0, 1, exclude_max=True))
def test_tries_grow_apart_whatever_chance_says(first: float, second: float) -> None:
    rule = RestartRule(max=1)
    for give_ups in range(4):
        sooner = judge([0.0], rule, give_ups=give_ups, chance=first)
        later = judge([0.0], rule, give_ups=give_ups + 1, chance=second)
        assert isinstance(sooner, GiveUp)
        assert isinstance(later, GiveUp)
        assert sooner.retry_in is not None
        assert later.retry_in is not None
        assert sooner.retry_in <= later.retry_in


@given(rule=RULES, count=st.integers(0, 60), give_ups=st.integers(0, 5))
def test_what_is_foreseen_is_what_happens(rule: RestartRule, count: int, give_ups: int) -> None:
    failures = [0.0] * count
    foreseen = foresee(failures, rule, give_ups=give_ups, now=0.5)
    assert foreseen == judge([*failures, 0.5], rule, give_ups=give_ups, chance=1.0)
    assert foresee(failures, rule, give_ups=0, now=rule.window) == judge(
        [0.0], rule, give_ups=0, chance=1.0
    )


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
