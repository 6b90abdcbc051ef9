"""What becomes of a life: ready, crashed, timed out, done, given up."""

from __future__ import annotations

from typing import Any

import pytest
from supervised import Desk, plan

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import Phase
from kite.launcher.core.plan import ConfigState, Plan, Policy, Problem, ReadyBy, RestartRule
from kite.launcher.core.wellbeing import Status

NOT_FOUND = Problem(code="spawn_failed", text="no such program")


def job(name: str, *needs: str, policy: Policy = Policy.ON_FAILURE, **more: object) -> object:
    return plan(
        name,
        *needs,
        ready_by=ReadyBy.PROCESS,
        launch_timeout=None,
        restart=RestartRule(policy=policy),
        is_job=True,
        **more,
    )


def one(rule: RestartRule | None = None, **more: object) -> Desk:
    desk = Desk(plan("m", restart=rule or RestartRule(), **more))
    desk.up("m")
    return desk


# -- ready ------------------------------------------------------------------------------------


def test_ready_is_told_once() -> None:
    desk = Desk(plan("m"))
    desk.spawned("m")
    desk.wait(2.5)
    desk.ready("m")
    assert desk.published("module.started") == [{"module_id": "m", "life": 1, "pid": 4000}]
    [record] = desk.pick(act.Record)
    assert (record.event, record.fields) == ("started", {"life": 1, "pid": 4000, "seconds": 2.5})
    assert desk.pick(act.WelcomeLife) == [act.WelcomeLife(module="m", life=1)]
    assert desk.ready("m") == []


def test_a_job_is_running_as_soon_as_its_process_exists_and_has_no_launch_timeout() -> None:
    desk = Desk(job("m"))
    assert desk.supervisor.next_deadline() is None
    op = desk.start("m")
    desk.spawned("m")
    assert desk.phase("m") is Phase.RUNNING
    assert desk.outcome(op) == "done"


def test_a_word_of_readiness_after_the_end_began_changes_nothing() -> None:
    desk = Desk(plan("m"))
    desk.spawned("m")
    desk.stop("m")
    assert desk.ready("m") == []
    assert desk.phase("m") is Phase.ENDING


# -- crashes ----------------------------------------------------------------------------------


def test_a_crash_is_swept_told_and_answered_at_once() -> None:
    desk = one()
    desk.exited("m", signal=11)
    assert desk.last == [
        act.Record(event="exited", module="m", fields={"life": 1, "signal": 11}),
        act.RetireLife(module="m", life=1),
        act.EndTree(module="m", life=1, grace=0.0),
    ]
    assert desk.state("m").actual_state == "backing_off"
    desk.gone("m")
    assert desk.published("module.stopped") == [
        {"module_id": "m", "life": 1, "reason": "crashed", "signal": 11}
    ]
    assert desk.records() == ["restarting m", "starting m"]
    assert desk.spawns() == ["m"]
    assert desk.life("m") == 2


def test_the_delays_of_a_window_grow_and_the_third_failure_gives_up() -> None:
    desk = one(RestartRule(max=5, window=1000, initial=1, factor=3, cap=5))
    delays = []
    for _ in range(4):
        desk.crash("m")
        due = desk.supervisor.next_deadline()
        waits = desk.phase("m") is Phase.BACKING_OFF
        delays.append(due - desk.now if waits and due is not None else 0.0)
        desk.wait(delays[-1])
        assert desk.phase("m") is Phase.STARTING
        desk.up("m")
    assert delays == [0.0, 1.0, 3.0, 5.0]
    desk.crash("m")
    assert desk.phase("m") is Phase.FAILED


def test_giving_up_says_so_and_settles_whoever_waits() -> None:
    desk = one(RestartRule(max=1, window=60))
    op = desk.restart("m")
    desk.exited("m", 0)
    desk.gone("m")
    desk.spawned("m")
    desk.crash("m", 3)
    assert desk.outcome(op) == "failed"
    [told] = desk.published("module.failed")
    assert told["reason"] == "crashed"
    assert told["exit_code"] == 3
    assert told["retry_in"] == 60.0
    assert "3" in told["error"]
    assert desk.state("m").problem is not None
    assert desk.state("m").desired.running, "giving up is nobody's wish"
    assert desk.pick(act.KeepDesired) == []


