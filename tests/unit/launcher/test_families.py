"""Which process is of which life, decided from facts alone."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.families import families
from kite.launcher.kin import Kin
from kite.launcher.platform_linux import Stat, new_mark

ME = 100
A, B, FOREIGN = new_mark(7, 1), new_mark(7, 2), new_mark(8, 1)
KINS = (
    Kin(pid=200, start_time=1000, mark=A, instance="i", module="a"),
    Kin(pid=300, start_time=1000, mark=B, instance="i", module="b"),
)


def process(
    pid: int, *, parent: int = 1, session: int = 0, started: int = 1000, state: str = "S"
) -> Stat:
    return Stat(pid, state, parent, session, session, started)


LEADERS = (
    process(ME, parent=1, session=99),
    process(200, parent=ME, session=200),
    process(300, parent=ME, session=300),
)


def found(*others: Stat, marks: Mapping[int, int] | None = None) -> dict[int, list[int]]:
    carried = {200: A, 300: B, **(marks or {})}
    processes = {each.pid: each for each in (*LEADERS, *others)}
    return families(KINS, processes, me=ME, mark_of=carried.get)


def test_each_has_its_own() -> None:
    child, hidden = process(201, parent=200, session=200), process(202)
    assert found(child, hidden, marks={201: A, 202: A}) == {0: [ME], A: [200, 201, 202], B: [300]}


def test_what_lost_the_mark_is_known_by_its_session_and_its_ancestors() -> None:
    lost, below = process(201, session=200), process(301, parent=300, session=301)
    assert found(lost, below, process(302, parent=301)) == {
        0: [ME],
        A: [200, 201],
        B: [300, 301, 302],
    }


def test_what_is_nobodys_below_the_launcher_is_counted_with_it() -> None:
    assert found(process(400, parent=ME), process(401, parent=400))[0] == [ME, 400, 401]


def test_strangers_and_the_dead_are_nobodys() -> None:
    stranger, zombie = process(400), process(201, parent=200, state="Z")
    assert found(stranger, zombie, marks={400: FOREIGN, 201: A}) == {0: [ME], A: [200], B: [300]}


def test_while_it_forks_the_launcher_carries_the_mark_of_its_next_child() -> None:
    assert found(marks={ME: A}) == {0: [ME], A: [200], B: [300]}


def test_a_leader_whose_pid_has_gone_to_a_stranger_has_no_session() -> None:
    processes = {200: process(200, started=5000), 201: process(201, session=200)}
    assert families(KINS, processes, me=ME, mark_of=dict[int, int]().get) == {0: [], A: [], B: []}


@given(
    st.dictionaries(
        st.integers(1, 30),
        st.tuples(st.integers(0, 30), st.sampled_from([None, A, B, FOREIGN])),
    )
)
def test_nobody_is_counted_twice_whatever_the_parents_say(
    told: dict[int, tuple[int, int | None]],
) -> None:
    """Two looks at a pid that was used anew may make a circle."""
    processes = {pid: process(pid, parent=parent) for pid, (parent, _) in told.items()}
    marks = {pid: mark for pid, (_, mark) in told.items()}
    by_mark = families(KINS, processes, me=1, mark_of=marks.get)
    counted = [pid for pids in by_mark.values() for pid in pids]
    assert len(counted) == len(set(counted))
    assert {pid for pid, mark in marks.items() if mark in (A, B) and pid != 1} <= {
        *by_mark[A],
        *by_mark[B],
    }
