"""The supervisor as a whole: scans, clocks, schedules, facts of the dead, starting over."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from supervised import Desk, plan

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import Phase
from kite.launcher.core.plan import (
    ConfigState,
    Desired,
    Plan,
    Policy,
    Problem,
    ReadyBy,
    RestartRule,
)

WRONG = Problem(code="unreadable_manifest", text="line 3: no")
OTHER = Problem(code="dependency_missing", text="no such module")
DISABLED, MANUAL = ConfigState.DISABLED, ConfigState.MANUAL


# -- the doors --------------------------------------------------------------------------------


def test_nothing_starts_before_the_doors_open() -> None:
    desk = Desk(plan("m"), doors=False)
    desk.wait(100)
    assert (desk.phase("m"), desk.spawns(desk.log)) == (Phase.WAITING, [])
    desk.tell(facts.DoorsOpened())
    assert desk.spawns() == ["m"]


def test_the_core_modules_are_there_when_the_doors_are_open() -> None:
    desk = Desk(plan("m", "registry", "event_hub", "launcher"))
    assert desk.spawns() == ["m"]


# -- launch clocks ----------------------------------------------------------------------------


def test_launch_clocks_stand_still_while_the_backbone_is_away() -> None:
    desk = Desk(plan("m", launch_timeout=10.0))
    desk.wait(7)
    desk.tell(facts.BackboneLost())
    desk.wait(1000)
    assert desk.phase("m") is Phase.STARTING
    desk.tell(facts.BackboneRestored())
    desk.wait(2.999)
    assert desk.phase("m") is Phase.STARTING
    desk.wait(0.001)
    assert desk.phase("m") is Phase.ENDING


def test_losing_it_twice_does_not_wind_the_clock_up() -> None:
    desk = Desk(plan("m", launch_timeout=10.0))
    for _ in range(4):
        desk.wait(2)
        desk.tell(facts.BackboneLost())
        desk.tell(facts.BackboneLost())
        desk.wait(50)
        desk.tell(facts.BackboneRestored())
        desk.tell(facts.BackboneRestored())
    desk.wait(2)
    assert desk.phase("m") is Phase.ENDING


def test_the_clock_of_one_spawned_in_an_outage_begins_after_it() -> None:
    desk = Desk(plan("m", config_state=MANUAL, launch_timeout=10.0))
    desk.tell(facts.BackboneLost())
    desk.start("m")
    desk.wait(100)
    desk.tell(facts.BackboneRestored())
    desk.wait(9.999)
    assert desk.phase("m") is Phase.STARTING
    desk.wait(0.001)
    assert desk.phase("m") is Phase.ENDING


def test_a_stop_runs_on_while_the_backbone_is_away() -> None:
    desk = Desk(plan("m"))
    desk.up("m")
    desk.tell(facts.BackboneLost())
    desk.stop("m")
    desk.wait(3)
    assert desk.pick(act.SignalStop)
    desk.wait(5)
    assert desk.pick(act.EndTree)


# -- scans ------------------------------------------------------------------------------------


def test_added_enabled_modules_start_and_others_do_not() -> None:
    desk = Desk(plan("a"))
    desk.scan(
        plan("a"), plan("b"), plan("c", config_state=MANUAL), plan("d", config_state=DISABLED)
    )
    assert desk.spawns() == ["b"]


def test_a_scan_without_a_difference_does_nothing() -> None:
    desk = Desk(plan("a"), plan("b", problem=WRONG), plan("c", config_state=MANUAL))
    desk.up("a")
    plans = (plan("a"), plan("b", problem=WRONG), plan("c", config_state=MANUAL))
    kept = tuple(
        msgspec.structs.replace(one, desired=desk.state(one.name).desired) for one in plans
    )
    assert desk.scan(*kept) == []


def test_a_changed_manifest_touches_nothing_that_runs() -> None:
    desk = Desk(plan("a"))
    desk.up("a")
    desk.scan(plan("a", launch_timeout=99.0))
    assert desk.phase("a") is Phase.RUNNING
    assert not desk.pick(act.SignalStop)


def test_changes_apply_at_the_next_start() -> None:
    """Timeouts and rules of a life are those it was started with."""
    desk = Desk(plan("a", launch_timeout=5.0, stop_timeout=4.0, restart=RestartRule(max=1)))
    desk.scan(plan("a", launch_timeout=9.0, stop_timeout=40.0, restart=RestartRule(max=3)))
    desk.wait(5)
    assert desk.phase("a") is Phase.ENDING
    desk.exited("a")
    desk.gone("a")
    assert desk.phase("a") is Phase.FAILED
    desk.start("a")
    desk.wait(8.9)
    assert desk.phase("a") is Phase.STARTING
    desk.up("a")
    desk.scan(plan("a", stop_timeout=1.0))
    desk.stop("a")
    assert desk.pick(act.AskToStop)[0].timeout == 40.0


def test_one_that_becomes_a_job_while_it_starts_is_given_up_by_its_own_timeout() -> None:
    desk = Desk(plan("a", restart=RestartRule(max=1)))
    desk.scan(plan("a", launch_timeout=None, ready_by=ReadyBy.PROCESS), plan("b", "a:completed"))
    desk.wait(15)
    desk.exited("a", signal=15)
    desk.gone("a")
    problem = desk.state("a").problem
    assert problem is not None
    assert "15" in problem.message


def test_a_removed_module_is_stopped_and_forgotten() -> None:
    desk = Desk(plan("a"))
    desk.up("a")
    desk.scan()
    [asked] = desk.pick(act.AskToStop)
    assert asked.reason == "removed"
    desk.exited("a")
    desk.gone("a")
    assert desk.supervisor.states == {}
    assert desk.published("module.stopped")[0]["reason"] == "removed"
    assert not [a for a in desk.log if isinstance(a, act.KeepDesired) and not a.desired.running]


def test_lives_are_counted_on_when_a_removed_module_comes_back() -> None:
    """Found by kite chaos: what is said of an old life must not be taken for the new one's."""
    desk = Desk(plan("a"))
    desk.up("a")
    desk.scan()
    desk.exited("a")
    desk.gone("a")
    assert "a" not in desk.supervisor.states
    desk.scan(plan("a"))
    assert desk.life("a") == 2
    desk.tell(facts.BecameReady(module="a", life=1))
    assert desk.phase("a") is Phase.STARTING


