"""The clock of a slow consumer: 2 s in any 30 s in which it takes less than 1 MiB/s."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.event_hub.core.stall import Stall

MIB = 1 << 20


def stall() -> Stall:
    return Stall(rate=MIB, seconds=2.0, window=30.0)


def run(clock: Stall, start: float, seconds: float, rate: float) -> float | None:
    """Over the limit for some seconds, taking `rate` bytes a second: when it is exhausted."""
    taken = 0.0
    clock.start(start, 0)
    now = start
    while (deadline := clock.next_deadline()) is not None and deadline <= start + seconds:
        taken += rate * (deadline - now)
        now = deadline
        clock.advance(now, round(taken))
        if clock.is_exhausted(now):
            return now - start
    clock.stop(start + seconds, round(taken + rate * (start + seconds - now)))
    return None


def test_a_stuck_reader_is_exhausted_after_exactly_two_seconds() -> None:
    assert run(stall(), 100.0, 10.0, 0) == pytest.approx(2.0)


def test_half_the_rate_is_as_bad_as_nothing() -> None:
    assert run(stall(), 0.0, 10.0, MIB / 2) == pytest.approx(2.0)


def test_a_reader_at_the_rate_is_never_exhausted() -> None:
    assert run(stall(), 0.0, 60.0, MIB + 10) is None


def test_short_stalls_add_up_within_the_window() -> None:
    clock = stall()
    assert run(clock, 0.0, 0.9, 0) is None
    assert run(clock, 10.0, 0.9, 0) is None
    assert run(clock, 20.0, 5.0, 0) == pytest.approx(0.25)


def test_a_stall_is_forgotten_after_the_window() -> None:
    clock = stall()
    assert run(clock, 0.0, 1.9, 0) is None
    assert run(clock, 32.0, 1.9, 0) is None
    assert clock.counted(32.0 + 1.9) == pytest.approx(1.9)


def test_a_moment_over_the_limit_counts_by_its_own_rate() -> None:
    clock = stall()
    clock.start(0.0, 0)
    clock.stop(0.05, 4 * MIB)
    assert clock.counted(0.05) == 0
    clock.start(1.0, 0)
    clock.stop(1.05, 10)
    assert clock.counted(1.05) == pytest.approx(0.05)


def test_it_does_not_run_while_all_is_well() -> None:
    clock = stall()
    assert not clock.is_running
    clock.advance(50.0, 0)
    assert clock.counted(50.0) == 0
    assert clock.next_deadline() is None


@given(st.lists(st.tuples(st.floats(0.01, 3), st.floats(0.01, 20)), max_size=30))
def test_never_more_than_the_time_spent_and_never_exhausted_before_two_seconds(
    spans: list[tuple[float, float]],
) -> None:
    clock, now, spent = stall(), 0.0, 0.0
    for over, well in spans:
        clock.start(now, 0)
        clock.stop(now + over, 0)
        now += over
        spent += over
        assert clock.counted(now) <= spent + 1e-6
        if clock.is_exhausted(now):
            assert spent >= 2.0 - 1e-6
        now += well
