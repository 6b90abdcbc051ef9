"""What is written of a flood of refusals, and that the rest is counted."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kite.audit.throttle import (
    BURST,
    LONGEST_WINDOW,
    MOST_KEYS,
    OTHERS,
    WINDOW,
    Throttle,
    Verdict,
)


def test_the_first_few_are_written_and_the_rest_is_counted() -> None:
    throttle = Throttle()
    verdicts = [throttle.take("web", "permission_denied", 0.0) for _ in range(100_000)]
    assert verdicts[:BURST] == [Verdict.WRITE] * BURST
    assert verdicts[BURST] is Verdict.BEGIN_COUNTING
    assert set(verdicts[BURST + 1 :]) == {Verdict.COUNT}
    assert throttle.next_deadline() == WINDOW
    [summary] = throttle.due(WINDOW)
    assert (summary.who, summary.code) == ("web", "permission_denied")
    assert (summary.count, summary.seconds) == (100_000 - BURST, WINDOW)


def test_a_flood_that_goes_on_is_told_of_ever_less_often() -> None:
    throttle = Throttle()
    now, told = 0.0, []
    for _ in range(40):
        for _ in range(BURST + 1):
            throttle.take("web", "unauthorized", now)
        now = throttle.next_deadline() or now
        told += throttle.due(now)
    windows = [each.seconds for each in told]
    assert windows == sorted(windows)
    assert windows[:3] == [WINDOW, 2 * WINDOW, 4 * WINDOW]
    assert windows[-1] == LONGEST_WINDOW


def test_who_was_quiet_for_a_window_is_written_again() -> None:
    throttle = Throttle()
    for _ in range(BURST):
        throttle.take("web", "unauthorized", 0.0)
    assert throttle.next_deadline() is None, "nothing was suppressed, so nobody wakes up"
    assert throttle.take("web", "unauthorized", WINDOW) is Verdict.WRITE


def test_one_noisy_client_hides_nobody_else() -> None:
    throttle = Throttle()
    for _ in range(1000):
        throttle.take("web", "permission_denied", 0.0)
    assert throttle.take("api", "permission_denied", 0.0) is Verdict.WRITE
    assert throttle.take("web", "bad_origin", 0.0) is Verdict.WRITE


def test_so_many_names_are_told_apart_and_no_more() -> None:
    throttle = Throttle()
    for number in range(10 * MOST_KEYS):
        throttle.take(f"m{number}", "permission_denied", 0.0)
    told = throttle.due(0.0, everything=True)
    assert [each.who for each in told] == [OTHERS]
    assert told[0].count == 9 * MOST_KEYS - BURST
    throttle.take("newcomer", "permission_denied", WINDOW)
    assert throttle.take("newcomer", "permission_denied", WINDOW) is Verdict.WRITE
    assert throttle.due(0.0, everything=True) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from(["unauthorized", "bad_host"]),
            st.floats(0, 500),
        ),
        max_size=300,
    )
)
def test_each_refusal_is_written_or_in_one_summary(refusals: list[tuple[str, str, float]]) -> None:
    throttle, now = Throttle(), 0.0
    happened: Counter[tuple[str, str]] = Counter()
    accounted: Counter[tuple[str, str]] = Counter()
    for who, code, later in refusals:
        now += later
        for each in throttle.due(now):
            accounted[each.who, each.code] += each.count
        happened[who, code] += 1
        accounted[who, code] += throttle.take(who, code, now) is Verdict.WRITE
    for each in throttle.due(now, everything=True):
        accounted[each.who, each.code] += each.count
    assert accounted == happened
