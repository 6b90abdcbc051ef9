"""Several processes of one module side by side: one name, a place for each, one answer to a request."""

from __future__ import annotations

from typing import Any

import pytest
from supervised import Desk, plan

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import Phase
from kite.launcher.core.plan import ConfigState, Policy, ReadyBy, RestartRule
from kite.launcher.core.settling import settlement


class Crew(Desk):
    """A desk at which every fact says which life it means."""

    def alive(self, name: str, *lives: int, connected: bool = True) -> None:
        for life in lives:
            self.tell(facts.Spawned(module=name, life=life, pid=4000 + life))
            self.tell(facts.BecameReady(module=name, life=life))
            if connected:
                self.tell(facts.ConnectionsChanged(module=name, life=life, connections=1))

    def dead(self, name: str, life: int, code: int = 1) -> list[act.Action]:
        done = self.tell(facts.Exited(module=name, life=life, exit_code=code))
        return done + self.tell(facts.TreeGone(module=name, life=life))

    def lives(self, name: str) -> dict[int, Phase]:
        return {s.life.number: s.phase for s in self.supervisor.roster.places(name)}

    def spawned_lives(self, actions: list[act.Action] | None = None) -> list[tuple[int, int]]:
        return [(a.life, a.replica) for a in self.pick(act.Spawn, actions)]


def crew(replicas: int = 3, **more: Any) -> Crew:
    return Crew(plan("w", replicas=replicas, **more))


def test_each_replica_has_a_life_of_its_own() -> None:
    desk = crew()
    assert desk.spawned_lives() == [(1, 0), (2, 1), (3, 2)]
    desk.alive("w", 1, 2, 3)
    assert desk.lives("w") == dict.fromkeys((1, 2, 3), Phase.RUNNING)
    assert desk.pick(act.KeepDesired, desk.log) == [
        act.KeepDesired(module="w", desired=desk.state("w").desired)
    ]


def test_they_share_the_places_of_those_that_start() -> None:
    desk = Crew(plan("w", replicas=3), plan("x"), concurrency=2)
    assert [(a.module, a.life) for a in desk.pick(act.Spawn)] == [("w", 1), ("w", 2)]
    desk.tell(facts.BecameReady(module="w", life=2))
    assert [(a.module, a.life) for a in desk.pick(act.Spawn)] == [("w", 3)]


def test_a_crash_of_one_replaces_that_one() -> None:
    desk = crew()
    desk.alive("w", 1, 2, 3)
    desk.dead("w", 2)
    assert desk.spawned_lives() == [(4, 1)]
    assert desk.lives("w") == {1: Phase.RUNNING, 4: Phase.STARTING, 3: Phase.RUNNING}
    assert [a.life for a in desk.pick(act.RetireLife, desk.log)] == [2]


def test_one_that_fails_is_given_up_alone_and_does_not_count() -> None:
    desk = Crew(
        plan("w", replicas=2, restart=RestartRule(max=1, retry=False)), plan("x"), max_failed=1
    )
    desk.alive("w", 1, 2)
    desk.dead("w", 1)
    assert desk.lives("w") == {1: Phase.FAILED, 2: Phase.RUNNING}
    assert desk.pick(act.GiveUpSystem, desk.log) == []
    desk.dead("w", 2)
    assert desk.pick(act.GiveUpSystem, desk.log) == [act.GiveUpSystem(failed=("w",))]


@pytest.mark.parametrize("condition", ["ready", "started"])
def test_one_is_enough_for_who_depends_on_it(condition: str) -> None:
    desk = Crew(plan("w", replicas=2), plan("d", f"w:{condition}"), concurrency=1)
    if condition == "ready":
        assert desk.phase("d") is Phase.WAITING
        desk.alive("w", 1)
    assert desk.supervisor.waiting_for("d") == []


def test_completed_needs_all() -> None:
    job = {"ready_by": ReadyBy.PROCESS, "launch_timeout": None, "is_job": True}
    rule = RestartRule(policy=Policy.ON_FAILURE)
    desk = Crew(plan("w", replicas=2, restart=rule, **job), plan("d", "w:completed"))
    desk.dead("w", 1, 0)
    assert desk.supervisor.waiting_for("d") == ["w"]
    desk.dead("w", 2, 0)
    assert desk.supervisor.waiting_for("d") == []
    assert desk.phase("d") is Phase.STARTING


def test_a_stop_is_done_when_all_are_gone() -> None:
    desk = crew()
    desk.alive("w", 1, 2, 3)
    op = desk.stop("w")
    assert [a.life for a in desk.pick(act.AskToStop)] == [1, 2, 3]
    for life in (1, 2):
        desk.dead("w", life, 0)
    assert desk.outcome(op) == "open"
    desk.dead("w", 3, 0)
    assert desk.outcome(op) == "done"
    assert set(desk.lives("w").values()) == {Phase.STOPPED}