@pytest.mark.parametrize(
    ("fall", "code"),
    [
        (lambda desk: desk.exited("m", 3), "gave_up_exit"),
        (lambda desk: desk.exited("m", signal=9), "gave_up_signal"),
    ],
)
def test_the_error_says_how_it_fell(fall: object, code: str) -> None:
    desk = one(RestartRule(max=1))
    fall(desk)  # type: ignore[operator]
    desk.gone("m")
    problem = desk.state("m").problem
    assert problem is not None
    assert problem.code == code
    assert "{" not in problem.message


def test_failures_of_an_earlier_window_do_not_count() -> None:
    desk = one(RestartRule(max=2, window=60))
    for _ in range(5):
        desk.crash("m")
        assert desk.spawns() == ["m"]
        desk.up("m")
        desk.wait(60.0)


def test_tries_after_giving_up_grow_apart_and_one_failure_is_enough() -> None:
    desk = one(RestartRule(max=2))
    desk.crash("m")
    desk.spawned("m")
    desk.crash("m")
    for retry in (60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0):
        assert desk.phase("m") is Phase.FAILED
        due = desk.supervisor.next_deadline()
        assert due is not None
        assert due - desk.now == retry
        desk.wait(retry - 0.001)
        assert desk.phase("m") is Phase.FAILED
        desk.wait(0.001)
        assert desk.phase("m") is Phase.STARTING
        desk.spawned("m")
        desk.crash("m")


def test_a_module_that_was_stable_again_has_its_whole_budget_back() -> None:
    desk = one(RestartRule(max=2, window=60))
    desk.crash("m")
    desk.up("m")
    desk.crash("m")
    desk.wait(60)
    desk.up("m")
    desk.wait(60)
    desk.crash("m")
    assert desk.phase("m") is Phase.STARTING
    assert desk.state("m").history.give_ups == 0


def test_retry_false_is_final() -> None:
    desk = one(RestartRule(max=1, retry=False))
    desk.crash("m")
    assert desk.supervisor.next_deadline() is None
    desk.wait(100_000)
    assert desk.phase("m") is Phase.FAILED


# -- launch timeouts --------------------------------------------------------------------------


def test_a_missed_launch_timeout_is_a_failure_and_never_a_start() -> None:
    desk = Desk(plan("b", launch_timeout=4.0), plan("a", "b"))
    desk.spawned("b")
    desk.wait(3.999)
    assert desk.phase("b") is Phase.STARTING
    desk.wait(0.001)
    assert desk.records() == ["start_failed b"]
    assert desk.pick(act.SignalStop) == [act.SignalStop(module="b", life=1)]
    assert desk.state("b").actual_state == "stopping"
    desk.exited("b", 0)
    desk.gone("b")
    assert desk.spawns() == ["b"], "an exit 0 does not make it a success"
    assert desk.phase("a") is Phase.WAITING
    assert not [d for a in desk.log for d in desk.published("module.started", [a])]


@pytest.mark.parametrize("policy", [Policy.ON_FAILURE, Policy.NEVER])
def test_a_missed_launch_timeout_with_exit_0_completes_nothing(policy: Policy) -> None:
    desk = Desk(plan("b", restart=RestartRule(policy=policy)), plan("a", "b:completed"))
    desk.spawned("b")
    desk.wait(15)
    desk.exited("b", 0)
    desk.gone("b")
    assert not desk.state("b").completed
    assert desk.phase("a") is Phase.WAITING
    assert desk.phase("b") is (Phase.FAILED if policy is Policy.NEVER else Phase.STARTING)


@pytest.mark.parametrize(("stop_timeout", "kill"), [(0.5, 0.5), (60.0, 5.0)])
def test_what_missed_its_launch_timeout_is_killed(stop_timeout: float, kill: float) -> None:
    desk = Desk(plan("m", stop_timeout=stop_timeout))
    desk.spawned("m")
    desk.wait(15)
    desk.wait(kill - 0.001)
    assert desk.phase("m") is Phase.ENDING
    desk.wait(0.001)
    assert desk.pick(act.EndTree) == [act.EndTree(module="m", life=1)]