@pytest.mark.parametrize("phase", ["waiting", "backing_off", "failed"])
def test_a_removed_module_without_a_process_is_forgotten_at_once(phase: str) -> None:
    desk = Desk(plan("a", restart=RestartRule(max=1 if phase == "failed" else 3)))
    if phase == "waiting":
        desk = Desk(plan("a"), doors=False)
    else:
        for _ in range(1 if phase == "failed" else 2):
            desk.spawned("a")
            desk.crash("a")
    assert desk.state("a").actual_state == phase
    op = None
    if phase != "failed":
        op = desk.start("a") if phase == "waiting" else None
    desk.scan()
    assert desk.supervisor.states == {}
    if op is not None:
        assert desk.outcome(op) == "superseded"


def test_a_module_that_came_back_while_it_was_being_ended_starts_again() -> None:
    desk = Desk(plan("a"))
    desk.up("a")
    desk.scan()
    desk.scan(plan("a"))
    desk.exited("a")
    desk.gone("a")
    assert desk.spawns() == ["a"]
    assert desk.life("a") == 2


def test_a_dependent_does_not_revive_what_is_gone() -> None:
    desk = Desk(plan("b"), plan("a", "b"))
    desk.up("b", "a")
    desk.tell(facts.StopRequested(module="a", by_request=False))
    desk.exited("a")
    desk.gone("a")
    desk.scan(plan("a", "b", desired=Desired(running=True)))
    desk.start("a")
    desk.exited("b")
    desk.gone("b")
    assert desk.spawns() == []
    assert "b" not in desk.supervisor.states


def test_a_dependent_does_not_revive_what_is_disabled() -> None:
    desk = Desk(plan("b"), plan("a", config_state=MANUAL))
    desk.up("b")
    desk.scan(plan("b", config_state=DISABLED), plan("a", "b"))
    desk.exited("b")
    desk.gone("b")
    assert desk.spawns() == []
    assert desk.phase("b") is Phase.STOPPED


