"""The files of control groups, in a folder that has the same ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from kite.launcher.cgroup import Group, Groups, settle, ways
from kite.launcher.delegation import CONTROLLERS

FILES = (
    "cgroup.controllers", "cgroup.events", "cgroup.kill", "cgroup.procs", "cgroup.subtree_control",
    "cpu.max", "memory.events", "memory.max", "memory.oom.group", "pids.max",
)  # fmt: skip


def group(path: Path, *, but: tuple[str, ...] = ()) -> Path:
    """What the kernel makes of a mkdir."""
    path.mkdir(parents=True)
    for name in set(FILES) - set(but):
        (path / name).touch()
    (path / "cgroup.controllers").write_text("cpu memory pids\n")
    return path


def said(path: Path, name: str) -> str:
    return (path / name).read_text()


def test_a_life_is_limited_as_far_as_the_controllers_go(tmp_path: Path) -> None:
    life = group(tmp_path / "m-3")
    groups = Groups(tmp_path, CONTROLLERS)
    made = groups.make("m", 3, memory=1 << 28, cpu=0.5, processes=40)
    assert made is not None
    assert made.holds == {"memory", "cpu", "processes"}
    limits = ("memory.max", "memory.oom.group", "cpu.max", "pids.max")
    assert [said(life, name) for name in limits] == ["268435456", "1", "50000 100000", "40"]
    assert made.entering()[-1] == str(life / "cgroup.procs")


def test_what_has_no_controller_is_not_held(tmp_path: Path) -> None:
    life = group(tmp_path / "m-1")
    made = Groups(tmp_path, frozenset({"pids"})).make("m", 1, memory=1 << 28, cpu=2, processes=9)
    assert made is not None
    assert made.holds == {"processes"}
    assert said(life, "memory.max") == ""


def test_a_limit_that_the_kernel_does_not_take_is_not_held(tmp_path: Path) -> None:
    group(tmp_path / "m-1", but=("memory.max",))
    made = Groups(tmp_path, CONTROLLERS).make("m", 1, memory=1 << 28)
    assert made is not None
    assert made.holds == frozenset()


def test_no_group_can_be_made(tmp_path: Path) -> None:
    assert Groups(tmp_path / "gone", CONTROLLERS).make("m", 1) is None


def test_the_least_share_of_a_processor_is_what_the_kernel_takes(tmp_path: Path) -> None:
    life = group(tmp_path / "m-1")
    Groups(tmp_path, CONTROLLERS).make("m", 1, cpu=0.0001)
    assert said(life, "cpu.max") == "1000 100000"


def test_the_out_of_memory_killer_is_heard_of(tmp_path: Path) -> None:
    made = Group(group(tmp_path / "m-1"))
    assert made.oom_kills() == 0
    (made.path / "memory.events").write_text("low 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n")
    assert made.oom_kills() == 3


def test_whoever_is_in_it_or_below_is_named(tmp_path: Path) -> None:
    made = Group(group(tmp_path / "m-1"))
    (made.path / "cgroup.procs").write_text("17\n18\n")
    (group(made.path / "below") / "cgroup.procs").write_text("19\n0\n")
    assert sorted(made.pids()) == [17, 18, 19], "0 is somebody of another pid namespace"
    assert Group(tmp_path / "gone").pids() == []


def test_the_launcher_moves_to_a_leaf_and_hands_controllers_down(tmp_path: Path) -> None:
    own = group(tmp_path / "own")
    home = group(own / "kite-x")
    group(home / "launcher")
    groups = settle("x", (42,), own=own)
    assert groups is not None
    assert groups.controllers == CONTROLLERS
    assert said(home / "launcher", "cgroup.procs") == "42"
    assert set(ways(groups).values()) == {"cgroup", "rlimit"}


def test_where_controllers_cannot_be_handed_down_there_are_groups_all_the_same(
    tmp_path: Path,
) -> None:
    """As where other processes are in the group: the kernel says EBUSY."""
    own = group(tmp_path / "own", but=("cgroup.subtree_control",))
    (own / "cgroup.subtree_control").touch(mode=0o600)
    home = group(own / "kite-x", but=("cgroup.subtree_control",))
    group(home / "launcher")
    groups = settle("x", (42,), own=own)
    assert groups is not None
    assert groups.controllers == frozenset()
    assert ways(groups)["memory"] == "sampling"
    assert ways(groups)["tree"] == "cgroup"


def test_nothing_is_touched_where_no_group_is_ours(tmp_path: Path) -> None:
    own = group(tmp_path / "session-1.scope")
    assert settle("x", (42,), own=own) is None
    assert not (own / "kite-x").exists()
    assert ways(None)["cpu"] is None


def test_what_cannot_be_moved_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = group(tmp_path / "own")
    monkeypatch.setattr("kite.launcher.cgroup._write", lambda file, text: "kite-x" not in str(file))
    assert settle("x", (42, 43), own=own) is None
    assert not (own / "kite-x").exists()