def test_launch_timeouts_are_named_when_given_up() -> None:
    desk = Desk(plan("m", restart=RestartRule(max=1)))
    desk.spawned("m")
    desk.wait(15)
    desk.exited("m", signal=15)
    desk.gone("m")
    problem = desk.state("m").problem
    assert problem is not None
    assert problem.code == "gave_up_launch_timeout"
    assert "15" in problem.message


# -- health -----------------------------------------------------------------------------------


def test_an_unhealthy_life_is_asked_to_stop_and_counts_as_a_failure() -> None:
    desk = one()
    desk.tell(facts.BecameUnhealthy(module="m", life=1, detail="500"))
    [asked] = desk.pick(act.AskToStop)
    assert asked.reason == "unhealthy"
    assert desk.tell(facts.BecameUnhealthy(module="m", life=1, detail="500")) == []
    desk.exited("m", 0)
    desk.gone("m")
    assert desk.spawns() == ["m"]
    assert len(desk.state("m").history.failures) == 1


def test_health_is_told_when_it_changes_and_restarts_nothing() -> None:
    desk = one()
    tired = facts.HealthChanged(module="m", life=1, status=Status.DEGRADED, detail="503")
    desk.tell(tired)
    told = {"module_id": "m", "life": 1, "status": "degraded", "detail": "503"}
    assert desk.published("module.health_changed") == [told]
    assert desk.tell(tired) == []
    assert desk.phase("m") is Phase.RUNNING
    assert desk.state("m").life.health.status is Status.DEGRADED


def test_what_the_watchdog_finds_is_shown_and_not_told_again() -> None:
    desk = one()

    def found(status: Status) -> list[act.Action]:
        fact = facts.HealthChanged(module="m", life=1, status=status, detail="", by="watchdog")
        return desk.tell(fact)

    assert found(Status.UNHEALTHY) == []
    assert desk.state("m").life.health.status is Status.UNHEALTHY
    assert found(Status.HEALTHY) == []
    assert desk.state("m").life.health.status is Status.HEALTHY
    desk.tell(facts.HealthChanged(module="m", life=1, status=Status.DEGRADED, detail="503"))
    found(Status.HEALTHY)  # nothing against it, where its own probe has something
    assert desk.state("m").life.health.status is Status.DEGRADED


# -- memory -----------------------------------------------------------------------------------


def test_a_life_above_its_memory_limit_is_asked_to_stop_and_counts_as_a_failure() -> None:
    desk = one()
    desk.tell(facts.OutgrewMemory(module="m", life=1, used=300, limit=200))
    [asked] = desk.pick(act.AskToStop)
    assert asked.reason == "memory_limit"
    assert desk.records() == ["over_memory m", "stopping m"]
    assert desk.tell(facts.OutgrewMemory(module="m", life=1, used=400, limit=200)) == []
    desk.exited("m", 0)
    desk.gone("m")
    assert desk.spawns() == ["m"]
    told = [each.data for each in desk.pick(act.Publish) if each.subject == "module.stopped"]
    assert [(each["reason"], each["used"], each["limit"]) for each in told] == [
        ("memory_limit", 300, 200)
    ]


def test_one_that_starts_can_be_above_it_too_and_is_given_up_by_name() -> None:
    desk = Desk(plan("m", restart=RestartRule(max=1)))
    desk.spawned("m")
    desk.tell(facts.OutgrewMemory(module="m", life=1, used=300, limit=200))
    desk.exited("m", signal=15)
    desk.gone("m")
    problem = desk.state("m").problem
    assert problem is not None
    assert problem.code == "gave_up_memory"
    [failed] = [each.data for each in desk.pick(act.Publish) if each.subject == "module.failed"]
    assert (failed["reason"], failed["used"]) == ("memory_limit", 300)


def test_the_out_of_memory_killer_is_named() -> None:
    desk = one()
    desk.tell(facts.Exited(module="m", life=1, signal=9, blame="out_of_memory"))
    [exited] = desk.pick(act.Record)
    assert exited.fields == {"life": 1, "signal": 9, "reason": "out_of_memory"}
    desk.gone("m")
    [restarting] = [each for each in desk.pick(act.Record) if each.event == "restarting"]
    assert restarting.fields["reason"] == "out_of_memory"