def test_disabling_stops_at_once_and_enabling_starts() -> None:
    desk = Desk(plan("a"))
    desk.up("a")
    desk.scan(plan("a", config_state=DISABLED))
    [asked] = desk.pick(act.AskToStop)
    assert asked.reason == "disabled"
    assert desk.records() == ["state_changed a", "stopping a"]
    assert desk.published("module.state_changed") == [
        {"module_id": "a", "life": 1, "old": "enabled", "new": "disabled"}
    ]
    assert desk.state("a").desired == Desired(running=False, config_state=DISABLED)
    desk.exited("a")
    desk.gone("a")
    desk.scan(plan("a"))
    assert desk.spawns() == ["a"]
    assert desk.state("a").desired == Desired(running=True)


def test_enabled_again_before_it_was_ended_it_starts_when_it_is() -> None:
    desk = Desk(plan("a"))
    desk.up("a")
    desk.scan(plan("a", config_state=DISABLED))
    desk.scan(plan("a"))
    assert desk.phase("a") is Phase.ASKED
    desk.exited("a")
    desk.gone("a")
    assert desk.spawns() == ["a"]


def test_enabling_takes_over_from_a_stop_that_somebody_waits_for() -> None:
    desk = Desk(plan("a", config_state=MANUAL))
    desk.start("a")
    desk.up("a")
    op = desk.stop("a")
    desk.scan(plan("a"))
    assert desk.outcome(op) == "superseded"
    desk.exited("a")
    desk.gone("a")
    assert desk.spawns() == ["a"]


@pytest.mark.parametrize("config", [DISABLED, None])
def test_a_rescan_does_not_take_over_from_a_stop_that_somebody_waits_for(
    config: ConfigState | None,
) -> None:
    """A rescan is no operation on a module that is being stopped as it wants."""
    desk = Desk(plan("a"))
    desk.up("a")
    found = [] if config is None else [plan("a", config_state=config)]
    desk.scan(*found)
    op = desk.stop("a")
    desk.scan(*found)
    assert desk.outcome(op) == "open"
    desk.exited("a")
    desk.gone("a")
    assert desk.outcome(op) == "done"


def test_manual_leaves_as_is() -> None:
    desk = Desk(plan("a"), plan("b", config_state=DISABLED))
    desk.up("a")
    desk.scan(plan("a", config_state=MANUAL), plan("b", config_state=MANUAL))
    assert desk.phase("a") is Phase.RUNNING
    assert desk.state("a").desired == Desired(running=True, config_state=MANUAL)
    assert desk.phase("b") is Phase.STOPPED


def test_what_a_request_stopped_stays_stopped_over_scans() -> None:
    desk = Desk(plan("a"))
    desk.up("a")
    desk.stop("a")
    desk.exited("a")
    desk.gone("a")
    desk.scan(plan("a"))
    desk.scan(plan("a", launch_timeout=3.0), plan("b", "a"))
    desk.wait(100_000)
    assert desk.phase("a") is Phase.STOPPED
    assert desk.phase("b") is Phase.WAITING


@pytest.mark.parametrize(
    ("kept", "config", "spawns"),
    [
        (None, ConfigState.ENABLED, True),
        (None, MANUAL, False),
        (Desired(running=False, by_request=True), ConfigState.ENABLED, False),
        (Desired(running=True, config_state=MANUAL), MANUAL, True),
        (Desired(running=False, config_state=DISABLED), ConfigState.ENABLED, True),
        (Desired(running=False, by_request=True, config_state=MANUAL), ConfigState.ENABLED, True),
        (Desired(running=True), DISABLED, False),
        (Desired(running=True), MANUAL, True),
    ],
)
def test_what_was_kept_from_the_last_run(
    kept: Desired | None, config: ConfigState, spawns: bool
) -> None:
    desk = Desk(plan("m", config_state=config, desired=kept))
    assert desk.spawns() == (["m"] if spawns else [])
    settled = desk.state("m").desired
    assert [a.desired for a in desk.pick(act.KeepDesired)] == ([] if settled == kept else [settled])


def test_a_problem_that_appears_and_goes() -> None:
    desk = Desk(plan("a", config_state=MANUAL), doors=False)
    op = desk.start("a")
    desk.scan(plan("a", problem=WRONG, config_state=MANUAL))
    assert (desk.phase("a"), desk.outcome(op)) == (Phase.FAILED, "failed")
    assert desk.published("module.failed") == [
        {"module_id": "a", "life": 0, "reason": WRONG.code, "error": "line 3: no"}
    ]
    assert desk.scan(plan("a", problem=WRONG, config_state=MANUAL)) == desk.pick(act.KeepDesired)
    desk.scan(plan("a", problem=OTHER, config_state=MANUAL))
    assert desk.state("a").problem == OTHER
    desk.tell(facts.DoorsOpened())
    desk.scan(plan("a", config_state=MANUAL))
    assert desk.state("a").problem is None
    assert desk.spawns() == ["a"]


