"""Who belongs to a life's tree, decided from facts alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.descent import descendants
from kite.launcher.kin import Kin, find
from kite.launcher.platform_linux import Stat, is_mark, new_mark, salt_of

ME = 100
OURS = new_mark(7, 1)
SIBLING = new_mark(7, 2)
FOREIGN = new_mark(8, 1)
KIN = Kin(pid=200, start_time=1000, mark=OURS, instance="i", module="m")
KITE_ENV = {"KITE_INSTANCE": "i", "KITE_MODULE": "m"}


def process(
    pid: int,
    *,
    parent: int = 1,
    session: int = 0,
    group: int = 0,
    started: int = 2000,
    state: str = "S",
) -> Stat:
    return Stat(pid, state, parent, group, session, started)


def kin_of(
    *processes: Stat,
    marks: Mapping[int, int] | None = None,
    environments: Mapping[int, Mapping[str, str]] | None = None,
    leaders: tuple[int, ...] = (200,),
) -> set[int]:
    return find(
        KIN,
        {p.pid: p for p in processes},
        me=ME,
        leaders=leaders,
        mark_of=(marks or {}).get,
        environment=(environments or {}).get,
    )


LEADER = process(200, parent=ME, session=200, group=200, started=1000)


def test_the_mark_finds_what_left_session_group_and_environment() -> None:
    hidden = process(300, parent=1, session=300, group=300)
    assert kin_of(LEADER, hidden, marks={300: OURS, 200: OURS}) == {200, 300}


def test_session_and_group_find_what_lost_the_mark() -> None:
    assert kin_of(LEADER, process(300, session=200), process(301, group=200)) == {200, 300, 301}


def test_a_session_whose_leader_is_gone_may_be_a_strangers() -> None:
    assert kin_of(process(300, session=200)) == set()
    reused = process(200, parent=1, session=200, group=200, started=5000)
    assert kin_of(reused, process(300, session=200)) == set()


def test_a_dead_leader_still_holds_its_session() -> None:
    zombie = process(200, parent=ME, session=200, group=200, started=1000, state="Z")
    assert kin_of(zombie, process(300, session=200)) == {200, 300}


def test_descendants_are_kin_wherever_they_went() -> None:
    child = process(300, parent=200, session=300)
    grandchild = process(301, parent=300, session=301)
    assert kin_of(LEADER, child, grandchild) == {200, 300, 301}


def test_an_adopted_orphan_is_known_by_its_environment() -> None:
    orphan = process(300, parent=ME, session=300)
    other = process(301, parent=ME, session=301)
    environments = {300: KITE_ENV, 301: {**KITE_ENV, "KITE_MODULE": "n"}}
    assert kin_of(LEADER, orphan, other, environments=environments) == {200, 300}


def test_the_environment_of_somebody_elses_child_proves_nothing() -> None:
    assert kin_of(LEADER, process(300, parent=1), environments={300: KITE_ENV}) == {200}


@pytest.mark.parametrize("marks", [{400: SIBLING}, {}])
def test_another_life_of_the_same_module_is_a_stranger(marks: dict[int, int]) -> None:
    replica = process(400, parent=ME, session=400)
    below = process(401, parent=400, session=400)
    found = kin_of(
        LEADER,
        replica,
        below,
        marks=marks,
        environments={400: KITE_ENV, 401: KITE_ENV},
        leaders=(200, 400),
    )
    assert found == {200}


def test_a_kite_inside_the_module_belongs_to_it_with_all_its_own() -> None:
    inner = process(300, parent=200, session=300)
    below = process(301, parent=300, session=301)
    assert kin_of(LEADER, inner, below, marks={301: FOREIGN}) == {200, 300, 301}


def test_what_is_older_than_the_leader_is_never_kin() -> None:
    older = process(300, parent=ME, session=300, started=999)
    assert kin_of(LEADER, older, marks={300: OURS}, environments={300: KITE_ENV}) == {200}


@pytest.mark.parametrize("pid", [1, ME])
def test_the_launcher_and_init_are_never_kin(pid: int) -> None:
    assert kin_of(LEADER, process(pid, session=200), marks={pid: OURS}) == {200}


@given(
    st.dictionaries(st.integers(2, 40), st.integers(1, 40), max_size=30),
    st.sets(st.integers(2, 40), max_size=4),
    st.sets(st.integers(2, 40), max_size=4),
)
def test_descendants_agree_with_a_walk_upwards(
    parents: dict[int, int], roots: set[int], barred: set[int]
) -> None:
    processes = {pid: process(pid, parent=parent) for pid, parent in parents.items()}

    def reaches(pid: int) -> bool:
        seen: set[int] = set()
        while pid not in seen:
            if pid in barred:
                return False
            if pid in roots:
                return True
            seen.add(pid)
            if pid not in parents:
                return False
            pid = parents[pid]
        return False

    known = set(parents) | roots
    assert descendants(processes, roots, but=barred) == {p for p in known if reaches(p)}


@given(st.integers(0, 2**39 - 1), st.integers(0, 2**20 - 1))
def test_marks_tell_launchers_and_lives_apart(salt: int, number: int) -> None:
    mark = new_mark(salt, number)
    assert is_mark(mark)
    assert mark < 2**62  # what setrlimit takes as a signed number
    assert salt_of(mark) == salt_of(new_mark(salt, number ^ 1))
    assert salt_of(mark) != salt_of(new_mark(salt ^ 1, number))
    assert mark != new_mark(salt, number ^ 1)
