"""CONTRACT, section 7: "Stopping one" and "Stopping everything", branch by branch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervised import Desk, plan

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import Phase
from kite.launcher.core.stopping import LEAST_CLEANUP


def stopping(timeout: float = 10.0, *, connections: int = 1) -> Desk:
    desk = Desk(plan("m", stop_timeout=timeout))
    desk.up("m")
    desk.connected("m", connections)
    desk.stop("m")
    return desk


def comes_after(desk: Desk, kind: type, seconds: float) -> None:
    """The action is asked for then and not a moment before."""
    desk.wait(seconds - 0.01)
    assert not desk.pick(kind), f"{kind.__name__} came too early"
    desk.wait(0.01 + 1e-6)
    assert len(desk.pick(kind)) == 1, f"{kind.__name__} did not come in time"


# -- stopping one -----------------------------------------------------------------------------


def test_it_is_asked_by_name_life_reason_and_timeout() -> None:
    desk = stopping(timeout=7.0)
    assert desk.pick(act.AskToStop) == [
        act.AskToStop(module="m", life=1, reason="stop_requested", timeout=7.0)
    ]
    assert desk.records() == ["stopping m"]
    assert desk.published("module.stopping") == [
        {"module_id": "m", "life": 1, "reason": "stop_requested"}
    ]


def test_no_ack_the_signal_after_3_s_and_the_kill_5_s_later() -> None:
    desk = stopping()
    comes_after(desk, act.SignalStop, 3.0)
    comes_after(desk, act.EndTree, 5.0)


def test_ready_the_signal_at_once_and_the_kill_1_s_later() -> None:
    desk = stopping()
    desk.acked("m", 8.0)
    desk.wait(2.0)
    desk.cleaned("m")
    assert len(desk.pick(act.SignalStop)) == 1
    comes_after(desk, act.EndTree, 1.0)


def test_ready_without_an_ack_is_ready() -> None:
    desk = stopping()
    desk.cleaned("m")
    assert len(desk.pick(act.SignalStop)) == 1
    comes_after(desk, act.EndTree, 1.0)


def test_late_the_signal_after_the_estimate_and_the_kill_3_s_later() -> None:
    desk = stopping()
    desk.wait(2.9)
    desk.acked("m", 4.0)
    comes_after(desk, act.SignalStop, 4.0)
    comes_after(desk, act.EndTree, 3.0)


@pytest.mark.parametrize(
    ("estimate", "waits"),
    [(1e9, 10.0), (float("inf"), 10.0), (-5.0, LEAST_CLEANUP), (0.0, LEAST_CLEANUP), (9.9, 9.9)],
)
def test_the_timeout_bounds_the_estimate(estimate: float, waits: float) -> None:
    desk = stopping()
    desk.acked("m", estimate)
    comes_after(desk, act.SignalStop, waits)


def test_an_estimate_that_is_no_number_is_none() -> None:
    desk = stopping()
    desk.acked("m", float("nan"))
    due = desk.supervisor.next_deadline()
    assert due is not None
    assert desk.now <= due <= desk.now + 10.0


def test_a_timeout_below_the_least_cleanup_holds() -> None:
    desk = stopping(timeout=0.2)
    desk.acked("m", 5.0)
    comes_after(desk, act.SignalStop, 0.2)


def test_a_second_ack_and_a_late_ready_change_nothing() -> None:
    desk = stopping()
    desk.acked("m", 1.0)
    assert desk.acked("m", 9.0) == []
    desk.wait(1.0)
    assert desk.phase("m") is Phase.ENDING
    assert desk.cleaned("m") == []
    comes_after(desk, act.EndTree, 3.0)


def test_an_ack_or_ready_without_a_shutdown_is_idle_talk() -> None:
    desk = Desk(plan("m"))
    desk.up("m")
    assert desk.acked("m", 1.0) == []
    assert desk.cleaned("m") == []
    assert desk.phase("m") is Phase.RUNNING


@pytest.mark.parametrize("timeout", [0.5, 10.0, 120.0])
def test_without_a_connection_the_signal_at_once_and_the_kill_after_its_timeout(
    timeout: float,
) -> None:
    desk = stopping(timeout, connections=0)
    assert desk.pick(act.AskToStop) == []
    assert len(desk.pick(act.SignalStop)) == 1
    comes_after(desk, act.EndTree, timeout)


def test_a_module_that_exits_by_itself_after_its_shutdown_is_cleanly_stopped() -> None:
    desk = stopping()
    desk.exited("m", 7)
    assert desk.pick(act.EndTree) == [act.EndTree(module="m", life=1, grace=1.0)]
    desk.gone("m")
    assert desk.published("module.stopped") == [
        {"module_id": "m", "life": 1, "reason": "stop_requested", "exit_code": 7}
    ]
    assert not desk.published("module.failed", desk.log)
    assert desk.state("m").history.failures == []


def test_one_without_a_process_is_stopped_at_once() -> None:
    desk = Desk(plan("m"), doors=False)
    assert desk.outcome(desk.stop("m")) == "done"


def test_a_starting_one_that_has_connected_is_asked() -> None:
    desk = Desk(plan("m"))
    desk.spawned("m")
    desk.connected("m")
    desk.stop("m")
    assert desk.pick(act.AskToStop)


# -- stopping everything ----------------------------------------------------------------------


def everything(
    *layers: str, timeout: float = 100.0, budget: float = 10.0, connections: int = 1
) -> Desk:
    """Each layer is a string of one-letter names."""
    names = "".join(layers)
    desk = Desk(*(plan(name, stop_timeout=timeout) for name in names))
    desk.up(*names)
    for name in names:
        desk.connected(name, connections)
    desk.stop_everything(*layers, budget=budget)
    return desk


def test_a_layer_has_the_time_left_divided_by_the_layers_left() -> None:
    desk = everything("a", "b", "c", "d")
    shares = []
    for name, takes in (("a", 0.5), ("b", 0.5), ("c", 3.0), ("d", 0.0)):
        [asked] = desk.pick(act.AskToStop)
        shares.append(round(asked.timeout, 6))
        assert (asked.module, asked.reason) == (name, "system_shutdown")
        desk.wait(takes)
        desk.exited(name)
        desk.gone(name)
    assert shares == [2.5, round(9.5 / 3, 6), 4.5, 6.0]


@pytest.mark.parametrize(("layers", "third"), [(("a",), 3.0), (("a", "b"), 5 / 3)])
def test_without_an_ack_the_signal_after_a_third_of_the_share_but_3_s_at_most(
    layers: tuple[str, ...], third: float
) -> None:
    desk = everything(*layers)
    comes_after(desk, act.SignalStop, third)
    share = 10.0 / len(layers)
    comes_after(desk, act.EndTree, min(5.0, share - third))


def test_the_kill_comes_at_the_end_of_the_share_at_the_latest() -> None:
    desk = everything("a", "b", "c", "d", "e")  # 2 s each
    desk.acked("a", 100.0)
    desk.wait(1.999)
    assert not desk.pick(act.EndTree)
    desk.wait(0.001)
    assert desk.pick(act.EndTree) == [act.EndTree(module="a", life=1)]


def test_a_cleanup_ends_early_enough_for_the_signal_to_be_heard() -> None:
    desk = everything("a")
    desk.acked("a", 100.0)
    comes_after(desk, act.SignalStop, 7.0)
    comes_after(desk, act.EndTree, 3.0)


def test_without_a_connection_the_kill_comes_at_the_end_of_the_share() -> None:
    desk = everything("a", "b", connections=0)
    assert len(desk.pick(act.SignalStop)) == 1
    comes_after(desk, act.EndTree, 5.0)


def test_children_have_no_longer_than_the_share() -> None:
    desk = everything("a")
    desk.wait(2.0)
    desk.cleaned("a")
    desk.exited("a")
    assert desk.pick(act.EndTree)[0].grace == 1.0
    desk = everything("a", connections=0)
    desk.wait(9.75)
    desk.exited("a")
    assert desk.pick(act.EndTree)[0].grace == pytest.approx(0.25)


@pytest.mark.parametrize("phase", ["asked", "cleaning", "ending", "sweeping"])
def test_who_is_being_ended_already_falls_under_the_bound(phase: str) -> None:
    desk = Desk(plan("a", stop_timeout=60.0))
    desk.up("a")
    desk.connected("a", 0 if phase == "ending" else 1)
    op = desk.restart("a")
    if phase == "cleaning":
        desk.acked("a", 60.0)
    elif phase == "sweeping":
        desk.exited("a")
    desk.stop_everything(["a"], budget=2.0)
    assert desk.outcome(op) == "stopping"
    if phase != "sweeping":
        desk.wait(1.99)
        assert desk.phase("a") is Phase.ENDING
        comes_after(desk, act.EndTree, 0.0101)
        desk.exited("a", signal=9)
    desk.gone("a")
    assert desk.phase("a") is Phase.STOPPED, "the restart is off"
    assert desk.pick(act.EverythingStopped)


def test_no_time_at_all_is_enough_to_kill() -> None:
    desk = everything("ab", budget=0.0)
    desk.wait(0.0)
    assert sorted(a.module for a in desk.pick(act.EndTree)) == ["a", "b"]


@given(
    layers=st.integers(1, 6),
    budget=st.floats(0.0, 10.0),
    answers=st.lists(
        st.sampled_from(["silent", "ack", "clean", "exit", "deaf", "fall"]), min_size=6, max_size=6
    ),
)
def test_everything_is_over_within_the_budget(
    layers: int, budget: float, answers: list[str]
) -> None:
    """Whatever modules do, but for SIGKILL, which they obey."""
    names = "abcdef"[:layers]
    desk = Desk(*(plan(name, stop_timeout=60.0) for name in names))
    desk.up(*names)
    for name, answer in zip(names, answers, strict=False):
        if answer == "deaf":
            desk.connected(name, 0)
    began = desk.now
    desk.stop_everything(*names, budget=budget)
    shares: list[float] = []
    for name, answer in zip(names, answers, strict=False):
        if desk.phase(name) is Phase.ASKED:
            shares += [a.timeout for a in desk.log if isinstance(a, act.AskToStop)][-1:]
            match answer:
                case "ack":
                    desk.acked(name, 1e6)
                case "clean":
                    desk.acked(name, 0.5)
                    desk.cleaned(name)
                case "exit":
                    desk.exited(name)
                case "fall":
                    desk.exited(name, signal=11)
        while desk.phase(name) is not Phase.SWEEPING:
            due = desk.supervisor.next_deadline()
            assert due is not None
            desk.now = max(desk.now, due)
            desk.tell(facts.TimePassed())
        sweep = [a for a in desk.log if isinstance(a, act.EndTree) and a.module == name][-1]
        if answer not in ("exit", "fall"):
            desk.exited(name, signal=9)
        desk.now += sweep.grace  # its children take all the time they are given
        desk.gone(name)
    assert len([a for a in desk.log if isinstance(a, act.EverythingStopped)]) == 1
    assert desk.now - began <= budget + 1e-6
    assert all(0.0 <= share <= budget + 1e-6 for share in shares)


# -- a Launcher that could not run ------------------------------------------------------------


def late(desk: Desk, seconds: float) -> list[act.Action]:
    """Everybody stands still beyond the next deadline, and the Launcher wakes up."""
    due = desk.supervisor.next_deadline()
    assert due is not None
    desk.now = due + seconds
    return desk.tell(facts.TimePassed(late=seconds))


def test_who_was_suspended_with_the_launcher_has_its_launch_timeout_again() -> None:
    desk = Desk(plan("m", launch_timeout=15.0))
    desk.spawned("m")
    assert late(desk, 45.0) == []
    assert desk.wait(14.9) == []
    late(desk, 0.5)  # that is a machine that is busy, and no suspension
    assert "start_failed m" in desk.records()


def test_nobody_is_killed_by_a_deadline_that_the_launcher_slept_through() -> None:
    desk = stopping()
    desk.acked("m", 8.0)
    desk.cleaned("m")
    assert late(desk, 45.0) == []
    comes_after(desk, act.EndTree, 1.0)
