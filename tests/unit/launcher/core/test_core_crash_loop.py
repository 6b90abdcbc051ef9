"""Crash loops through the whole supervisor: budget, backoff, giving up, the trial, forgiveness."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from supervised import Desk, plan

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import CrashLoop, Phase
from kite.launcher.core.plan import RestartRule
from kite.launcher.core.restart import LEAST_DELAY, RETRY_CAP, RETRY_FIRST, GiveUp, RestartIn

HOUR = 3600.0


def until_started(desk: Desk, name: str) -> float:
    """Let time pass until the module's next life is there; the seconds it took."""
    began = desk.now
    while desk.phase(name) is not Phase.STARTING:
        due = desk.supervisor.next_deadline()
        assert due is not None, f"{name} stands in {desk.phase(name)} for ever"
        desk.wait(max(0.0, due - desk.now))
    return desk.now - began


def live(desk: Desk, name: str, seconds: float) -> None:
    """It is ready, runs for so long, and crashes."""
    desk.up(name)
    desk.wait(seconds)
    desk.crash(name, 7)


def loop(desk: Desk, name: str, lives: int, *, seconds: float = 5.0) -> list[float]:
    """So many lives, each of which crashes after `seconds`: what was waited after each."""
    waits = []
    for _ in range(lives):
        live(desk, name, seconds)
        waits.append(until_started(desk, name))
    return waits


def test_one_that_crashes_five_seconds_after_every_start_is_given_up() -> None:
    """Having been up for a while is no success: the window counts failures at any age of a life."""
    desk = Desk(plan("a", restart=RestartRule(window=75.0)), chance=1.0)
    assert loop(desk, "a", 2) == [0.0, 1.0]
    live(desk, "a", 5.0)
    assert desk.phase("a") is Phase.FAILED
    assert desk.state("a").crash_loop(desk.now) is CrashLoop.OPEN


def test_crashes_that_lie_further_apart_than_the_budget_allows_are_answered_at_once() -> None:
    desk = Desk(plan("a", restart=RestartRule(max=2, window=60.0)))
    assert loop(desk, "a", 20, seconds=61.0) == [0.0] * 20
    assert desk.state("a").history.give_ups == 0


def test_an_hour_of_peace_earns_no_credit() -> None:
    """It has the budget of any other, neither more nor less."""
    desk = Desk(plan("a", restart=RestartRule(window=75.0)), chance=1.0)
    live(desk, "a", HOUR)
    assert until_started(desk, "a") == 0.0
    assert loop(desk, "a", 1) == [1.0]
    live(desk, "a", 5.0)
    assert desk.phase("a") is Phase.FAILED


def test_the_trial_is_one_life_and_one_failure_ends_it() -> None:
    desk = Desk(plan("a"), chance=1.0)
    loop(desk, "a", 2)
    live(desk, "a", 5.0)
    waits = []
    for _ in range(8):
        waits.append(until_started(desk, "a"))
        assert desk.state("a").crash_loop(desk.now) is CrashLoop.HALF_OPEN
        live(desk, "a", 5.0)
        assert desk.state("a").crash_loop(desk.now) is CrashLoop.OPEN
    assert waits == [60.0, 120.0, 240.0, 480.0, 960.0, RETRY_CAP, RETRY_CAP, RETRY_CAP]
    assert waits[0] == RETRY_FIRST


def test_a_trial_that_is_stable_forgives() -> None:
    desk = Desk(plan("a"), chance=1.0)
    loop(desk, "a", 2)
    live(desk, "a", 5.0)
    until_started(desk, "a")
    desk.up("a")
    desk.wait(74.0)
    assert desk.state("a").crash_loop(desk.now) is CrashLoop.HALF_OPEN
    desk.wait(1.0)
    assert desk.state("a").crash_loop(desk.now) is None
    desk.crash("a")
    assert desk.state("a").history.verdict == RestartIn(0.0)
    assert desk.state("a").history.give_ups == 0