def test_one_that_is_being_ended_anyway_is_left_to_that() -> None:
    desk = one()
    desk.stop("m")
    assert desk.tell(facts.OutgrewMemory(module="m", life=1, used=300, limit=200)) == []


# -- policies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "status", "phase"),
    [
        (Policy.ALWAYS, 0, Phase.STARTING),
        (Policy.ALWAYS, 1, Phase.STARTING),
        (Policy.ON_FAILURE, 0, Phase.STOPPED),
        (Policy.ON_FAILURE, 1, Phase.STARTING),
        (Policy.NEVER, 0, Phase.STOPPED),
        (Policy.NEVER, 1, Phase.FAILED),
    ],
)
def test_the_restart_policies(policy: Policy, status: int, phase: Phase) -> None:
    desk = one(RestartRule(policy=policy))
    desk.crash("m", status)
    assert desk.phase("m") is phase
    assert desk.state("m").completed == (phase is Phase.STOPPED)


def test_never_means_not_even_later() -> None:
    desk = one(RestartRule(policy=Policy.NEVER))
    desk.crash("m", 1)
    desk.wait(1_000_000)
    assert desk.phase("m") is Phase.FAILED


def test_a_signal_is_no_exit_0() -> None:
    desk = one(RestartRule(policy=Policy.NEVER))
    desk.exited("m", signal=15)
    desk.gone("m")
    assert desk.phase("m") is Phase.FAILED


def test_a_finished_job_lets_those_start_who_wait_for_it() -> None:
    desk = Desk(job("j"), plan("a", "j:completed"), plan("b", "j"), concurrency=1)
    desk.spawned("j")
    assert desk.spawns() == ["b"], "a running job is ready"
    desk.spawned("b")
    desk.ready("b")
    desk.crash("j", 0)
    assert desk.published("module.stopped")[0]["reason"] == "completed"
    assert desk.spawns() == ["a"]


def test_a_failed_job_lets_nobody_start() -> None:
    desk = Desk(job("j", policy=Policy.NEVER), plan("a", "j:completed"))
    desk.spawned("j")
    desk.crash("j", 2)
    assert desk.phase("a") is Phase.WAITING


# -- who does not count -----------------------------------------------------------------------


def test_exits_while_the_backbone_is_away_restart_without_being_counted() -> None:
    desk = one(RestartRule(max=1))
    desk.tell(facts.BackboneLost())
    for _ in range(5):
        desk.crash("m")
        assert desk.spawns() == ["m"]
        desk.up("m")
    assert desk.state("m").history.failures == []
    desk.tell(facts.BackboneRestored())
    desk.crash("m")
    assert desk.phase("m") is Phase.FAILED


@pytest.mark.parametrize(("before", "counts"), [(0.25, False), (0.3, True)])
def test_who_noticed_the_outage_first_is_forgiven(before: float, counts: bool) -> None:
    desk = one()
    desk.crash("m")
    desk.wait(before)
    desk.tell(facts.BackboneLost())
    assert bool(desk.state("m").history.failures) is counts


@pytest.mark.parametrize(("after", "counts"), [(0.0, False), (0.25, False), (0.3, True)])
def test_who_left_in_the_outage_and_is_noticed_after_it_is_forgiven(
    after: float, counts: bool
) -> None:
    desk = one(RestartRule(max=1))
    desk.tell(facts.BackboneLost())
    desk.wait(2)
    desk.tell(facts.BackboneRestored())
    desk.wait(after)
    desk.crash("m")
    assert (desk.phase("m") is Phase.FAILED) is counts


def test_what_began_after_the_outage_cannot_have_left_for_it() -> None:
    desk = one(RestartRule(max=1))
    desk.tell(facts.BackboneLost())
    desk.wait(2)
    desk.tell(facts.BackboneRestored())
    desk.restart("m")
    desk.exited("m")
    desk.gone("m")
    desk.spawned("m")
    desk.crash("m")
    assert desk.phase("m") is Phase.FAILED


