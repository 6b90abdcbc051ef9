"""Runs that come due while the last one is not over."""

from __future__ import annotations

from supervised import Desk, plan

from kite.launcher.core import facts
from kite.launcher.core.lifecycle import Phase
from kite.launcher.core.plan import Policy, ReadyBy, RestartRule


def nightly(*, makes_up: bool) -> Desk:
    return Desk(
        plan(
            "m",
            is_job=True,
            is_scheduled=True,
            makes_up=makes_up,
            ready_by=ReadyBy.PROCESS,
            launch_timeout=None,
            restart=RestartRule(policy=Policy.ON_FAILURE),
        )
    )


def due(desk: Desk) -> None:
    desk.tell(facts.RunDue(module="m"))


def test_any_number_of_missed_runs_is_made_up_for_with_one() -> None:
    desk = nightly(makes_up=True)
    due(desk)
    desk.spawned("m")
    due(desk)
    due(desk)
    desk.crash("m", 0)
    assert (desk.life("m"), desk.phase("m")) == (2, Phase.STARTING)
    desk.spawned("m")
    desk.crash("m", 0)
    assert (desk.life("m"), desk.phase("m")) == (2, Phase.STOPPED)


def test_with_skip_it_waits_for_the_next() -> None:
    desk = nightly(makes_up=False)
    due(desk)
    desk.spawned("m")
    due(desk)
    desk.crash("m", 0)
    assert (desk.life("m"), desk.phase("m")) == (1, Phase.STOPPED)


def test_it_follows_when_a_run_that_failed_has_been_mended() -> None:
    desk = nightly(makes_up=True)
    due(desk)
    desk.spawned("m")
    due(desk)
    desk.crash("m", 1)
    assert desk.life("m") == 2, "it is tried again as the restart rule says"
    desk.spawned("m")
    desk.crash("m", 0)
    assert desk.life("m") == 3


def test_a_stop_request_takes_it_back() -> None:
    desk = nightly(makes_up=True)
    due(desk)
    desk.spawned("m")
    due(desk)
    desk.stop("m")
    desk.exited("m", 0)
    desk.gone("m")
    assert (desk.life("m"), desk.phase("m")) == (1, Phase.STOPPED)
    desk.start("m")
    desk.spawned("m")
    desk.crash("m", 0)
    assert desk.life("m") == 2


def test_a_run_by_hand_takes_a_due_one_along() -> None:
    """`kite start` runs it now; what comes due while it runs follows it."""
    desk = nightly(makes_up=True)
    desk.start("m")
    desk.spawned("m")
    due(desk)
    desk.crash("m", 0)
    assert desk.life("m") == 2
