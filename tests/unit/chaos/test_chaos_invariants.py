"""Each invariant catches what it is there for, and nothing that is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kite.chaos.being import GUARD, LAUNCHER, Being
from kite.chaos.invariants import Answer, Look, Watch, told_truly, unready

TOP = (
    Being(pid=10, start_time=1, parent=1, role=GUARD),
    Being(pid=11, start_time=1, parent=10, role=LAUNCHER),
)


def life(module: str, number: int, *, pid: int, instance: str = "now", **more: Any) -> Being:
    fields: dict[str, Any] = {"parent": 11, "mark": 1000 + pid // 10, "is_leader": True}
    return Being(
        pid=pid,
        start_time=pid,
        module=module,
        life=number,
        instance=instance,
        **(fields | more),
    )


def record(name: str, state: str = "running", **more: Any) -> dict[str, Any]:
    base = {"name": name, "desired_state": "running", "pid": None, "next_try": None, "error": None}
    return {**base, "actual_state": state, "exit_code": None, **more}


def answer(*records: dict[str, Any], instance: str = "now", phase: str = "running") -> Answer:
    return Answer(
        instance=instance, phase=phase, records={record["name"]: record for record in records}
    )


def look(at: float, *beings: Being, said: Answer | None = None, **more: Any) -> Look:
    return Look(at=at, beings=beings, answer=said, **more)


def names(watch: Watch, *looks: Look) -> list[str]:
    return [violation.invariant for each in looks for violation in watch.see(each)]


# -- lives ----------------------------------------------------------------------------------------


def test_all_is_well() -> None:
    watch = Watch()
    members = (life("a", 1, pid=20), life("a", 1, pid=21, is_leader=False), life("b", 3, pid=30))
    assert names(watch, *(look(at, *TOP, *members, said=answer()) for at in range(10))) == []


def test_two_lives_of_a_module() -> None:
    (found,) = Watch().see(look(0, *TOP, life("a", 1, pid=20), life("a", 2, pid=30), said=answer()))
    assert found.invariant == "one_life"
    assert "a life 1 (pid 20); a life 2 (pid 30)" in found.text


def test_what_is_left_of_a_life_counts_though_its_leader_is_gone() -> None:
    child = life("a", 1, pid=21, is_leader=False)
    assert names(Watch(), look(0, *TOP, child, life("a", 2, pid=30))) == ["one_life"]


def test_replicas_may_be_several_and_a_rolling_restart_two() -> None:
    watch = Watch({"a": 2})
    two = (life("a", 1, pid=20), life("a", 2, pid=30))
    assert names(watch, look(0, *TOP, *two)) == []
    assert names(watch, look(1, *TOP, *two, life("a", 3, pid=40))) == ["one_life"]
    watch.allow("a", 3)
    assert names(watch, look(2, *TOP, *two, life("a", 3, pid=40))) == []


def test_lives_of_two_runs_are_no_two_lives_but_leftovers() -> None:
    both = (life("a", 1, pid=20, instance="before"), life("a", 1, pid=30))
    assert names(Watch(), look(0, *TOP, *both)) == []
    assert names(Watch(), look(0, *TOP, *both, said=answer())) == ["no_leftovers"]


def test_two_launchers() -> None:
    second = replace(TOP[1], pid=12)
    others = (life("a", 1, pid=20), life("b", 1, pid=30, parent=12))
    assert names(Watch(), look(0, *TOP, second, *others)) == ["one_launcher"]
    # One that comes second and goes again has started nothing.
    assert names(Watch(), look(0, *TOP, second, others[0])) == []


# -- orphans --------------------------------------------------------------------------------------


def test_something_lives_on_without_a_launcher() -> None:
    watch, orphan = Watch(), life("a", 1, pid=20)
    assert names(watch, look(0, *TOP, orphan), look(1, TOP[0], orphan)) == []
    assert names(watch, look(2, TOP[0], orphan), look(3.1, TOP[0], orphan)) == ["no_orphans"]


def test_who_is_ended_in_time_is_no_orphan() -> None:
    watch, orphan = Watch(), life("a", 1, pid=20)
    looks = (look(0, *TOP, orphan), look(1, TOP[0], orphan), look(3.5, TOP[0]))
    assert names(watch, *looks) == []


def test_a_guard_that_is_stopped_has_its_time_afterwards() -> None:
    watch, orphan = Watch(), life("a", 1, pid=20)
    stopped = replace(TOP[0], state="T")
    assert names(watch, *(look(at, stopped, orphan) for at in range(9))) == []
    assert names(watch, look(9, TOP[0], orphan), look(11, TOP[0], orphan)) == []
    assert names(watch, look(12, TOP[0], orphan)) == ["no_orphans"]


def test_a_look_that_comes_late_blames_nobody() -> None:
    watch, orphan = Watch(), life("a", 1, pid=20)
    assert names(watch, look(1, TOP[0], orphan), look(9, TOP[0], orphan, lag=7.5)) == []


def test_without_a_guard_leaders_die_at_once_and_their_trees_at_the_next_start() -> None:
    child = life("a", 1, pid=21, is_leader=False)
    looks = [look(at, child, lacks_guard=True) for at in range(9)]
    assert names(Watch(), *looks) == []
    leader = life("a", 1, pid=20)
    looks = [look(at, leader, child, lacks_guard=True) for at in range(4)]
    assert "no_orphans" in names(Watch(), *looks)


def test_a_guard_that_goes_before_all_is_ended_is_no_excuse() -> None:
    child = life("a", 1, pid=21, is_leader=False)
    assert "no_orphans" in names(Watch(), *(look(at, child) for at in range(4)))


# -- answers --------------------------------------------------------------------------------------


def test_a_launcher_that_runs_and_does_not_answer() -> None:
    watch = Watch()
    assert names(watch, *(look(at, *TOP, announced=11) for at in range(16))) == []
    assert names(watch, look(16, *TOP, announced=11)) == ["api_answers"]
    said = look(17, *TOP, said=answer(), announced=11)
    assert names(watch, said, look(18, *TOP, announced=11)) == []


def test_a_launcher_that_starts_or_is_about_to_end_has_no_api() -> None:
    assert names(Watch(), *(look(at, *TOP) for at in range(60))) == []


@pytest.mark.parametrize("how", ["stopped", "hindered"])
def test_a_launcher_that_is_stopped_cannot_answer(how: str) -> None:
    top = TOP if how == "hindered" else (TOP[0], replace(TOP[1], state="T"))
    watch = Watch()
    assert (
        names(
            watch,
            *(look(at, *top, announced=11, is_hindered=how == "hindered") for at in range(30)),
        )
        == []
    )


def test_nobody_answers_where_nobody_is() -> None:
    assert names(Watch(), *(look(at) for at in range(30))) == []


# -- calm -----------------------------------------------------------------------------------------


def test_what_is_wanted_is_ready_a_job_done_or_waiting_for_its_time() -> None:
    well = (
        record("launcher"),
        record("a", pid=20),
        record("done", "stopped", exit_code=0),
        record("clock", "stopped", next_try="2026-01-01T00:00:00Z"),
        record("off", "stopped", desired_state="stopped"),
        record("needed", pid=30, desired_state="stopped"),
    )
    assert unready(answer(*well)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        record("a", "backing_off"),
        record("a", "starting", pid=20),
        record("a", "failed", error="given up"),
        record("a", "stopped", exit_code=1),
        record("a", "stopping", pid=20, desired_state="stopped"),
    ],
    ids=lambda wrong: wrong["actual_state"],
)
def test_what_is_not_well_is_named(wrong: dict[str, Any]) -> None:
    (text,) = unready(answer(wrong))
    assert text.startswith(f"a {wrong['actual_state']}")


def test_of_replicas_every_one_is_ready() -> None:
    two = [{"replica": 0, "actual_state": "running"}, {"replica": 1, "actual_state": "starting"}]
    assert unready(answer(record("a", pid=20, replicas=two))) == ["a replica 1 starting"]


def test_a_phase_that_goes_on_is_not_calm() -> None:
    assert unready(answer(phase="modules")) == ["phase modules"]


def test_what_is_told_is_true() -> None:
    being = life("a", 1, pid=20)
    assert told_truly(look(0, *TOP, being, said=answer(record("a", pid=20)))) == []
    (gone,) = told_truly(look(0, *TOP, said=answer(record("a", pid=20))))
    assert "is not there" in gone.text
    (other,) = told_truly(look(0, *TOP, being, said=answer(record("b", pid=20))))
    assert "which is a life 1" in other.text
