"""What one module uses, from readings and time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.account import FAR, Account, Reading, Use


def account(begun: float = 0.0) -> Account:
    made = Account()
    made.begin(1, begun)
    return made


def test_the_first_look_is_about_the_whole_life() -> None:
    use = account().look({1: Reading(0.5, 4096, 2)}, 10.0)
    assert use == Use(cpu_seconds=0.5, cpu_percent=5.0, memory_bytes=4096, processes=2)


def test_a_later_look_is_about_the_time_since_the_last() -> None:
    made = account()
    made.look({1: Reading(5.0, 1, 1)}, 10.0)
    assert made.look({1: Reading(6.0, 1, 1)}, 12.0).cpu_percent == 50.0


def test_looks_that_follow_at_once_do_not_shorten_the_time() -> None:
    """Two who look by turns would else see what fits into a few ticks."""
    made = account()
    made.look({1: Reading(5.0, 1, 1)}, 10.0)
    made.look({1: Reading(6.0, 1, 1)}, 11.9)
    assert made.look({1: Reading(7.0, 1, 1)}, 12.0).cpu_percent == 100.0


def test_a_look_of_long_ago_says_nothing_about_now() -> None:
    made = account()
    made.look({1: Reading(0.0, 1, 1)}, 10.0)
    assert made.look({1: Reading(7.5, 1, 1)}, 15.0 + FAR).cpu_percent == 10.0, "of its life"


def test_nothing_runs() -> None:
    assert Account().look({}, 1.0) == Use()
    assert account().look({1: Reading(0.0, 0, 0)}, 1.0) == Use()


def test_what_lives_have_used_adds_up() -> None:
    made = account()
    made.look({1: Reading(1.0, 1, 1)}, 5.0)
    made.end(1, 3.0)
    assert made.look({}, 6.0) == Use(cpu_seconds=3.0)
    made.begin(2, 7.0)
    assert made.look({2: Reading(0.5, 1, 1)}, 8.0).cpu_seconds == 3.5
    made.end(2, 0.0)
    assert made.seconds == 3.5, "its leader was reaped by somebody else"
    made.end(2, 9.0)
    assert made.seconds == 3.5, "once"


def test_replicas_are_taken_together() -> None:
    made = account()
    made.begin(2, 5.0)
    readings = {1: Reading(1.0, 10, 1), 2: Reading(1.0, 20, 3)}
    assert made.look(readings, 10.0) == Use(
        cpu_seconds=2.0, cpu_percent=30.0, memory_bytes=30, processes=4
    )


@given(st.lists(st.tuples(st.sampled_from(["look", "end", "begin"]), st.floats(0, 100))))
def test_the_seconds_never_fall(steps: list[tuple[str, float]]) -> None:
    """Not even when an orphan dies, whose time nobody tells."""
    made, life, now, before = account(), 1, 0.0, 0.0
    for step, seconds in steps:
        now += 0.7
        if step == "look":
            use = made.look({life: Reading(seconds, 1, 1)}, now)
            assert use.cpu_percent is None or use.cpu_percent >= 0
        elif step == "end":
            made.end(life, seconds)
        else:
            life += 1
            made.begin(life, now)
        assert made.seconds >= before
        before = made.seconds
