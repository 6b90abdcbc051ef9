"""What the supervisor can say about a module's state."""

from __future__ import annotations

from supervised import Desk, plan

from kite.launcher.core.explanation import Explanation
from kite.launcher.core.lifecycle import CrashLoop
from kite.launcher.core.plan import Condition, RestartRule
from kite.launcher.core.restart import GiveUp, RestartIn


def explained(desk: Desk, name: str) -> Explanation:
    return desk.supervisor.explain(name, desk.now)


def test_who_waits_for_whom_to_the_end() -> None:
    desk = Desk(plan("a"), plan("b", "a:started", "x"), plan("c", "b"), plan("x", "a"))
    found = explained(desk, "c")
    assert [(each.name, each.condition) for each in found.missing] == [("b", Condition.READY)]
    (b,) = found.missing
    assert [(each.name, each.actual_state) for each in b.missing] == [("x", "waiting")]
    assert [each.name for each in b.missing[0].missing] == ["a"]
    assert b.missing[0].missing[0].actual_state == "starting"
    assert explained(desk, "a").wanted_by == ("b", "x")


def test_since_when_a_state_lasts() -> None:
    desk = Desk(plan("a"), plan("b", "a"))
    began = desk.now
    desk.wait(3)
    assert explained(desk, "b").since == began
    desk.spawned("a")
    assert explained(desk, "a").since == began, "its process is there, and it is starting still"
    desk.ready("a")
    assert explained(desk, "a").since == explained(desk, "b").since == began + 3
    desk.wait(2)
    desk.exited("a")
    assert (desk.state("a").actual_state, explained(desk, "a").since) == ("backing_off", began + 5)
    desk.wait(1)
    desk.gone("a")
    assert (desk.state("a").actual_state, explained(desk, "a").since) == ("starting", began + 6)


def test_a_stop_of_one_that_is_swept_changes_its_state() -> None:
    desk = Desk(plan("a"))
    desk.up("a")
    desk.exited("a")
    desk.wait(1)
    desk.stop("a")
    assert desk.state("a").actual_state == "stopping"
    assert explained(desk, "a").since == desk.now


def test_one_that_lacks_only_a_place() -> None:
    desk = Desk(plan("a"), plan("b"), concurrency=1)
    found = explained(desk, "b")
    assert (found.lacks_place, found.missing) == (True, ())
    desk.wait(4)
    desk.up("a")
    (record,) = [one for one in desk.log if getattr(one, "event", "") == "starting"][-1:]
    assert record.fields == {"life": 1, "waited": 4.0, "place": 4.0}


def test_what_it_waited_for_is_told_when_it_starts() -> None:
    desk = Desk(plan("a"), plan("b"), plan("c", "a", "b"))
    (waiting,) = [one for one in desk.log if getattr(one, "event", "") == "waiting"]
    assert waiting.fields == {"for": ["a", "b"]}
    desk.wait(1)
    desk.up("b")
    desk.wait(2)
    desk.up("a")
    started = [one for one in desk.log if getattr(one, "event", "") == "starting"][-1]
    assert started.fields == {"life": 1, "waited": 3.0, "after": ["a"]}


def test_before_the_doors_are_open_nobody_lacks_a_place() -> None:
    desk = Desk(plan("a"), doors=False)
    found = explained(desk, "a")
    assert (found.doors_open, found.lacks_place) == (False, False)


def test_a_crash_loop_in_numbers() -> None:
    desk = Desk(plan("a", restart=RestartRule(window=75.0)), chance=0.5)
    desk.up("a")
    assert explained(desk, "a").next_verdict == RestartIn(0.0)
    assert explained(desk, "a").forgiven_at == desk.now + 75.0
    desk.crash("a")
    desk.up("a")
    assert explained(desk, "a").next_verdict == RestartIn(1.0, 1.0)
    desk.crash("a")
    found = explained(desk, "a")
    assert (len(found.failures), found.counted, found.give_ups) == (2, 2, 0)
    assert found.verdict == RestartIn(0.55, 1.0)
    assert found.next_verdict == GiveUp(60.0, 60.0)
    desk.wait(1)
    desk.up("a")
    desk.crash("a")
    found = explained(desk, "a")
    assert (found.crash_loop, found.give_ups) == (CrashLoop.OPEN, 1)
    assert found.verdict == GiveUp(45.0, 60.0)
    assert found.next_verdict == GiveUp(120.0, 120.0)


def test_nothing_is_foreseen_of_what_cannot_fail() -> None:
    desk = Desk(plan("a"), plan("job", is_job=True, launch_timeout=None))
    desk.stop("a")
    assert explained(desk, "a").next_verdict is None


def test_a_circle_of_waiting_ends() -> None:
    """Manifests in a circle are errors and never wait; the explanation ends all the same."""
    desk = Desk(plan("a", "b"), plan("b", "a"))
    found = explained(desk, "a")
    assert found.missing[0].name == "b"
    assert found.missing[0].missing[0].missing == ()