def test_being_there_for_the_first_time_forgives_nothing() -> None:
    desk = Desk(plan("m", restart=RestartRule(max=1)), doors=False)
    desk.tell(facts.BackboneRestored())
    desk.tell(facts.DoorsOpened())
    desk.spawned("m")
    desk.crash("m")
    assert desk.phase("m") is Phase.FAILED


def test_who_fell_before_the_outage_and_is_swept_in_it_is_not_counted() -> None:
    desk = one(RestartRule(max=1))
    desk.exited("m", 1)
    desk.tell(facts.BackboneLost())
    desk.gone("m")
    assert desk.spawns() == ["m"]


def test_what_cannot_come_up_without_the_backbone_does_not_spin() -> None:
    desk = one()
    desk.tell(facts.BackboneLost())
    desk.crash("m")
    desk.spawned("m")
    desk.crash("m")
    assert desk.phase("m") is Phase.BACKING_OFF
    desk.wait(0.5)
    assert desk.phase("m") is Phase.STARTING
    assert desk.state("m").history.failures == []


def test_one_that_fell_in_the_outage_is_not_counted_when_it_is_swept_after_it() -> None:
    desk = one(RestartRule(max=1))
    desk.tell(facts.BackboneLost())
    desk.exited("m", 1)
    desk.tell(facts.BackboneRestored())
    desk.gone("m")
    assert desk.spawns() == ["m"]


def test_a_module_that_notices_the_loss_of_the_hub_first_is_not_blamed() -> None:
    """Its connection breaks before the Launcher hears of the Hub's death."""
    desk = one(RestartRule(max=1))
    desk.exited("m", 1)
    desk.tell(facts.BackboneLost())
    desk.gone("m")
    assert desk.spawns() == ["m"]


def test_a_failure_just_before_the_loss_of_the_hub_is_forgiven() -> None:
    desk = one(RestartRule(max=2))
    desk.exited("m", 1)
    desk.gone("m")
    desk.tell(facts.BackboneLost())
    desk.tell(facts.BackboneRestored())
    desk.up("m")
    desk.exited("m", 1)
    desk.gone("m")
    assert desk.phase("m") is not Phase.FAILED


# -- no process at all ------------------------------------------------------------------------


def test_a_missing_program_is_not_tried_again_until_somebody_asks() -> None:
    desk = Desk(plan("m"))
    op = desk.start("m")
    desk.tell(facts.SpawnFailed(module="m", life=1, problem=NOT_FOUND))
    assert desk.outcome(op) == "failed"
    assert desk.records() == ["start_failed m"]
    assert desk.pick(act.RetireLife) == [act.RetireLife(module="m", life=1)]
    desk.wait(100_000)
    assert desk.phase("m") is Phase.FAILED
    desk.scan(plan("m"))
    assert desk.spawns() == ["m"]
    desk.tell(facts.SpawnFailed(module="m", life=2, problem=NOT_FOUND))
    desk.start("m")
    assert desk.spawns() == ["m"]


def test_a_missing_program_does_not_count_for_giving_up_the_system() -> None:
    desk = Desk(plan("a"), plan("b"), max_failed=1)
    for name in ("a", "b"):
        desk.tell(facts.SpawnFailed(module=name, life=1, problem=NOT_FOUND))
    assert not [a for a in desk.log if isinstance(a, act.GiveUpSystem)]


def test_a_program_that_went_missing_after_a_crash_is_found_by_a_rescan() -> None:
    """It was given up once; what it stands in `failed` for now is another thing."""
    desk = one(RestartRule(max=1))
    desk.crash("m")
    desk.wait(60)
    desk.tell(facts.SpawnFailed(module="m", life=2, problem=NOT_FOUND))
    assert not desk.state("m").failed_by_crash
    desk.scan(plan("m", restart=RestartRule(max=1)))
    assert desk.spawns() == ["m"]


def test_a_process_that_could_not_be_made_after_its_stop_was_asked_for() -> None:
    desk = Desk(plan("m"))
    op = desk.stop("m")
    desk.tell(facts.SpawnFailed(module="m", life=1, problem=NOT_FOUND))
    assert desk.pick(act.EndTree) == [act.EndTree(module="m", life=1)]
    desk.gone("m")
    assert (desk.phase("m"), desk.outcome(op)) == (Phase.STOPPED, "done")


