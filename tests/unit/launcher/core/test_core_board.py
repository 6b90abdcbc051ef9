"""Who waits for whom, and who may start now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervised import Desk, plan

from kite.launcher.core import facts
from kite.launcher.core.lifecycle import Phase
from kite.launcher.core.plan import ConfigState, Policy, Problem, ReadyBy, RestartRule

MANUAL = ConfigState.MANUAL


def job(name: str, *needs: str) -> object:
    rule = RestartRule(policy=Policy.ON_FAILURE)
    return plan(name, *needs, ready_by=ReadyBy.PROCESS, launch_timeout=None, restart=rule)


def test_no_more_start_at_once_than_there_are_places() -> None:
    desk = Desk(*(plan(name) for name in "abcde"), concurrency=2)
    assert desk.spawns() == ["a", "b"]
    desk.spawned("a", "b")
    assert desk.spawns() == []
    desk.ready("b")
    assert desk.spawns() == ["c"]
    desk.spawned("c")
    assert desk.spawns(desk.crash("a")) == ["a"], "the one that fell takes its place again"
    desk.tell(facts.SpawnFailed(module="a", life=2, problem=Problem(code="spawn_failed", text="x")))
    desk.tell(facts.TimePassed())
    assert desk.spawns() == ["d"]


def test_jobs_take_a_place_only_until_they_exist() -> None:
    desk = Desk(job("a"), job("b"), job("c"), concurrency=1)
    assert desk.spawns() == ["a"]
    for name, following in (("a", ["b"]), ("b", ["c"]), ("c", [])):
        assert desk.spawns(desk.spawned(name)) == following


def test_what_a_place_is_denied_does_not_hold_up_others() -> None:
    desk = Desk(plan("x", config_state=MANUAL), plan("a", "x"), plan("b"), concurrency=1)
    assert desk.spawns() == ["x"]
    desk.up("x")
    assert desk.spawns(desk.log) == ["x", "a"]


@pytest.mark.parametrize(
    ("condition", "spawn", "ready", "done"),
    [
        ("ready", False, True, True),
        ("started", True, True, True),
        ("completed", False, False, True),
    ],
)
def test_conditions(condition: str, spawn: bool, ready: bool, done: bool) -> None:
    once = RestartRule(policy=Policy.NEVER)
    desk = Desk(plan("b", restart=once), plan("a", f"b:{condition}"))
    desk.tell(facts.TimePassed())
    met = desk.phase("a") is Phase.STARTING
    assert met == spawn
    desk.up("b")
    assert (desk.phase("a") is Phase.STARTING) == ready
    desk.crash("b", 0)
    assert (desk.phase("a") is Phase.STARTING) == done


def test_a_finished_dependency_is_ready_until_it_runs_again() -> None:
    desk = Desk(job("b"), plan("a", "b", config_state=MANUAL))
    desk.spawned("b")
    desk.crash("b", 0)
    desk.start("a")
    assert desk.spawns() == ["a"]


def test_waiting_names_what_is_missing_in_the_manifests_order() -> None:
    desk = Desk(plan("z"), plan("y"), plan("a", "z", "event_hub", "y", "ghost"))
    assert desk.supervisor.waiting_for("a") == ["z", "y", "ghost"]
    desk.up("z")
    assert desk.supervisor.waiting_for("a") == ["y", "ghost"]
    assert desk.supervisor.waiting_for("z") == []


def test_dependents_do_not_fall_with_what_they_depend_on() -> None:
    desk = Desk(plan("b"), plan("a", "b"))
    desk.up("b", "a")
    desk.crash("b")
    assert desk.phase("a") is Phase.RUNNING


def test_a_dependent_that_falls_waits_for_what_is_away() -> None:
    desk = Desk(plan("b"), plan("a", "b"))
    desk.up("b", "a")
    desk.crash("b")
    desk.crash("a")
    assert (desk.phase("a"), desk.supervisor.waiting_for("a")) == (Phase.WAITING, ["b"])
    desk.up("b")
    assert desk.phase("a") is Phase.STARTING


@given(data=st.data(), size=st.integers(1, 7), concurrency=st.integers(1, 8))
def test_everything_comes_up_in_dependency_order(
    data: st.DataObject, size: int, concurrency: int
) -> None:
    names = [f"m{n}" for n in range(size)]
    needs = {
        name: data.draw(st.sets(st.sampled_from(names[:n]))) if n else set()
        for n, name in enumerate(names)
    }
    desk = Desk(*(plan(name, *sorted(needs[name])) for name in names), concurrency=concurrency)
    ready: list[str] = []
    while len(ready) < size:
        starting = [name for name in names if desk.phase(name) is Phase.STARTING]
        may = [n for n in names if n not in ready and needs[n] <= set(ready)]
        assert len(starting) == min(concurrency, len(may)), "every place is taken"
        name = data.draw(st.sampled_from(starting))
        assert needs[name] <= set(ready)
        desk.up(name)
        ready.append(name)
