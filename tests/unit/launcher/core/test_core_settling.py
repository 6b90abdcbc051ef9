"""Whether the system has come up, as far as it will by itself."""

from __future__ import annotations

from supervised import Desk, plan

from kite.launcher.core import facts
from kite.launcher.core.plan import ConfigState, Policy, Problem, ReadyBy, RestartRule
from kite.launcher.core.settling import Settlement, is_settled, settlement

WRONG = Problem(code="unreadable_manifest", text="no")


def told(desk: Desk) -> tuple[bool, tuple[str, ...]]:
    found: Settlement = settlement(desk.supervisor)
    assert is_settled(desk.supervisor) == found.settled
    return found.settled, found.unready


def test_nothing_to_run_has_come_up() -> None:
    assert told(Desk()) == (True, ())
    assert told(Desk(plan("m", config_state=ConfigState.MANUAL))) == (True, ())
    assert told(Desk(plan("m", config_state=ConfigState.DISABLED))) == (True, ())


def test_not_before_the_last_is_ready() -> None:
    desk = Desk(plan("b"), plan("a", "b"))
    assert told(desk) == (False, ("b", "a"))
    desk.spawned("b")
    assert told(desk) == (False, ("b", "a"))
    desk.up("b")
    assert told(desk) == (False, ("a",))
    desk.up("a")
    assert told(desk) == (True, ())


def test_a_crash_on_the_way_is_waited_for() -> None:
    desk = Desk(plan("a"))
    desk.spawned("a")
    desk.crash("a")
    desk.spawned("a")
    desk.crash("a")
    assert desk.state("a").actual_state == "backing_off"
    assert told(desk) == (False, ("a",))


def test_the_failed_and_who_waits_for_them_are_named() -> None:
    desk = Desk(plan("c", problem=WRONG), plan("b", "c"), plan("a", "b"), plan("fine"))
    assert told(desk) == (False, ("c", "b", "a", "fine"))
    desk.up("fine")
    assert told(desk) == (True, ("c", "b", "a"))


def test_who_waits_for_what_was_stopped_is_named() -> None:
    desk = Desk(plan("b"), plan("a", "b"), doors=False)
    desk.stop("b")
    assert told(desk) == (True, ("a",))


def test_who_waits_for_several_waits_no_longer_than_for_the_one_that_never_comes() -> None:
    desk = Desk(plan("slow"), plan("dead", problem=WRONG), plan("a", "slow", "dead"))
    assert told(desk) == (False, ("dead", "a", "slow"))
    desk.up("slow")
    assert told(desk) == (True, ("dead", "a"))


def test_a_manual_dependency_that_failed_is_told_by_who_waits_for_it() -> None:
    once = RestartRule(max=1)
    desk = Desk(plan("b", config_state=ConfigState.MANUAL, restart=once), plan("a", "b"))
    desk.spawned("b")
    assert told(desk) == (False, ("a",))
    desk.crash("b")
    assert told(desk) == (True, ("a",))


def test_jobs_and_schedules() -> None:
    rule = RestartRule(policy=Policy.ON_FAILURE, max=1)
    job = {"ready_by": ReadyBy.PROCESS, "launch_timeout": None, "restart": rule}
    desk = Desk(
        plan("job", **job), plan("night", is_scheduled=True, **job), plan("a", "job:completed")
    )
    desk.spawned("job")
    assert told(desk) == (False, ("a",)), "its job runs and may take hours"
    desk.crash("job", 0)
    desk.up("a")
    assert told(desk) == (True, ())
    desk.tell(facts.RunDue(module="night"))
    desk.spawned("night")
    assert told(desk) == (True, ())
    desk.crash("night", 1)
    assert told(desk) == (True, ("night",))


def test_who_cannot_be_found_is_not_waited_for() -> None:
    desk = Desk(plan("a", "ghost"))
    assert told(desk) == (True, ("a",))


def test_a_restart_is_waited_for() -> None:
    desk = Desk(plan("a"))
    desk.up("a")
    desk.restart("a")
    assert told(desk) == (False, ("a",))
    desk.exited("a")
    desk.gone("a")
    desk.up("a")
    assert told(desk) == (True, ())