def test_a_life_that_ran_long_before_its_trial_forgives_nothing() -> None:
    """The life before the trial was ready for an hour; that is not the trial's stability."""
    desk = Desk(plan("a", restart=RestartRule(max=1)), chance=1.0)
    live(desk, "a", HOUR)
    assert desk.phase("a") is Phase.FAILED
    until_started(desk, "a")
    assert desk.state("a").crash_loop(desk.now) is CrashLoop.HALF_OPEN
    live(desk, "a", 5.0)
    assert desk.state("a").history.verdict == GiveUp(120.0, 120.0)


def test_a_request_forgets_it_all() -> None:
    desk = Desk(plan("a"), chance=1.0)
    loop(desk, "a", 2)
    live(desk, "a", 5.0)
    desk.start("a")
    assert desk.state("a").crash_loop(desk.now) is None
    live(desk, "a", 5.0)
    assert desk.state("a").history.verdict == RestartIn(0.0)


def test_an_outage_costs_nothing_of_the_budget() -> None:
    """Exits while Registry or Hub is away restart the module and count for nothing, on trial too."""
    desk = Desk(plan("a", restart=RestartRule(max=1)), chance=1.0)
    live(desk, "a", 5.0)
    until_started(desk, "a")
    desk.tell(facts.BackboneLost())
    for _ in range(10):
        desk.up("a")
        desk.crash("a")
        until_started(desk, "a")
    assert desk.state("a").history.give_ups == 1
    assert len(desk.state("a").history.failures) == 1
    desk.tell(facts.BackboneRestored())
    assert desk.state("a").crash_loop(desk.now) is CrashLoop.HALF_OPEN


def fallen_together(chance: Callable[[], float]) -> list[float]:
    """Twenty modules killed at once, twice: when each is back after the second time."""
    names = [f"m{number}" for number in range(20)]
    desk = Desk(*(plan(name, restart=RestartRule(initial=4.0)) for name in names), chance=chance)
    for _ in range(2):
        desk.up(*names)
        for name in names:
            desk.crash(name, 9)
    return [desk.state(name).deadline or 0.0 for name in names]


def test_twenty_that_fell_together_come_back_apart() -> None:
    """Spread over the whole delay, not over its upper half."""
    back = [at - 1000.0 for at in fallen_together(random.Random(7).random)]
    assert all(LEAST_DELAY <= seconds <= 4.0 for seconds in back)
    assert len(set(back)) == 20
    assert min(back) < 1.0
    assert max(back) > 3.0


def test_the_same_chance_makes_the_same_sequence() -> None:
    assert fallen_together(random.Random(7).random) == fallen_together(random.Random(7).random)
    assert fallen_together(random.Random(7).random) != fallen_together(random.Random(8).random)


@given(
    lives=st.lists(st.floats(0, 200), min_size=1, max_size=40),
    chance=st.floats(0, 1, exclude_max=True),
    most=st.integers(1, 5),
)
def test_no_sequence_of_crashes_spins_or_is_forgotten(
    lives: list[float], chance: float, most: int
) -> None:
    """Whatever a module does: never more than `max` failures in a window before it rests, and only
    the first of a window is answered without delay."""
    rule = RestartRule(max=most, window=60.0)
    desk = Desk(plan("a", restart=rule), chance=chance)
    failures: list[float] = []
    for seconds in lives:
        desk.up("a")
        desk.wait(seconds)
        stable = desk.state("a").is_stable(desk.now)
        was_on_trial = desk.state("a").history.give_ups > 0
        desk.crash("a")
        failures = [*(at for at in failures if desk.now - at < rule.window), desk.now]
        if len(failures) >= most or (was_on_trial and not stable):
            assert desk.phase("a") is Phase.FAILED
        elif len(failures) > 1:
            assert desk.phase("a") is Phase.BACKING_OFF
        else:
            assert desk.phase("a") is Phase.STARTING
        rests = desk.phase("a") is not Phase.STARTING
        assert until_started(desk, "a") >= (LEAST_DELAY * 0.999 if rests else 0.0)
        desk.log.clear()


def test_a_restart_says_why_and_after_what() -> None:
    desk = Desk(plan("a"), chance=0.0)
    loop(desk, "a", 1)
    live(desk, "a", 5.0)
    (told,) = [one for one in desk.pick(act.Record, desk.log[-6:]) if one.event == "restarting"]
    assert told.fields == {"life": 3, "reason": "crashed", "delay": LEAST_DELAY, "failures": 2}
