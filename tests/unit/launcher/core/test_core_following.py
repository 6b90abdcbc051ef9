"""Dependents that are restarted after what they depend on, in order and once."""

from __future__ import annotations

from supervised import Desk, plan

from kite.launcher.core import facts
from kite.launcher.core.lifecycle import Phase


def changed(desk: Desk, name: str, *, dependents: bool = True) -> None:
    desk.tell(
        facts.RestartRequested(module=name, reason="changed", revive=False, dependents=dependents)
    )


def again(desk: Desk, name: str) -> None:
    """A life that was asked to stop does, and the next one comes up."""
    desk.exited(name)
    desk.gone(name)
    desk.spawned(name)
    desk.ready(name)


def diamond() -> Desk:
    desk = Desk(plan("a"), plan("b", "a"), plan("c", "a"), plan("d", "b", "c"), plan("other"))
    for name in ("a", "b", "c", "d", "other"):
        desk.up(name)
    return desk


def lives(desk: Desk) -> dict[str, int]:
    return {name: desk.life(name) for name in desk.supervisor.states}


def test_dependents_follow_in_order_and_once() -> None:
    desk = diamond()
    changed(desk, "a")
    assert desk.phase("b") is Phase.RUNNING, "they run on until it is ready again"
    again(desk, "a")
    assert {desk.phase("b"), desk.phase("c")} == {Phase.ASKED}
    assert desk.phase("d") is Phase.RUNNING
    again(desk, "b")
    assert desk.phase("d") is Phase.RUNNING
    again(desk, "c")
    assert desk.phase("d") is Phase.ASKED
    again(desk, "d")
    assert lives(desk) == {"a": 2, "b": 2, "c": 2, "d": 2, "other": 1}
    assert not any(state.outdated for state in desk.supervisor.states.values())
    assert {a.fields["reason"] for a in desk.log if getattr(a, "event", "") == "stopped"} == {
        "changed",
        "dependency_changed",
    }


def test_without_the_wish_dependents_run_on() -> None:
    desk = diamond()
    changed(desk, "a", dependents=False)
    again(desk, "a")
    assert lives(desk) == {"a": 2, "b": 1, "c": 1, "d": 1, "other": 1}


def test_dependents_run_on_while_what_they_depend_on_cannot_come_back() -> None:
    """They follow when it is mended."""
    desk = diamond()
    changed(desk, "a")
    desk.exited("a")
    desk.gone("a")
    desk.spawned("a")
    for _ in range(3):
        desk.crash("a")
        desk.wait(5)
    assert (desk.phase("a"), desk.phase("b")) == (Phase.FAILED, Phase.RUNNING)
    desk.up("other")
    assert desk.phase("b") is Phase.RUNNING
    desk.start("a")
    desk.up("a")
    assert desk.phase("b") is Phase.ASKED


def test_one_that_crashes_meanwhile_is_not_restarted_again() -> None:
    desk = diamond()
    changed(desk, "a")
    desk.crash("b")
    again(desk, "a")
    desk.up("b")
    again(desk, "c")
    again(desk, "d")
    assert lives(desk)["b"] == 2
    assert desk.phase("b") is Phase.RUNNING


def test_what_was_stopped_stays_stopped() -> None:
    desk = diamond()
    desk.stop("b")
    desk.exited("b")
    desk.gone("b")
    changed(desk, "a")
    again(desk, "a")
    assert desk.phase("b") is Phase.STOPPED
    again(desk, "c")
    assert desk.phase("d") is Phase.RUNNING, "it could not come back without what was stopped"


def test_a_refused_restart_touches_nobody() -> None:
    desk = diamond()
    desk.stop("a")
    desk.exited("a")
    desk.gone("a")
    changed(desk, "a")
    assert not any(state.outdated for state in desk.supervisor.states.values())


def test_a_change_never_counts_as_a_failure() -> None:
    desk = diamond()
    for _ in range(10):
        changed(desk, "other")
        again(desk, "other")
    assert desk.state("other").history.failures == []
    assert desk.state("other").history.restarts == 0


def test_while_everything_ends_nobody_follows() -> None:
    desk = diamond()
    changed(desk, "a")
    desk.stop_everything(["d"], ["b", "c", "other"], ["a"])
    again_lives = lives(desk)
    for name in ("d", "b", "c", "other", "a"):
        desk.exited(name)
        desk.gone(name)
    assert lives(desk) == again_lives
