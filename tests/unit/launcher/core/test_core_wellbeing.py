"""What a health probe's answers say: failures in a row, start period, pauses, a failing upstream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.core.wellbeing import Answer, Status, Wellbeing


def life(**more: object) -> Wellbeing:
    settings = {"failures": 3, "successes": 1, "start_period": 0.0, "now": 0.0, **more}
    return Wellbeing(**settings)  # type: ignore[arg-type]


def hear(health: Wellbeing, *answers: Answer, now: float = 1.0) -> list[Status]:
    """The status after each answer that changed it."""
    return [health.status for answer in answers if health.heard(answer, now)]


def test_failures_in_a_row_make_it_unhealthy() -> None:
    bad, good = Answer.BAD, Answer.GOOD
    assert hear(life(), good, bad, bad, good, bad, bad, bad) == [Status.HEALTHY, Status.UNHEALTHY]


def test_more_successes_may_be_wanted() -> None:
    health = life(successes=3)
    assert hear(health, Answer.GOOD, Answer.GOOD) == []
    assert hear(health, Answer.GOOD) == [Status.HEALTHY]


def test_in_the_start_period_failures_do_not_count() -> None:
    health = life(start_period=10.0)
    assert hear(health, *[Answer.BAD] * 20, now=9.9) == []
    assert hear(health, *[Answer.BAD] * 3, now=10.0) == [Status.UNHEALTHY]


def test_a_degraded_answer_is_no_failure() -> None:
    health = life()
    answers = [Answer.BAD, Answer.BAD, Answer.DEGRADED] * 10
    assert hear(health, *answers) == [Status.DEGRADED]
    assert hear(health, Answer.GOOD) == [Status.HEALTHY]


@given(st.lists(st.sampled_from([Answer.BAD, None]), max_size=40))
def test_a_pause_throws_away_what_was_measured(steps: list[Answer | None]) -> None:
    health = life()
    in_a_row = 0
    for step in steps:
        if step is None:
            health.was_away()
            in_a_row = 0
        else:
            health.heard(step, 1.0)
            in_a_row += 1
        if in_a_row >= 3:
            break
        assert health.status is Status.UNKNOWN


def test_what_could_not_be_measured_counts_for_nothing() -> None:
    health = life()
    assert hear(health, *[Answer.NONE] * 9, Answer.BAD, Answer.NONE, Answer.BAD) == []
    assert hear(health, Answer.BAD) == [Status.UNHEALTHY]