# -- too many ---------------------------------------------------------------------------------


def test_three_enabled_modules_failed_at_the_same_moment_end_the_system() -> None:
    rule = RestartRule(max=1)
    manual = {"config_state": ConfigState.MANUAL}
    desk = Desk(
        *(plan(name, restart=rule) for name in "abcd"),
        plan("man", restart=rule, **manual),
        plan("broken", problem=NOT_FOUND),
        max_failed=3,
    )
    desk.start("man")
    desk.up(*"abcd", "man")
    desk.crash("man")
    desk.crash("a")
    desk.crash("b")
    assert not desk.pick(act.GiveUpSystem)
    desk.start("a")  # one is up again: two at the same moment
    desk.up("a")
    desk.crash("c")
    assert not desk.pick(act.GiveUpSystem)
    desk.crash("d")
    assert desk.pick(act.GiveUpSystem) == [act.GiveUpSystem(failed=("b", "c", "d"))]
    desk.crash("a")
    assert not desk.pick(act.GiveUpSystem), "it is said once"


def test_zero_means_never() -> None:
    desk = Desk(*(plan(name, restart=RestartRule(max=1)) for name in "abcdef"), max_failed=0)
    desk.up(*"abcdef")
    for name in "abcdef":
        desk.crash(name)
    assert not [a for a in desk.log if isinstance(a, act.GiveUpSystem)]


# -- manifests that break while the module runs ------------------------------------------------


@pytest.mark.parametrize("status", [0, 1])
def test_a_module_whose_manifest_broke_runs_on_and_is_not_spawned_again(status: int) -> None:
    broken = Problem(code="unreadable_manifest", text="line 3: no")
    desk = one()
    desk.scan(plan("m", problem=broken))
    assert desk.phase("m") is Phase.RUNNING
    desk.crash("m", status)
    assert (desk.phase("m"), desk.spawns()) == (Phase.FAILED, [])
    assert desk.records() == ["exited m", "failed m"], "nothing is restarted"
    assert desk.state("m").history.restarts == 0
    assert desk.state("m").problem == broken
    desk.wait(100_000)
    assert desk.phase("m") is Phase.FAILED
    desk.scan(plan("m"))
    assert desk.spawns() == ["m"]


def test_a_restart_that_finds_the_manifest_broken_ends_in_failed() -> None:
    desk = one()
    op = desk.restart("m")
    desk.scan(plan("m", problem=NOT_FOUND))
    desk.exited("m")
    desk.gone("m")
    assert (desk.phase("m"), desk.outcome(op)) == (Phase.FAILED, "failed")
    assert desk.records() == ["stopped m", "failed m"]


def test_a_broken_manifest_is_no_crash_of_those_that_end_the_system() -> None:
    desk = Desk(plan("m", restart=RestartRule(max=1)), max_failed=1)
    desk.up("m")
    desk.scan(plan("m", problem=NOT_FOUND))
    desk.crash("m")
    assert desk.phase("m") is Phase.FAILED
    assert not desk.state("m").failed_by_crash
    assert desk.pick(act.GiveUpSystem) == []


def test_a_token_that_the_registry_refuses_is_the_reason_of_a_missed_launch_timeout() -> None:
    desk = Desk(plan("m", restart=RestartRule(max=2)))
    desk.spawned("m")
    for life in (1, 2):
        desk.tell(facts.TokenRefused(module="m", detail="a pattern is wrong"))
        problem = desk.state("m").problem
        assert problem is not None
        assert (problem.code, problem.params["life"]) == ("token_refused", life)
        assert "a pattern is wrong" in problem.message
        desk.wait(15)
        desk.exited("m")
        desk.gone("m")
    assert desk.phase("m") is Phase.FAILED
    [told] = desk.published("module.failed")
    assert (told["reason"], told["error"]) == ("launch_timeout", problem.message)


def test_a_token_that_is_taken_after_all_is_no_reason() -> None:
    desk = Desk(plan("m"))
    desk.spawned("m")
    desk.tell(facts.TokenRefused(module="m", detail="not yet"))
    desk.ready("m")
    assert desk.state("m").problem is None
    desk.tell(facts.TokenRefused(module="m", detail="late"))
    assert desk.state("m").problem is None