def test_a_problem_of_a_given_up_module_goes_as_it_came() -> None:
    once = RestartRule(max=1)
    desk = Desk(plan("a", restart=once))
    desk.spawned("a")
    desk.crash("a")
    desk.scan(plan("a", restart=once, problem=WRONG))
    assert desk.state("a").problem == WRONG
    assert not desk.state("a").failed_by_crash
    assert desk.supervisor.next_deadline() is None
    desk.scan(plan("a", restart=once))
    assert desk.spawns() == ["a"]


def test_a_rescan_leaves_what_was_given_up_to_its_next_try() -> None:
    once = RestartRule(max=1)
    desk = Desk(plan("a", restart=once))
    desk.spawned("a")
    desk.crash("a")
    due = desk.supervisor.next_deadline()
    desk.wait(10)
    desk.scan(plan("a", restart=once))
    assert desk.spawns() == []
    assert desk.supervisor.next_deadline() == due


def test_a_disabled_module_with_a_problem_is_stopped_and_says_why() -> None:
    desk = Desk(plan("a", config_state=DISABLED, problem=WRONG))
    assert desk.phase("a") is Phase.STOPPED
    assert desk.state("a").problem == WRONG
    assert not desk.published("module.failed")


def test_the_others_start_beside_a_broken_one() -> None:
    desk = Desk(plan("a", problem=WRONG), plan("b"), plan("c", "a"))
    assert desk.spawns() == ["b"]
    assert desk.supervisor.waiting_for("c") == ["a"]


# -- schedules --------------------------------------------------------------------------------


def scheduled(**rule_: Any) -> Desk:
    rule = RestartRule(**{"policy": Policy.ON_FAILURE, "max": 1, **rule_})
    return Desk(
        plan("j", ready_by=ReadyBy.PROCESS, launch_timeout=None, is_scheduled=True, restart=rule)
    )


def test_a_scheduled_module_runs_when_its_time_comes() -> None:
    desk = scheduled()
    assert desk.phase("j") is Phase.STOPPED
    for life in (1, 2):
        desk.tell(facts.RunDue(module="j"))
        assert desk.spawns() == ["j"]
        assert desk.life("j") == life
        desk.spawned("j")
        assert desk.tell(facts.RunDue(module="j")) == [], "the last run is not over"
        desk.crash("j", 0)
        assert desk.phase("j") is Phase.STOPPED


def fail_a_run(desk: Desk) -> None:
    desk.tell(facts.RunDue(module="j"))
    assert desk.spawns() == ["j"]
    desk.spawned("j")
    desk.crash("j", 1)


def test_a_schedule_forgets_no_failure() -> None:
    """Only a start request does: the third of a window gives up, whatever the clock says."""
    desk = scheduled(max=3, initial=5.0)
    fail_a_run(desk)
    desk.spawned("j")
    desk.crash("j", 1)
    assert desk.phase("j") is Phase.BACKING_OFF
    assert desk.tell(facts.RunDue(module="j")) == [], "that run is not over"
    desk.wait(5)
    desk.spawned("j")
    desk.crash("j", 1)
    assert desk.phase("j") is Phase.FAILED
    assert desk.tell(facts.RunDue(module="j")) == [], "it is tried again later"


def test_a_run_that_was_given_up_is_tried_at_growing_intervals_until_one_is_good() -> None:
    desk = scheduled()
    fail_a_run(desk)
    for wait in (60.0, 120.0):
        assert desk.supervisor.next_deadline() == desk.now + wait
        assert desk.tell(facts.RunDue(module="j")) == []
        desk.wait(wait)
        assert desk.spawns() == ["j"]
        desk.spawned("j")
        desk.crash("j", 1)
    desk.wait(240.0)
    desk.spawned("j")
    desk.crash("j", 0)
    assert desk.phase("j") is Phase.STOPPED
    desk.wait(100)
    fail_a_run(desk)
    assert desk.supervisor.next_deadline() == desk.now + 60.0, "a good run ends the probation"