def test_survivors_of_one_are_the_answer_for_all() -> None:
    desk = crew(2)
    desk.alive("w", 1, 2)
    op = desk.stop("w")
    desk.tell(facts.Exited(module="w", life=1, exit_code=0))
    desk.tell(facts.TreeGone(module="w", life=1, survivors=(77,)))
    assert desk.outcome(op) == "open"
    desk.dead("w", 2, 0)
    assert desk.outcome(op) == "survivors"


def test_a_start_is_done_when_all_are_ready() -> None:
    desk = crew(2, config_state=ConfigState.MANUAL)
    op = desk.start("w")
    desk.alive("w", 1)
    assert desk.outcome(op) == "open"
    desk.alive("w", 2)
    assert desk.outcome(op) == "done"
    assert desk.outcome(desk.start("w")) == "done"


def test_a_later_operation_ends_the_earlier_one_once() -> None:
    desk = crew(3)
    desk.alive("w", 1, 2, 3)
    first = desk.stop("w")
    desk.dead("w", 1, 0)
    second = desk.start("w")
    assert desk.outcome(first) == "superseded"
    assert desk.spawned_lives() == [(4, 0)]
    for life in (2, 3):
        desk.dead("w", life, 0)
    desk.alive("w", 4, 5, 6)
    assert desk.outcome(second) == "done"


def test_a_restart_ends_all_and_starts_all() -> None:
    desk = crew(2)
    desk.alive("w", 1, 2)
    op = desk.restart("w")
    for life in (1, 2):
        desk.dead("w", life, 0)
    desk.alive("w", 3, 4)
    assert desk.outcome(op) == "done"
    assert desk.lives("w") == {3: Phase.RUNNING, 4: Phase.RUNNING}


def test_more_replicas_apply_at_the_next_start() -> None:
    desk = crew(1)
    desk.alive("w", 1)
    desk.scan(plan("w", replicas=3))
    assert desk.lives("w") == {1: Phase.RUNNING}
    op = desk.start("w")
    assert desk.spawned_lives() == [(2, 1), (3, 2)]
    desk.alive("w", 2, 3)
    assert desk.outcome(op) == "done"


def test_fewer_replicas_apply_at_the_next_start() -> None:
    desk = crew(3)
    desk.alive("w", 1, 2, 3)
    desk.scan(plan("w", replicas=1))
    assert len(desk.lives("w")) == 3
    op = desk.start("w")
    assert desk.outcome(op) == "done"
    assert [a.life for a in desk.pick(act.AskToStop)] == [2, 3]
    for life in (2, 3):
        desk.dead("w", life, 0)
    assert desk.lives("w") == {1: Phase.RUNNING}


def test_a_module_that_rests_has_the_places_that_are_written() -> None:
    desk = crew(2, config_state=ConfigState.MANUAL)
    desk.scan(plan("w", replicas=4, config_state=ConfigState.MANUAL))
    assert len(desk.supervisor.roster.places("w")) == 4
    desk.scan(plan("w", replicas=1, config_state=ConfigState.MANUAL))
    assert len(desk.supervisor.roster.places("w")) == 1


def test_a_removed_module_is_forgotten_when_all_are_gone() -> None:
    desk = crew(2)
    desk.alive("w", 1, 2)
    desk.scan()
    assert desk.pick(act.KeepDesired) == []
    desk.dead("w", 1, 0)
    assert "w" in desk.supervisor.states
    desk.dead("w", 2, 0)
    assert "w" not in desk.supervisor.states
    assert desk.tell(facts.Exited(module="w", life=2, exit_code=0)) == []


def test_lives_are_counted_on_over_a_removal() -> None:
    desk = crew(1)
    desk.alive("w", 1)
    desk.scan()
    desk.dead("w", 1, 0)
    desk.scan(plan("w"))
    assert desk.spawned_lives() == [(2, 0)]


def test_a_full_stop_covers_all() -> None:
    desk = crew(3)
    desk.alive("w", 1, 2, 3)
    desk.stop_everything(["w"])
    assert [a.life for a in desk.pick(act.AskToStop)] == [1, 2, 3]
    for life in (1, 2, 3):
        assert desk.pick(act.EverythingStopped, desk.log) == []
        desk.dead("w", life, 0)
    assert desk.pick(act.EverythingStopped, desk.log) == [act.EverythingStopped()]


def test_it_has_come_up_when_all_are_ready() -> None:
    desk = crew(2)
    desk.alive("w", 1)
    assert not settlement(desk.supervisor).settled
    assert settlement(desk.supervisor).unready == ("w",)
    desk.alive("w", 2)
    assert settlement(desk.supervisor).settled


def test_what_does_not_say_its_life_is_dropped_where_several_may_be_meant() -> None:
    desk = crew(2)
    desk.alive("w", 1, 2)
    desk.stop("w")
    assert desk.tell(facts.ShutdownReady(module="w", life=None)) == []
    assert set(desk.lives("w").values()) == {Phase.ASKED}
    desk.tell(facts.ShutdownReady(module="w", life=2))
    desk.dead("w", 2, 0)
    desk.tell(facts.ShutdownReady(module="w", life=None))  # now only one can be meant
    assert desk.lives("w") == {1: Phase.ENDING, 2: Phase.STOPPED}