# -- last lines -------------------------------------------------------------------------------


def words_of(desk: Desk, event: str) -> object:
    [record] = [each for each in desk.pick(act.Record) if each.event == event]
    return record.fields.get("last_lines")


def test_what_it_printed_last_is_told_with_a_crash() -> None:
    desk = one(RestartRule(max=2))
    desk.exited("m", 1, last_lines=("boom",))
    assert words_of(desk, "exited") == ["boom"]
    desk.gone("m", last_lines=("boom", "of a child"))
    [stopped] = desk.published("module.stopped")
    assert stopped["last_lines"] == ["boom", "of a child"]
    desk.up("m")
    op = desk.restart("m")
    desk.exited("m", 0, last_lines=("bye",))
    desk.gone("m", last_lines=("bye",))
    desk.spawned("m")
    desk.exited("m", signal=9)
    desk.gone("m")
    [stopped] = desk.published("module.stopped")
    assert "last_lines" not in stopped, "it printed nothing, and those of another life are not its"
    desk.wait(60)
    desk.spawned("m")
    desk.exited("m", 1, last_lines=("again",))
    desk.last = desk.gone("m")
    assert desk.outcome(op)
    assert words_of(desk, "failed") == ["again"]
    [failed] = desk.published("module.failed")
    assert failed["last_lines"] == ["again"], "the sweep heard nothing new"


def test_whoever_waits_for_a_start_hears_what_it_printed_last() -> None:
    desk = Desk(plan("m", restart=RestartRule(max=1)))
    desk.start("m")
    desk.spawned("m")
    desk.exited("m", 1, last_lines=("no paper",))
    desk.gone("m", last_lines=("no paper",))
    [settled] = desk.pick(act.Settle)
    assert settled.code == "failed"
    assert settled.params["last_lines"] == ["no paper"]


def test_last_words_are_of_no_interest_where_the_end_was_asked_for() -> None:
    desk = one()
    desk.stop("m")
    desk.exited("m", 0, last_lines=("bye",))
    assert words_of(desk, "exited") is None
    desk.gone("m", last_lines=("bye",))
    [stopped] = desk.published("module.stopped")
    assert "last_lines" not in stopped


def test_last_words_are_of_no_interest_where_a_job_is_done() -> None:
    desk = Desk(job("m"))
    desk.start("m")
    desk.spawned("m")
    desk.exited("m", 0, last_lines=("done",))
    assert words_of(desk, "exited") is None
    desk.gone("m", last_lines=("done",))
    [stopped] = desk.published("module.stopped")
    assert "last_lines" not in stopped


def test_one_that_was_ended_because_it_failed_has_last_words() -> None:
    desk = Desk(plan("m", launch_timeout=5.0))
    desk.spawned("m")
    desk.wait(5)
    desk.exited("m", signal=15, last_lines=("still loading",))
    assert words_of(desk, "exited") == ["still loading"]
    desk.gone("m", last_lines=("still loading",))
    [stopped] = desk.published("module.stopped")
    assert (stopped["reason"], stopped["last_lines"]) == ("launch_timeout", ["still loading"])


# -- ends that count as success ----------------------------------------------------------------

GOOD: dict[str, Any] = {"good_statuses": frozenset({0, 143}), "good_signals": frozenset({15})}


@pytest.mark.parametrize("policy", [Policy.ON_FAILURE, Policy.NEVER])
@pytest.mark.parametrize("how", [{"code": 0}, {"code": 143}, {"signal": 15}])
def test_an_end_that_is_named_as_success_completes(policy: Policy, how: dict[str, int]) -> None:
    desk = one(RestartRule(policy=policy, **GOOD))
    desk.exited("m", **how)
    desk.gone("m")
    assert (desk.phase("m"), desk.state("m").completed) == (Phase.STOPPED, True)
    assert desk.state("m").history.failures == []
    assert desk.published("module.stopped")[0]["reason"] == "completed"


