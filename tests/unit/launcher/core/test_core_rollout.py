"""Rolling restarts: the new one is ready before the old one goes, and a bad one changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from supervised import plan
from test_core_replicas import Crew

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import LIVE, Phase
from kite.launcher.core.plan import Problem, RestartRule


def running(replicas: int = 1, **more: Any) -> Crew:
    desk = Crew(plan("w", replicas=replicas, **more), plan("d", "w"))
    desk.alive("w", *range(1, replicas + 1))
    desk.alive("d", 1)
    return desk


def roll(desk: Crew, reason: str = "restart") -> int:
    desk.ops += 1
    desk.tell(facts.RestartRequested(module="w", op=desk.ops, reason=reason, is_rolling=True))
    return desk.ops


def test_the_new_one_is_ready_before_the_old_one_goes() -> None:
    desk = running()
    op = roll(desk, "a new version")
    assert desk.spawned_lives() == [(2, 0)]
    assert desk.pick(act.AskToStop, desk.log) == []
    desk.alive("w", 2)
    assert [(a.life, a.reason) for a in desk.pick(act.AskToStop, desk.log)] == [
        (1, "a new version")
    ]
    assert desk.outcome(op) == "open"
    desk.dead("w", 1, 0)
    assert desk.outcome(op) == "done"
    assert desk.lives("w") == {2: Phase.RUNNING}
    assert not desk.supervisor.is_rolling("w")
    assert desk.phase("d") is Phase.RUNNING


def test_replicas_are_renewed_one_after_the_other() -> None:
    desk = running(3)
    op = roll(desk)
    for old, new in ((1, 4), (2, 5), (3, 6)):
        assert desk.spawned_lives([a for a in desk.log if isinstance(a, act.Spawn)])[-1][0] == new
        living = [phase for phase in desk.lives("w").values() if phase in LIVE]
        assert len(living) == 4
        assert sum(phase is Phase.RUNNING for phase in living) == 3
        desk.alive("w", new)
        desk.dead("w", old, 0)
    assert desk.outcome(op) == "done"
    assert [s.replica for s in desk.supervisor.roster.places("w")] == [0, 1, 2]
    assert sorted(desk.lives("w")) == [4, 5, 6]


@pytest.mark.parametrize("how", ["crash", "timeout", "program", "survivors"])
def test_a_new_one_that_fails_leaves_the_old_one(how: str) -> None:
    desk = running()
    op = roll(desk)
    match how:
        case "crash":
            desk.dead("w", 2)
        case "timeout":
            desk.tell(facts.Spawned(module="w", life=2, pid=1))
            desk.wait(15.0)
            desk.dead("w", 2)
        case "program":
            problem = Problem(code="program_not_found", params={"program": "x", "where": "y"})
            desk.tell(facts.SpawnFailed(module="w", life=2, problem=problem))
        case "survivors":
            desk.tell(facts.Exited(module="w", life=2, exit_code=1))
            desk.tell(facts.TreeGone(module="w", life=2, survivors=(9,)))
    assert desk.outcome(op) == "failed"
    assert desk.lives("w") == {1: Phase.RUNNING}
    assert desk.state("w").error is None
    assert not desk.supervisor.is_rolling("w")
    assert desk.wait(1000.0) == []
    desk.dead("w", 1)  # and what befalls the old one is answered as ever
    assert desk.lives("w") == {3: Phase.STARTING}


def test_an_old_one_that_crashes_meanwhile_is_not_replaced_twice() -> None:
    desk = running(restart=RestartRule(max=5))
    op = roll(desk)
    desk.dead("w", 1)
    assert desk.spawned_lives() == [(3, 0)]
    desk.alive("w", 2)
    desk.tell(facts.Spawned(module="w", life=3, pid=3))
    desk.dead("w", 3, 0)
    assert desk.outcome(op) == "done"
    assert desk.lives("w") == {2: Phase.RUNNING}


def test_an_old_one_that_backs_off_is_not_started_again() -> None:
    desk = running(restart=RestartRule(max=9))
    desk.dead("w", 1)
    desk.alive("w", 2)
    op = roll(desk)
    desk.dead("w", 2)  # the request has forgotten the first failure
    desk.dead("w", 4)
    assert desk.lives("w")[4] is Phase.BACKING_OFF
    desk.alive("w", 3)
    assert desk.outcome(op) == "done"
    assert desk.lives("w") == {3: Phase.RUNNING}
    assert desk.wait(1000.0) == []


def test_survivors_of_an_old_one_end_it_and_are_named() -> None:
    desk = running(2)
    op = roll(desk)
    desk.alive("w", 3)
    desk.tell(facts.Exited(module="w", life=1, exit_code=0))
    desk.tell(facts.TreeGone(module="w", life=1, survivors=(9,)))
    assert desk.outcome(op) == "survivors"
    assert desk.lives("w") == {3: Phase.RUNNING, 2: Phase.RUNNING}


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "roll"])
def test_another_request_takes_over(verb: str) -> None:
    desk = running()
    first = roll(desk)
    desk.tell(facts.Spawned(module="w", life=2, pid=2))
    second = roll(desk) if verb == "roll" else getattr(desk, verb)("w")
    assert desk.outcome(first) == "superseded"
    assert desk.lives("w")[2] in (Phase.ENDING, Phase.ASKED)
    assert len([p for p in desk.lives("w").values() if p in LIVE]) <= 2
    desk.dead("w", 2, 0)
    if verb in ("stop", "restart"):
        desk.dead("w", 1, 0)
    if verb in ("restart", "roll"):
        desk.alive("w", 3)
    if verb == "roll":
        desk.dead("w", 1, 0)
    assert desk.outcome(second) == "done"
    assert list(desk.lives("w").values()) == [Phase.STOPPED if verb == "stop" else Phase.RUNNING]


def test_one_that_waits_on_trial_is_let_go() -> None:
    desk = running()
    desk.stop_everything()
    assert not desk.supervisor.is_rolling("w")


def test_a_full_stop_ends_old_and_new() -> None:
    desk = running()
    op = roll(desk)
    desk.tell(facts.Spawned(module="w", life=2, pid=2))
    desk.stop_everything(["d"], ["w"])
    assert desk.outcome(op) == "stopping"
    for name, life in (("d", 1), ("w", 1), ("w", 2)):
        desk.dead(name, life, 0)
    assert desk.pick(act.EverythingStopped, desk.log) == [act.EverythingStopped()]


def test_a_full_restart_is_an_answer_to_it() -> None:
    desk = running()
    op = roll(desk)
    desk.tell(facts.Spawned(module="w", life=2, pid=2))
    desk.stop_everything(["d"], ["w"], is_restart=True)
    for name, life in (("d", 1), ("w", 1), ("w", 2)):
        desk.dead(name, life, 0)
    assert desk.outcome(op) == "open"
    desk.tell(facts.StartedOver())
    desk.scan(plan("w"), plan("d", "w"))
    desk.tell(facts.DoorsOpened())
    assert desk.spawned_lives() == [(3, 0)]
    desk.alive("w", 3)
    assert desk.outcome(op) == "done"


def test_of_one_that_does_not_run_it_is_a_start() -> None:
    desk = running()
    desk.dead("w", 1, 0)
    desk.stop("w")
    desk.dead("w", 2, 0)
    op = roll(desk)
    assert desk.spawned_lives() == [(3, 0)]
    desk.alive("w", 3)
    assert desk.outcome(op) == "done"


def test_replicas_that_do_not_run_are_started_beside() -> None:
    desk = running(2, restart=RestartRule(max=1, retry=False))
    desk.dead("w", 2)
    assert desk.lives("w")[2] is Phase.FAILED
    op = roll(desk)
    assert [replica for _, replica in desk.spawned_lives()] == [1, 0]
    desk.alive("w", 3)
    desk.alive("w", 4)
    desk.dead("w", 1, 0)
    assert desk.outcome(op) == "done"
    assert list(desk.lives("w").values()) == [Phase.RUNNING, Phase.RUNNING]


def test_new_replicas_come_with_it() -> None:
    desk = running(1)
    desk.scan(plan("w", replicas=2), plan("d", "w"))
    op = roll(desk)
    assert [replica for _, replica in desk.spawned_lives()] == [1, 0]
    desk.alive("w", 2, 3)
    desk.dead("w", 1, 0)
    assert desk.outcome(op) == "done"
    assert sorted(desk.lives("w")) == [2, 3]


def test_a_removed_module_takes_all_with_it() -> None:
    desk = running()
    roll(desk)
    desk.tell(facts.Spawned(module="w", life=2, pid=2))
    desk.scan(plan("d"))
    desk.dead("w", 2, 0)
    desk.dead("w", 1, 0)
    assert "w" not in desk.supervisor.states
    assert not desk.supervisor.is_rolling("w")


def test_restarts_stay_counted() -> None:
    desk = running()
    desk.dead("w", 1)
    desk.alive("w", 2)
    roll(desk)
    desk.alive("w", 3)
    desk.dead("w", 2, 0)
    assert desk.state("w").history.restarts == 1


def test_a_dependency_that_is_stopped_ends_it() -> None:
    desk = Crew(plan("x"), plan("w", "x"), concurrency=1)
    desk.alive("x", 1)
    desk.alive("w", 1)
    op = roll(desk)
    desk.dead("w", 2)  # failed on trial: nothing has changed
    assert desk.outcome(op) == "failed"
    desk.stop("x")
    desk.dead("x", 1, 0)
    assert desk.outcome(roll(desk)) == "dependency_stopped"
    desk.start("x")
    op = roll(desk)  # it waits for its turn, as `x` starts
    assert desk.lives("w")[1] is Phase.RUNNING
    desk.stop("x")
    assert desk.outcome(op) == "dependency_stopped"
    assert desk.lives("w") == {1: Phase.RUNNING}
    assert not desk.supervisor.is_rolling("w")