def test_without_retry_giving_up_ends_the_schedule_until_somebody_starts_it() -> None:
    desk = scheduled(retry=False)
    fail_a_run(desk)
    desk.tell(facts.RunPlanned(module="j", at=desk.now + 10))
    assert desk.tell(facts.RunDue(module="j")) == []
    assert desk.supervisor.next_deadline() is None
    desk.start("j")
    desk.spawned("j")
    desk.crash("j", 0)
    fail_a_run(desk)


def test_a_run_that_is_never_tried_again_does_not_end_the_schedule() -> None:
    desk = scheduled(policy=Policy.NEVER)
    desk.tell(facts.RunDue(module="j"))
    desk.spawned("j")
    desk.tell(facts.RunPlanned(module="j", at=desk.now + 10))
    desk.crash("j", 1)
    assert desk.phase("j") is Phase.FAILED
    [told] = desk.published("module.failed")
    assert told["retry_in"] == 10.0
    fail_a_run(desk)


def test_what_cannot_be_spawned_waits_for_a_rescan_and_not_for_the_clock() -> None:
    desk = scheduled()
    desk.tell(facts.RunDue(module="j"))
    desk.tell(facts.SpawnFailed(module="j", life=1, problem=WRONG))
    assert desk.tell(facts.RunDue(module="j")) == []
    desk.scan(desk.state("j").plan)
    assert desk.spawns() == ["j"]


def test_a_stopped_schedule_rests() -> None:
    desk = scheduled()
    desk.stop("j")
    assert desk.tell(facts.RunDue(module="j")) == []


# -- facts of the dead ------------------------------------------------------------------------


def test_facts_of_earlier_lives_change_nothing() -> None:
    desk = Desk(plan("m"))
    desk.up("m")
    desk.crash("m")
    desk.up("m")
    before = repr(desk.state("m"))
    for fact in (
        facts.Exited(module="m", life=1, exit_code=1),
        facts.TreeGone(module="m", life=1),
        facts.BecameReady(module="m", life=1),
        facts.ConnectionsChanged(module="m", life=1, connections=0),
        facts.ShutdownAcked(module="m", life=1, estimated_cleanup=1),
        facts.ShutdownReady(module="m", life=1),
        facts.BecameUnhealthy(module="m", life=1, detail=""),
        facts.Spawned(module="m", life=3, pid=1),
        facts.Exited(module="ghost", life=1, exit_code=1),
    ):
        assert desk.tell(fact) == []
    assert repr(desk.state("m")) == before


def test_a_word_without_a_life_is_about_the_present_one() -> None:
    desk = Desk(plan("m"))
    desk.up("m")
    desk.crash("m")
    desk.up("m")
    desk.stop("m")
    desk.tell(facts.ShutdownAcked(module="m", life=None, estimated_cleanup=1))
    assert desk.phase("m") is Phase.CLEANING
    desk.tell(facts.ShutdownReady(module="m", life=None))
    assert desk.phase("m") is Phase.ENDING


# -- the end ----------------------------------------------------------------------------------


def test_layers_go_one_after_the_other() -> None:
    desk = Desk(plan("c"), plan("b", "c"), plan("a", "b"))
    desk.up("c", "b", "a")
    desk.stop_everything(["a"], ["b"], ["c"])
    for name in ("a", "b", "c"):
        assert [x.module for x in desk.pick(act.AskToStop)] == [name]
        desk.exited(name)
        desk.gone(name)
    assert desk.pick(act.EverythingStopped) == [act.EverythingStopped()]


def test_with_nothing_running_everything_has_stopped() -> None:
    desk = Desk(plan("a", config_state=MANUAL))
    op = desk.start("a")
    desk.tell(facts.SpawnFailed(module="a", life=1, problem=WRONG))
    desk.stop_everything(["a"])
    assert desk.last == [act.EverythingStopped()]
    assert desk.outcome(op) == "failed"


def test_whoever_waits_is_told_that_everything_stops() -> None:
    desk = Desk(plan("a"), plan("b"))
    desk.up("a")
    ops = [desk.start("b"), desk.stop("a")]
    desk.stop_everything(["a"], ["b"])
    assert [desk.outcome(op) for op in ops] == ["stopping", "stopping"]


def test_a_second_time_begins_nothing_anew() -> None:
    desk = Desk(plan("a"))
    desk.up("a")
    desk.stop_everything(["a"])
    deadline = desk.supervisor.next_deadline()
    desk.wait(1)
    assert desk.stop_everything(["a"]) == []
    assert desk.supervisor.next_deadline() == deadline