@pytest.mark.parametrize("how", [{"code": 1}, {"code": 15}, {"signal": 9}])
def test_any_other_end_is_a_failure(how: dict[str, int]) -> None:
    desk = one(RestartRule(policy=Policy.NEVER, **GOOD))
    desk.exited("m", **how)
    desk.gone("m")
    assert (desk.phase("m"), desk.state("m").completed) == (Phase.FAILED, False)


def test_under_always_no_end_is_a_success() -> None:
    """Whoever is to run always has failed when it has ended, however it did."""
    desk = one(RestartRule(max=1, **GOOD))
    desk.crash("m", 143)
    assert desk.phase("m") is Phase.FAILED


def test_a_life_that_was_ended_as_a_failure_is_none_of_the_good_ends() -> None:
    desk = one(RestartRule(policy=Policy.NEVER, **GOOD))
    desk.tell(facts.BecameUnhealthy(module="m", life=1, detail="no answer"))
    desk.exited("m", signal=15)
    desk.gone("m")
    assert desk.phase("m") is Phase.FAILED


# -- essential modules --------------------------------------------------------------------------


def essential(**more: Any) -> Plan:
    return plan("m", is_essential=True, **more)


def gave_up(desk: Desk) -> list[act.GiveUpForOne]:
    return [action for action in desk.log if isinstance(action, act.GiveUpForOne)]


def test_an_essential_module_that_was_given_up_ends_everything_once() -> None:
    desk = Desk(essential(restart=RestartRule(max=2)), plan("other"))
    desk.up("m", "other")
    desk.crash("m")
    assert gave_up(desk) == [], "a crash that is answered by a restart ends nothing"
    desk.up("m")
    desk.crash("m", 3)
    [told] = gave_up(desk)
    problem = desk.state("m").problem
    assert problem is not None
    assert (told.module, told.detail) == ("m", problem.message)
    assert "3" in told.detail
    desk.crash("other")
    assert len(gave_up(desk)) == 1


def test_an_essential_module_that_cannot_start_ends_everything() -> None:
    desk = Desk(essential())
    desk.tell(facts.SpawnFailed(module="m", life=1, problem=NOT_FOUND))
    assert [told.module for told in gave_up(desk)] == ["m"]


def test_an_essential_module_that_is_written_wrongly_ends_everything() -> None:
    desk = Desk(essential(problem=NOT_FOUND))
    assert [told.detail for told in gave_up(desk)] == [NOT_FOUND.message]


def test_an_essential_job_that_completes_ends_nothing_and_one_that_fails_does() -> None:
    rule = RestartRule(policy=Policy.NEVER)
    desk = Desk(essential(restart=rule))
    desk.up("m")
    desk.crash("m", 0)
    assert (desk.phase("m"), gave_up(desk)) == (Phase.STOPPED, [])
    desk.start("m")
    desk.up("m")
    desk.crash("m", 1)
    assert len(gave_up(desk)) == 1


def test_an_essential_module_that_nobody_wants_ends_nothing() -> None:
    desk = Desk(
        essential(problem=NOT_FOUND, config_state=ConfigState.MANUAL),
        plan("off", is_essential=True, problem=NOT_FOUND, config_state=ConfigState.DISABLED),
    )
    assert desk.phase("m") is Phase.FAILED
    assert gave_up(desk) == []


def test_an_essential_module_that_was_stopped_ends_nothing() -> None:
    desk = Desk(essential())
    desk.up("m")
    desk.stop("m")
    desk.exited("m", 1)
    desk.gone("m")
    assert gave_up(desk) == []


def test_a_manifest_that_broke_says_what_it_said_before() -> None:
    """An essential module whose manifest cannot be read any more runs on; its crash ends everything."""
    desk = Desk(essential())
    desk.up("m")
    desk.scan(plan("m", problem=NOT_FOUND, is_readable=False))
    assert gave_up(desk) == []
    desk.crash("m")
    assert len(gave_up(desk)) == 1


def test_while_everything_ends_an_essential_failure_changes_nothing() -> None:
    desk = Desk(essential(restart=RestartRule(max=1)))
    desk.up("m")
    desk.stop_everything(["m"])
    desk.exited("m", 1)
    desk.gone("m", 4000)
    assert gave_up(desk) == []
