"""Control groups of the kernel's own, with processes of this test in them and no others."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.launcher import cgroup, delegation, tree
from kite.launcher.cgroup import Group, Groups
from kite.launcher.process import Spawn, prepare_launcher, spawn

from .conftest import is_alive, popen


@pytest.fixture
def home() -> Iterator[Path]:
    """A control group below the one that this process is in."""
    own = delegation.own_group()
    if own is None:
        pytest.skip("needs cgroup v2")
    path = own / f"kite-test-{secrets.token_hex(4)}"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"needs a control group that may be written: {error.strerror}")
    yield path
    group = Group(path)
    group.kill()
    assert group.remove()


@pytest.fixture
def group(home: Path) -> Group:
    made = Groups(home, frozenset()).make("m", 1)
    assert made is not None
    if not (made.path / "cgroup.kill").exists():
        pytest.skip("needs cgroup.kill (Linux 5.14)")
    return made


def test_a_group_is_entered_before_the_program_runs(group: Group) -> None:
    out = subprocess.run(
        [*group.entering(), "cat", "/proc/self/cgroup"], capture_output=True, text=True, check=True
    )
    assert out.stdout.rstrip().endswith(f"/{group.path.parent.name}/m-1")
    assert out.stderr == ""


def test_a_group_that_has_gone_hinders_nobody(home: Path) -> None:
    words = Group(home / "gone").entering()
    out = subprocess.run([*words, "echo", "up"], capture_output=True, text=True, check=True)
    assert (out.stdout, out.stderr) == ("up\n", "")


def test_killed_and_removed_with_what_was_made_below(group: Group) -> None:
    (group.path / "below").mkdir()
    words = 'echo 0 > "$0/below/cgroup.procs"; exec sleep 1000'
    processes = [
        popen(*group.entering(), "sleep", "1000"),
        popen("sh", "-c", words, str(group.path)),
    ]
    try:
        wait_until(lambda: set(group.pids()) == {each.pid for each in processes})
        assert not group.remove(), "somebody is in it"
        assert group.kill()
    finally:
        for each in processes:
            each.kill()
            each.wait()
            each.stdin.close()  # type: ignore[union-attr]
    assert group.pids() == []
    assert group.remove()


def wait_until(fact: object) -> None:
    async def wait() -> None:
        from .conftest import until

        await until(fact)  # type: ignore[arg-type]

    asyncio.run(wait())


async def test_a_life_ends_with_whatever_has_come_into_its_group(
    group: Group, tmp_path: Path
) -> None:
    """No other sign tells that the second one is of this life: no mark, parent, session, words."""
    prepare_launcher()
    stranger = popen(*group.entering(), "sleep", "1000", env={})
    spec = Spawn(
        instance="i",
        module="m",
        life=1,
        argv=("sleep", "1000"),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        group=group,
    )
    process = spawn(spec)
    try:
        async with asyncio.timeout(10):
            while len(group.pids()) < 2:  # noqa: ASYNC110  (the kernel wakes nobody about it)
                await asyncio.sleep(0.01)
        assert set(group.pids()) == {process.pid, stranger.pid}
        assert await tree.end_tree(process.kin, also=group.pids) == []
        assert not is_alive(stranger.pid)
        assert group.remove()
    finally:
        stranger.kill()
        stranger.wait()
        stranger.stdin.close()  # type: ignore[union-attr]
        os.close(process.stdout)
        os.close(process.stderr)
        process.close()


def test_settling_and_leaving(home: Path) -> None:
    """In a process of its own, as it moves; another one's leaf is left alone."""
    program = (
        "import os, sys; from pathlib import Path; from kite.launcher import cgroup\n"
        "own = Path(sys.argv[1]); (own / 'cgroup.procs').write_text('0')\n"
        "(own / 'kite-stale' / 'launcher').mkdir(parents=True)\n"
        "groups = cgroup.settle('x', (os.getpid(),))\n"
        "print(sorted(p.name for p in own.iterdir() if p.is_dir()))\n"
        "print(Path('/proc/self/cgroup').read_text().splitlines()[-1].rpartition('/kite-x')[2])\n"
        "groups.make('m', 1); cgroup.leave()\n"
        "print(sorted(p.name for p in own.iterdir() if p.is_dir()))\n"
        "cgroup.leave()\n"
        "print(Path('/proc/self/cgroup').read_text().splitlines()[-1].rpartition('/')[2])\n"
    )
    import sys

    out = subprocess.run(
        [sys.executable, "-c", program, str(home)], capture_output=True, text=True, check=True
    )
    assert out.stdout.splitlines() == ["['kite-x']", "/launcher", "[]", home.name]
    assert cgroup.settle("x", (os.getpid(),), own=home.parent / "no-such") is None
