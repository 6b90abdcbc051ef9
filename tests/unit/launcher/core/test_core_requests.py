"""Start, stop and restart of a module in each of its phases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from supervised import Desk, plan

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import Phase
from kite.launcher.core.plan import ConfigState, Desired, Policy, Problem, ReadyBy, RestartRule

BROKEN = Problem(code="unreadable_manifest", text="cannot run")


def stopped() -> Desk:
    return Desk(plan("m", config_state=ConfigState.MANUAL))


def waiting() -> Desk:
    return Desk(plan("m"), doors=False)


def starting() -> Desk:
    desk = Desk(plan("m"))
    desk.spawned("m")
    return desk


def running() -> Desk:
    desk = starting()
    desk.ready("m")
    desk.connected("m")
    return desk


def asked() -> Desk:
    desk = running()
    desk.stop("m")
    return desk


def cleaning() -> Desk:
    desk = asked()
    desk.acked("m", 5.0)
    return desk


def ending() -> Desk:
    desk = starting()
    desk.stop("m")
    return desk


def sweeping() -> Desk:
    """Being swept after a stop."""
    desk = ending()
    desk.exited("m")
    return desk


def fallen() -> Desk:
    """Being swept after a crash."""
    desk = running()
    desk.exited("m", 1)
    return desk


def backing_off() -> Desk:
    desk = running()
    desk.crash("m")
    desk.spawned("m")
    desk.crash("m")
    return desk


def failed() -> Desk:
    desk = Desk(plan("m", restart=RestartRule(max=1)))
    desk.up("m")
    desk.crash("m")
    return desk


Make = Callable[[], Desk]
S, W, P = Phase.STOPPED, Phase.WAITING, Phase.STARTING
TABLE: list[tuple[Make, str, Phase, str, list[str]]] = [
    # from        verb             phase then       outcome   actions that matter
    (stopped, "start", P, "open", ["KeepDesired", "Spawn"]),
    (waiting, "start", W, "open", []),
    (starting, "start", P, "open", []),
    (running, "start", Phase.RUNNING, "done", []),
    (asked, "start", Phase.ASKED, "open", ["KeepDesired"]),
    (cleaning, "start", Phase.CLEANING, "open", ["KeepDesired"]),
    (ending, "start", Phase.ENDING, "open", ["KeepDesired"]),
    (sweeping, "start", Phase.SWEEPING, "open", ["KeepDesired"]),
    (fallen, "start", Phase.SWEEPING, "open", []),
    (backing_off, "start", P, "open", ["Spawn"]),
    (failed, "start", P, "open", ["Spawn"]),
    (stopped, "stop", S, "done", ["KeepDesired"]),
    (waiting, "stop", S, "done", ["KeepDesired"]),
    (starting, "stop", Phase.ENDING, "open", ["KeepDesired", "SignalStop"]),
    (running, "stop", Phase.ASKED, "open", ["KeepDesired", "AskToStop"]),
    (asked, "stop", Phase.ASKED, "open", []),
    (cleaning, "stop", Phase.CLEANING, "open", []),
    (ending, "stop", Phase.ENDING, "open", []),
    (sweeping, "stop", Phase.SWEEPING, "open", []),
    (fallen, "stop", Phase.SWEEPING, "open", ["KeepDesired"]),
    (backing_off, "stop", S, "done", ["KeepDesired"]),
    (failed, "stop", S, "done", ["KeepDesired"]),
    (stopped, "restart", P, "open", ["KeepDesired", "Spawn"]),
    (waiting, "restart", W, "open", []),
    (starting, "restart", Phase.ENDING, "open", ["SignalStop"]),
    (running, "restart", Phase.ASKED, "open", ["AskToStop"]),
    (asked, "restart", Phase.ASKED, "open", ["KeepDesired"]),
    (cleaning, "restart", Phase.CLEANING, "open", ["KeepDesired"]),
    (ending, "restart", Phase.ENDING, "open", ["KeepDesired"]),
    (sweeping, "restart", Phase.SWEEPING, "open", ["KeepDesired"]),
    (fallen, "restart", Phase.SWEEPING, "open", []),
    (backing_off, "restart", P, "open", ["Spawn"]),
    (failed, "restart", P, "open", ["Spawn"]),
    # a module's own restart is no start of what somebody stopped
    (stopped, "module restart", S, "stopped", []),
    (asked, "module restart", Phase.ASKED, "stopped", []),
    (sweeping, "module restart", Phase.SWEEPING, "stopped", []),
    (running, "module restart", Phase.ASKED, "open", ["AskToStop"]),
    (fallen, "module restart", Phase.SWEEPING, "open", []),
    (failed, "module restart", P, "open", ["Spawn"]),
]
PERFORMED = (act.Spawn, act.AskToStop, act.SignalStop, act.EndTree, act.KeepDesired)


def ask(desk: Desk, verb: str) -> int:
    match verb:
        case "start":
            return desk.start("m")
        case "stop":
            return desk.stop("m")
        case "restart":
            return desk.restart("m")
        case _:
            return desk.restart("m", revive=False)


@pytest.mark.parametrize(
    ("make", "verb", "phase", "outcome", "actions"),
    TABLE,
    ids=[f"{row[1]} in {row[0].__name__}" for row in TABLE],
)
def test_what_a_request_does(
    make: Make, verb: str, phase: Phase, outcome: str, actions: list[str]
) -> None:
    desk = make()
    earlier = desk.ops
    op = ask(desk, verb)
    assert desk.phase("m") is phase
    assert desk.outcome(op) == outcome
    assert [type(a).__name__ for a in desk.last if isinstance(a, PERFORMED)] == actions
    if earlier and outcome != "stopped":
        assert desk.outcome(earlier) == "superseded"


def test_the_table_asks_each_verb_in_each_phase() -> None:
    covered = {(verb, make().phase("m")) for make, verb, *_ in TABLE}
    assert {(v, p) for v in ("start", "stop", "restart") for p in Phase} <= covered


@pytest.mark.parametrize("make", [asked, cleaning, ending, sweeping])
@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_start_after_a_stop_begins_when_the_tree_is_gone(make: Make, verb: str) -> None:
    desk = make()
    op = ask(desk, verb)
    if desk.phase("m") is not Phase.SWEEPING:
        desk.exited("m")
    assert not [a for a in desk.log[-20:] if isinstance(a, act.Spawn) and a.life == 2]
    desk.gone("m")
    assert desk.spawns() == ["m"]
    assert desk.outcome(op) == "open"
    desk.spawned("m")
    desk.ready("m")
    assert desk.outcome(op) == "done"


@pytest.mark.parametrize("make", [asked, cleaning, ending, sweeping, fallen])
def test_a_stop_is_done_when_nothing_of_the_tree_is_left(make: Make) -> None:
    desk = make()
    op = desk.stop("m")
    if desk.phase("m") is not Phase.SWEEPING:
        desk.exited("m")
    assert desk.outcome(op) == "open"
    desk.gone("m")
    assert (desk.outcome(op), desk.phase("m")) == ("done", Phase.STOPPED)
    desk.wait(10_000)
    assert desk.phase("m") is Phase.STOPPED


def test_what_a_stop_leaves_is_named() -> None:
    desk = running()
    op = desk.stop("m")
    desk.exited("m")
    desk.gone("m", 11, 12)
    assert desk.outcome(op) == "survivors"
    [settled] = desk.pick(act.Settle)
    assert settled.params["pids"] == [11, 12]


def test_the_token_of_a_leader_that_cannot_be_ended_dies_at_once() -> None:
    """No exit says that the life is over; one that comes later says nothing new."""
    desk = running()
    desk.stop("m")
    desk.wait(30)
    assert desk.pick(act.EndTree)
    desk.gone("m", 4000)
    assert desk.pick(act.RetireLife) == [act.RetireLife(module="m", life=1)]
    desk.exited("m", signal=9)
    assert desk.records() == ["exited m"]
    assert desk.pick(act.RetireLife) == []


def test_no_new_life_while_something_of_the_old_one_lives() -> None:
    """Neither a start nor a rescan nor a dependent spawns it; each request tries again to end it."""
    desk = Desk(plan("m"), plan("d", "m", config_state=ConfigState.MANUAL))
    desk.up("m")
    desk.exited("m", 1)
    desk.gone("m", 11)
    assert desk.phase("m") is Phase.FAILED
    assert desk.supervisor.next_deadline() is None
    desk.scan(plan("m"), plan("d", "m", config_state=ConfigState.MANUAL))
    desk.start("d")
    assert (desk.phase("m"), desk.spawns()) == (Phase.FAILED, [])
    op = desk.start("m")
    assert desk.pick(act.EndTree) == [act.EndTree(module="m", life=1)]
    assert desk.state("m").actual_state == "stopping"
    desk.gone("m", 11)
    assert desk.outcome(op) == "survivors"
    op = desk.stop("m")
    assert desk.pick(act.EndTree)
    desk.gone("m")
    assert (desk.phase("m"), desk.outcome(op)) == (Phase.STOPPED, "done")
    assert desk.state("m").problem is None
    desk.start("m")
    assert desk.spawns() == ["m"]


def test_the_latest_of_many_operations_wins() -> None:
    desk = running()
    ops = [desk.stop("m"), desk.start("m"), desk.restart("m"), desk.stop("m"), desk.start("m")]
    assert [desk.outcome(op) for op in ops] == ["superseded"] * 4 + ["open"]
    desk.exited("m")
    desk.gone("m")
    desk.up("m")
    assert desk.outcome(ops[-1]) == "done"
    assert desk.life("m") == 2


def test_reasons_are_the_callers_words() -> None:
    desk = running()
    desk.stop("m", "tidying up")
    [asked_for] = desk.pick(act.AskToStop)
    assert asked_for.reason == "tidying up"
    [told] = desk.published("module.stopping")
    assert told == {"module_id": "m", "life": 1, "reason": "tidying up"}
    desk.exited("m")
    desk.gone("m")
    assert desk.published("module.stopped")[0]["reason"] == "tidying up"


# -- refusals ---------------------------------------------------------------------------------


def test_a_disabled_module_is_not_started_and_may_be_stopped() -> None:
    desk = Desk(plan("m", config_state=ConfigState.DISABLED))
    assert desk.outcome(desk.start("m")) == "module_disabled"
    assert desk.outcome(desk.restart("m")) == "module_disabled"
    assert desk.outcome(desk.restart("m", revive=False)) == "module_disabled"
    assert desk.outcome(desk.stop("m")) == "done"


def test_a_module_that_cannot_run_says_why() -> None:
    desk = Desk(plan("m", problem=BROKEN))
    op = desk.start("m")
    [settled] = desk.pick(act.Settle)
    assert (settled.op, settled.code, settled.params["detail"]) == (op, "failed", "cannot run")
    assert desk.phase("m") is Phase.FAILED


def test_nothing_is_started_while_everything_stops() -> None:
    desk = Desk(plan("m"), plan("n"))
    desk.up("m", "n")
    desk.stop_everything(["m"], ["n"])
    assert desk.outcome(desk.start("m")) == "stopping"
    assert desk.outcome(desk.restart("n")) == "stopping"
    assert desk.outcome(desk.start("n")) == "stopping"


def test_an_unknown_module_is_nobodys_operation() -> None:
    desk = Desk()
    assert desk.tell(facts.StartRequested(module="ghost", op=1)) == []


def test_a_refused_start_leaves_the_one_before_alone() -> None:
    desk = Desk(plan("b"), plan("a", "b"))
    desk.up("b", "a")
    desk.stop("b")
    first = desk.stop("a")
    assert desk.outcome(desk.start("a")) == "dependency_stopped"
    assert desk.outcome(first) == "open"


# -- in vain ----------------------------------------------------------------------------------


def refusal(desk: Desk, op: int) -> act.Settle:
    [found] = [a for a in desk.log if isinstance(a, act.Settle) and a.op == op]
    return found


@pytest.mark.parametrize("is_there", [False, True], ids=["waiting", "starting"])
def test_a_start_that_waits_for_what_a_request_stops_is_told_at_once(is_there: bool) -> None:
    desk = Desk(plan("c"), plan("b", "c"), plan("a", "b"), doors=is_there)
    op = desk.start("a")
    assert desk.outcome(op) == "open"
    desk.stop("c")
    assert refusal(desk, op).code == "dependency_stopped"
    assert refusal(desk, op).params["dependency"] == "c"
    assert desk.phase("a") is Phase.WAITING, "it comes when that is started again"


def test_a_start_that_waits_for_what_fails_is_told_at_once_whether_it_is_tried_again() -> None:
    for retry in (False, True):
        desk = Desk(plan("c", restart=RestartRule(max=2, retry=retry)), plan("a", "c"))
        op = desk.start("a")
        desk.spawned("c")
        desk.crash("c")
        assert desk.outcome(op) == "open", "the first failure is no `failed`"
        desk.spawned("c")
        desk.crash("c")
        assert (desk.state("c").deadline is not None) == retry
        told = refusal(desk, op)
        assert (told.code, told.params["dependency"]) == ("failed", "c")
        assert "'c'" in told.params["detail"]


def test_a_start_that_needs_what_cannot_run_is_told_at_once() -> None:
    desk = Desk(plan("c", problem=BROKEN), plan("b", "c"), plan("a", "b"))
    told = refusal(desk, desk.start("a"))
    assert (told.code, told.params["dependency"]) == ("failed", "c")
    assert BROKEN.message in told.params["detail"]
    assert desk.state("a").desired.running


def test_a_start_whose_condition_is_met_minds_nothing() -> None:
    """`started` is met by what crashes later, and who waits for a place waits."""
    desk = Desk(plan("c"), plan("b"), plan("a", "c"), concurrency=1)
    desk.up("c")
    op = desk.start("a")
    assert desk.phase("a") is Phase.WAITING, "there is no place"
    assert desk.outcome(op) == "open"
    desk.up("b")
    desk.up("a")
    assert desk.outcome(op) == "done"


def test_a_finished_job_that_was_stopped_then_has_finished_all_the_same() -> None:
    job = plan("job", ready_by=ReadyBy.PROCESS, restart=RestartRule(policy=Policy.ON_FAILURE))
    desk = Desk(job, plan("a", "job:completed", config_state=ConfigState.MANUAL))
    desk.spawned("job")
    desk.exited("job", 0)
    desk.gone("job")
    desk.stop("job")
    op = desk.start("a")
    assert desk.spawns() == ["a"]
    desk.up("a")
    assert desk.outcome(op) == "done"


# -- dependencies -----------------------------------------------------------------------------


def test_a_start_starts_what_is_depended_on_for_this_run() -> None:
    manual = {"config_state": ConfigState.MANUAL}
    desk = Desk(plan("c", **manual), plan("b", "c", **manual), plan("a", "b", **manual))
    assert desk.spawns() == []
    desk.start("a")
    assert desk.spawns() == ["c"]
    assert [a.module for a in desk.pick(act.KeepDesired)] == ["a"]
    desk.up("c")
    desk.spawned("b")
    desk.ready("b")
    assert desk.spawns() == ["a"]
    for name in ("b", "c"):
        assert desk.state(name).desired == Desired(running=False, **manual)


def test_what_a_request_stopped_is_started_by_name_alone() -> None:
    desk = Desk(plan("b"), plan("a", "b"))
    desk.up("b", "a")
    for name in ("a", "b"):
        desk.stop(name)
        desk.exited(name)
        desk.gone(name)
    op = desk.start("a")
    [settled] = desk.pick(act.Settle)
    assert (settled.op, settled.code) == (op, "dependency_stopped")
    assert settled.params == {"module": "a", "dependency": "b"}
    desk.start("b")
    assert desk.spawns() == ["b"]


def test_a_distant_dependency_that_a_request_stopped_refuses_too() -> None:
    desk = Desk(plan("c"), plan("b", "c"), plan("a", "b"), doors=False)
    desk.stop("c")
    assert desk.outcome(desk.start("a")) == "dependency_stopped"


def test_a_running_module_whose_dependency_was_stopped_is_running() -> None:
    """Start of a running one is 200, whatever became of those it once waited for."""
    desk = Desk(plan("b"), plan("a", "b"))
    desk.up("b", "a")
    desk.stop("b")
    desk.exited("b")
    desk.gone("b")
    assert desk.outcome(desk.start("a")) == "done"
    assert desk.phase("a") is Phase.RUNNING


def test_a_running_module_whose_manifest_broke_is_running() -> None:
    desk = Desk(plan("m"))
    desk.up("m")
    desk.scan(plan("m", problem=BROKEN))
    assert desk.outcome(desk.start("m")) == "done"
    assert desk.outcome(desk.restart("m")) == "failed"
    assert desk.phase("m") is Phase.RUNNING


def test_stop_and_restart_touch_the_named_module_alone() -> None:
    desk = Desk(plan("b"), plan("a", "b"))
    desk.up("b", "a")
    desk.restart("b")
    desk.exited("b")
    desk.gone("b")
    desk.up("b")
    desk.stop("b")
    assert desk.phase("a") is Phase.RUNNING
    assert desk.life("a") == 1


def test_a_start_tries_a_failed_dependency_at_once() -> None:
    """Starting starts what is depended on: also what was given up, or could not be spawned."""
    once = RestartRule(max=1, retry=False)
    desk = Desk(plan("b", restart=once), plan("a", "b"))
    desk.spawned("b")
    desk.crash("b")
    assert desk.phase("b") is Phase.FAILED
    op = desk.start("a")
    assert desk.spawns() == ["b"]
    desk.up("b")
    desk.up("a")
    assert desk.outcome(op) == "done"


def test_a_start_forgets_the_failures_of_what_it_starts() -> None:
    desk = Desk(plan("b"), plan("a", "b"))
    for _ in range(2):
        desk.spawned("b")
        desk.crash("b")
    assert desk.phase("b") is Phase.BACKING_OFF
    desk.start("a")
    assert desk.spawns() == ["b"]
    desk.spawned("b")
    desk.crash("b")
    assert desk.spawns() == ["b"], "the first of a new count"


def test_a_start_does_not_run_a_finished_job_again() -> None:
    job = plan(
        "job",
        ready_by=ReadyBy.PROCESS,
        launch_timeout=None,
        restart=RestartRule(policy=Policy.NEVER),
    )
    desk = Desk(job, plan("a", "job:completed"))
    desk.spawned("job")
    desk.crash("job", 0)
    assert desk.spawns() == ["a"]
    desk.spawned("a")
    desk.stop("a")
    desk.exited("a")
    desk.gone("a")
    desk.start("a")
    assert desk.spawns() == ["a"]
    desk.start("job")
    assert desk.spawns() == ["job"]


# -- desired states and failures --------------------------------------------------------------


def test_stop_is_kept_as_a_request_and_start_lifts_that() -> None:
    desk = running()
    desk.stop("m")
    assert [a.desired for a in desk.pick(act.KeepDesired)] == [
        Desired(running=False, by_request=True)
    ]
    desk.stop("m")
    assert desk.pick(act.KeepDesired) == []
    desk.start("m")
    assert [a.desired for a in desk.pick(act.KeepDesired)] == [Desired(running=True)]


def test_a_restart_leaves_the_desired_state_of_what_runs_for_others() -> None:
    desk = Desk(plan("b", config_state=ConfigState.MANUAL), plan("a", "b"))
    desk.up("b", "a")
    desk.restart("b")
    assert desk.pick(act.KeepDesired) == []
    desk.exited("b")
    desk.gone("b")
    assert desk.spawns() == ["b"]


def test_a_start_forgets_failures() -> None:
    desk = backing_off()
    assert len(desk.state("m").history.failures) == 2
    desk.start("m")
    desk.spawned("m")
    desk.crash("m")
    assert desk.spawns() == ["m"], "the first in a new count is answered at once"
    desk = failed()
    assert desk.state("m").history.give_ups == 1
    desk.start("m")
    assert desk.state("m").history.give_ups == 0


def test_an_operation_on_a_crashing_module_waits_for_the_verdict() -> None:
    desk = Desk(plan("m", restart=RestartRule(max=2)))
    op = desk.start("m")
    desk.spawned("m")
    desk.crash("m")
    assert desk.outcome(op) == "open"
    desk.spawned("m")
    desk.crash("m")
    assert desk.outcome(op) == "failed"


# -- what the folders say ---------------------------------------------------------------------


def test_what_is_gone_is_not_started_while_it_is_being_ended() -> None:
    desk = running()
    desk.scan()
    assert desk.phase("m") is Phase.ASKED
    assert desk.outcome(desk.start("m")) == "unknown_module"
    assert desk.outcome(desk.restart("m")) == "unknown_module"
    desk.exited("m")
    desk.gone("m")
    assert "m" not in desk.supervisor.states


# -- what cannot run, or never did ------------------------------------------------------------


def told_of_stops(desk: Desk) -> list[str]:
    return [
        *(r for r in desk.records() if r.startswith("stopped")),
        *map(str, desk.published("module.stopped")),
    ]


def test_a_module_that_cannot_run_as_it_is_written_stays_failed_when_it_is_stopped() -> None:
    """CONTRACT, section 7: a module with an error of section 2 is `failed`."""
    desk = Desk(plan("m", problem=BROKEN))
    op = desk.stop("m")
    assert (desk.outcome(op), desk.phase("m"), told_of_stops(desk)) == ("done", Phase.FAILED, [])
    assert desk.state("m").problem == BROKEN
    assert not desk.state("m").desired.running
    desk.scan(plan("m", desired=desk.state("m").desired))
    assert (desk.phase("m"), desk.state("m").problem) == (Phase.STOPPED, None)


def test_a_module_that_broke_while_it_ran_stays_failed_too() -> None:
    desk = running()
    desk.scan(plan("m", problem=BROKEN))
    desk.crash("m")
    op = desk.stop("m")
    assert (desk.outcome(op), desk.phase("m"), told_of_stops(desk)) == ("done", Phase.FAILED, [])


def test_a_module_that_cannot_run_is_silenced_by_disabling_it() -> None:
    desk = Desk(plan("m", problem=BROKEN))
    desk.scan(plan("m", problem=BROKEN, config_state=ConfigState.DISABLED))
    assert (desk.phase("m"), told_of_stops(desk)) == (Phase.STOPPED, [])


def test_nothing_is_told_of_a_module_that_never_ran() -> None:
    """Lives count from 1."""
    desk = waiting()
    op = desk.stop("m")
    assert (desk.outcome(op), desk.phase("m"), told_of_stops(desk)) == ("done", Phase.STOPPED, [])
    desk = Desk(plan("m", restart=RestartRule(max=1)))
    desk.crash("m")
    desk.stop("m")
    assert [told["life"] for told in desk.published("module.stopped")] == [1]