def test_a_refused_token_concerns_the_newest() -> None:
    desk = crew(2)
    desk.alive("w", 1)
    desk.tell(facts.TokenRefused(module="w", detail="no"))
    errors = [place.problem for place in desk.supervisor.roster.places("w")]
    assert [error is not None for error in errors] == [False, True]


def test_a_schedule_runs_all_when_none_runs() -> None:
    job = {"ready_by": ReadyBy.PROCESS, "launch_timeout": None, "is_job": True}
    rule = RestartRule(policy=Policy.ON_FAILURE)
    desk = Crew(plan("w", replicas=2, restart=rule, is_scheduled=True, **job))
    desk.tell(facts.RunDue(module="w"))
    assert desk.spawned_lives() == [(1, 0), (2, 1)]
    desk.dead("w", 1, 0)
    assert desk.tell(facts.RunDue(module="w")) == []
    desk.dead("w", 2, 0)
    desk.tell(facts.RunDue(module="w"))
    assert desk.spawned_lives() == [(3, 0), (4, 1)]


def test_a_place_that_is_not_needed_any_more_answers_who_waited_for_it() -> None:
    desk = crew(1)
    desk.scan(plan("w", replicas=2))
    first = desk.start("w")
    desk.scan(plan("w"))
    second = desk.start("w")
    assert desk.outcome(first) == "superseded"
    desk.alive("w", 1)
    assert desk.outcome(second) == "done"


def restart(desk: Crew, life: int, **more: Any) -> int:
    """Somebody asks for a restart of this life alone."""
    desk.ops += 1
    desk.tell(facts.RestartRequested(module="w", life=life, op=desk.ops, **more))
    return desk.ops


def test_one_life_is_restarted_alone() -> None:
    desk = crew()
    desk.alive("w", 1, 2, 3)
    op = restart(desk, 2, reason="unhealthy")
    assert [(a.life, a.reason) for a in desk.pick(act.AskToStop)] == [(2, "unhealthy")]
    desk.dead("w", 2, 0)
    assert desk.spawned_lives() == [(4, 1)]
    assert desk.outcome(op) == "open"
    desk.alive("w", 4)
    assert desk.outcome(op) == "done"
    assert desk.lives("w") == dict.fromkeys((1, 4, 3), Phase.RUNNING)


@pytest.mark.parametrize("life", [2, 7])
def test_a_life_that_has_gone_is_not_restarted_and_nothing_in_its_stead(life: int) -> None:
    desk = crew()
    desk.alive("w", 1, 2, 3)
    desk.dead("w", 2)
    before = desk.lives("w")
    assert desk.outcome(restart(desk, life)) == "life_gone"
    assert desk.last == desk.pick(act.Settle)
    assert desk.lives("w") == before


def test_one_that_is_being_ended_is_not_restarted() -> None:
    desk = crew()
    desk.alive("w", 1, 2, 3)
    desk.stop("w")
    assert desk.outcome(restart(desk, 1)) == "life_gone"


def test_one_life_is_renewed_alone_in_a_rolling_restart() -> None:
    desk = crew()
    desk.alive("w", 1, 2, 3)
    op = restart(desk, 2, is_rolling=True)
    assert desk.spawned_lives() == [(4, 1)]
    desk.alive("w", 4)
    desk.dead("w", 2, 0)
    assert desk.outcome(op) == "done"
    assert desk.lives("w") == dict.fromkeys((1, 4, 3), Phase.RUNNING)


def test_a_restart_of_one_takes_over_from_a_rolling_one() -> None:
    desk = crew(2)
    desk.alive("w", 1, 2)
    desk.ops += 1
    rolling = desk.ops
    desk.tell(facts.RestartRequested(module="w", op=rolling, is_rolling=True))
    assert desk.spawned_lives() == [(3, 0)]
    restart(desk, 1)
    assert desk.outcome(rolling) == "superseded"
    assert [a.life for a in desk.pick(act.AskToStop)] == [1]


def test_what_is_told_of_a_replica_says_which_it_is() -> None:
    desk = crew(2, restart=RestartRule(max=1))
    desk.alive("w", 1, 2)
    desk.dead("w", 2)
    told = [a.data for a in desk.pick(act.Publish, desk.log) if a.subject != "module.stopped"]
    assert [(each["life"], each["replica"]) for each in told] == [
        *[(1, 0), (2, 1)],  # starting
        *[(1, 0), (2, 1)],  # started
        (2, 1),  # failed
    ]
    failed = [a.fields for a in desk.pick(act.Record, desk.log) if a.event == "failed"]
    assert [(each["life"], each["replica"]) for each in failed] == [(2, 1)]
    alone = Desk(plan("x"))
    assert all("replica" not in a.data for a in alone.pick(act.Publish, alone.log))