def test_what_is_in_no_layer_goes_first() -> None:
    desk = Desk(plan("a"), plan("stray"))
    desk.up("a", "stray")
    desk.stop_everything(["a"])
    assert [x.module for x in desk.pick(act.AskToStop)] == ["stray"]


def test_a_layer_that_fell_by_itself_is_passed_over() -> None:
    desk = Desk(plan("a"), plan("b"))
    desk.up("a", "b")
    desk.stop_everything(["a"], ["b"])
    desk.exited("b", 1)
    desk.gone("b")
    assert desk.phase("b") is Phase.STOPPED
    assert desk.published("module.stopped")[0]["reason"] == "system_shutdown"
    desk.exited("a")
    desk.gone("a")
    assert desk.pick(act.EverythingStopped)


def test_nothing_is_restarted_in_a_full_stop() -> None:
    desk = Desk(plan("a"), plan("b"))
    desk.up("a", "b")
    desk.restart("b")
    desk.stop_everything(["a"], ["b"])
    desk.exited("b")
    desk.gone("b")
    assert desk.spawns() == []
    before = len(desk.log)
    desk.scan(plan("a"), plan("b"), plan("c"))
    desk.wait(60)
    assert desk.spawns(desk.log[before:]) == []
    assert desk.phase("c") is Phase.STOPPED


def test_what_was_given_up_is_not_tried_again_in_a_full_stop() -> None:
    desk = Desk(plan("a", restart=RestartRule(max=1)), plan("b"))
    desk.up("b")
    desk.spawned("a")
    desk.crash("a")
    desk.stop_everything(["a"], ["b"], budget=1000.0)
    desk.acked("b", 1000.0)
    desk.wait(100)
    assert desk.phase("a") is Phase.FAILED


def test_survivors_of_a_full_stop_are_named() -> None:
    desk = Desk(plan("a"), plan("b"))
    desk.up("a", "b")
    desk.stop_everything(["a"], ["b"])
    desk.exited("a")
    desk.gone("a", 7, 8)
    desk.exited("b")
    desk.gone("b")
    assert desk.pick(act.EverythingStopped) == [act.EverythingStopped(survivors=(7, 8))]


def test_a_second_ctrl_c_kills_what_still_runs() -> None:
    desk = Desk(plan("a"), plan("b"), plan("c"))
    desk.up("a", "b", "c")
    desk.exited("c", 1)
    desk.stop_everything(["a"], ["b"], ["c"])
    desk.tell(facts.WaitingSkipped())
    assert sorted(x.module for x in desk.pick(act.EndTree)) == ["a", "b"]
    assert desk.tell(facts.WaitingSkipped()) == []
    assert desk.state("b").actual_state == "stopping"
    for name in ("a", "b"):
        desk.exited(name, signal=9)
        desk.gone(name)
        assert desk.published("module.stopped")[0]["reason"] == "system_shutdown"
    desk.gone("c")
    assert desk.pick(act.EverythingStopped)


def test_starting_over_forgets_what_went_wrong() -> None:
    once = RestartRule(max=1)
    plans = (plan("a", restart=once), plan("b", problem=WRONG), plan("c"), plan("d"))
    desk = Desk(*plans)
    desk.up("a", "c", "d")
    desk.crash("a")
    desk.stop("d")
    desk.exited("d")
    desk.gone("d")
    desk.stop_everything(["a", "c"])
    desk.exited("c")
    desk.gone("c")
    assert desk.pick(act.EverythingStopped)
    desk.tell(facts.StartedOver())
    desk.scan(*plans)
    assert desk.spawns() == []
    desk.tell(facts.DoorsOpened())
    assert desk.spawns() == ["a", "c"]
    assert desk.life("c") == 2
    assert desk.phase("b") is Phase.FAILED
    assert desk.phase("d") is Phase.STOPPED, "desired states stay"


def awaited_over_a_full_restart() -> tuple[Desk, int]:
    """Everything has stopped to come back, and somebody waits for `m`."""
    desk = Desk(plan("m"))
    desk.up("m")
    desk.stop_everything(["m"], is_restart=True)
    op = desk.restart("m")
    desk.exited("m")
    desk.gone("m")
    assert desk.pick(act.EverythingStopped)
    return desk, op


def test_whoever_waits_is_answered_by_the_life_after_a_full_restart() -> None:
    desk, op = awaited_over_a_full_restart()
    desk.tell(facts.StartedOver())
    desk.scan(plan("m"))
    desk.tell(facts.DoorsOpened())
    assert (desk.life("m"), desk.outcome(op)) == (2, "open")
    desk.up("m")
    assert desk.outcome(op) == "done"


def test_what_runs_in_a_full_restart_needs_no_start() -> None:
    desk = Desk(plan("first"), plan("m"))
    desk.up("first", "m")
    desk.stop_everything(["first"], ["m"], is_restart=True)
    assert desk.outcome(desk.start("m")) == "done"


def test_a_module_that_is_restarted_for_whoever_waits_need_not_be_desired() -> None:
    """A restart leaves the desired state of what runs for others, and a full one brings it back."""
    desk = Desk(plan("m", config_state=MANUAL), plan("user", "m"))
    desk.up("m", "user")
    desk.stop("user")
    op = desk.restart("m")
    desk.stop_everything(["user"], ["m"], is_restart=True)
    for name in ("user", "m"):
        desk.exited(name)
        desk.gone(name)
    desk.tell(facts.StartedOver())
    desk.scan(plan("m", config_state=MANUAL), plan("user", "m"))
    desk.tell(facts.DoorsOpened())
    desk.up("m")
    assert desk.outcome(op) == "done"
    assert not desk.state("m").desired.running


def test_a_stop_of_everything_in_a_full_restart_answers_whoever_waits() -> None:
    desk, op = awaited_over_a_full_restart()
    assert desk.stop_everything(["m"]) == [
        act.Settle(op=op, code="stopping", params={"module": "m"})
    ]
    assert desk.outcome(desk.start("m")) == "stopping"
    assert desk.stop_everything(["m"], is_restart=True) == []
    assert desk.outcome(desk.start("m")) == "stopping", "what ends for good does not come back"


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ((), "superseded"),
        ((plan("m", config_state=DISABLED),), "superseded"),
        ((plan("m", problem=WRONG),), "failed"),
    ],
    ids=["removed", "disabled", "broken"],
)
def test_whoever_waits_is_told_what_a_full_restart_finds(
    found: tuple[Plan, ...], outcome: str
) -> None:
    desk, op = awaited_over_a_full_restart()
    desk.tell(facts.StartedOver())
    desk.scan(*found)
    assert desk.outcome(op) == outcome


def test_deadlines_are_the_nearest() -> None:
    desk = Desk(plan("a", launch_timeout=5.0), plan("b", launch_timeout=3.0))
    assert desk.supervisor.next_deadline() == desk.now + 3.0
    desk.spawned("b")
    desk.ready("b")
    assert desk.supervisor.next_deadline() == desk.now + 5.0


# -- who is expected back ---------------------------------------------------------------------


def test_who_comes_back_to_a_hub_that_died() -> None:
    """Whoever is there or is about to be; not what was stopped, is done or was given up."""
    desk = Desk(plan("m", restart=RestartRule(max=2)), plan("job", ready_by=ReadyBy.PROCESS))
    desk.up("m")
    assert desk.state("m").comes_back
    desk.exited("m", 7)
    assert desk.state("m").comes_back, "it left with the Hub"
    desk.gone("m")
    assert desk.state("m").comes_back
    desk.up("m")
    op = desk.stop("m")
    assert not desk.state("m").comes_back
    desk.exited("m")
    desk.gone("m")
    assert (desk.outcome(op), desk.state("m").comes_back) == ("done", False)
    desk.start("m")
    assert desk.state("m").comes_back
    for _ in range(2):
        desk.crash("m")
    assert (desk.phase("m"), desk.state("m").comes_back) == (Phase.FAILED, False)


def test_whoever_waits_for_a_module_that_is_removed_in_a_full_restart_is_told() -> None:
    """It was to come back, and does not."""
    desk = Desk(plan("a"), plan("b"))
    desk.spawned("a", "b")
    op = desk.start("a")
    desk.stop_everything(["a", "b"], is_restart=True)
    assert desk.outcome(op) == "open"
    desk.scan(plan("b"))
    assert desk.outcome(op) == "superseded"
    desk.exited("a")
    desk.gone("a")
    assert list(desk.supervisor.states) == ["b"]
