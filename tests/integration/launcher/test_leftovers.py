"""What a killed Launcher left is ended; what only looks like it is not touched."""

from __future__ import annotations

import json
import os
import random
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kite.launcher import platform_linux, tree
from kite.launcher.kin import Kin
from kite.launcher.leftovers import end_leftovers, judge
from kite.launcher.platform_linux import Stat
from kite.launcher.records import Record, Records

from .conftest import is_alive, popen

# Leftovers are looked for on the whole machine: another run of these tests, beside this one, must not
# find ours.
SALT = secrets.randbits(39)
INSTANCE = secrets.token_hex(8)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "instance" / "launcher" / "processes")


@pytest.fixture
def left(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that stand for what an earlier Launcher left; ended afterwards."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def leave(
    left: list[subprocess.Popen[bytes]],
    *argv: str,
    mark: int | None = None,
    env: dict[str, str] | None = None,
) -> Kin:
    with platform_linux.marking(mark or -1):
        process = subprocess.Popen(
            argv or ("sleep", "600"),
            start_new_session=True,
            env={"PATH": os.environ["PATH"], **(env or {})},
            stdout=subprocess.DEVNULL,
        )
    left.append(process)
    if env:
        wait_for_session(process.pid, 1)
    seen = platform_linux.stat(process.pid)
    assert seen is not None
    return Kin(
        pid=process.pid,
        start_time=seen.start_time,
        mark=mark or 0,
        instance=INSTANCE,
        module="m",
    )


def name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text()


def wait_for_session(session: int, count: int) -> None:
    """Until so many processes of a session are through their exec.

    Popen returns within it, a moment before the new environment can be read; and what the leader
    has forked is called like the leader until then.
    """
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        members = [
            pid
            for pid, seen in tree.snapshot().items()
            if seen.session == session and seen.is_alive
        ]
        forked = [pid for pid in members if pid != session and name(pid) == name(session)]
        if (
            len(members) >= count
            and not forked
            and all(platform_linux.environment(pid) for pid in members)
        ):
            return
        os.sched_yield()
    raise AssertionError(f"session {session} has not {count} processes")


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {
        "KITE_INSTANCE": INSTANCE,
        "KITE_MODULE": "m",
        "KITE_INSTANCE_DIR": str(tmp_path / "instance"),
        **more,
    }


MARK = platform_linux.new_mark(SALT, 1)


async def test_nothing_was_left(records: Records) -> None:
    assert await end_leftovers(records) == []


async def test_a_disk_that_takes_no_record_is_no_end(
    records: Records, tmp_path: Path, left: list[subprocess.Popen[bytes]]
) -> None:
    (tmp_path / "instance").write_text("in the way")
    kin = leave(left, mark=MARK)
    assert not records.open_instance(INSTANCE)
    assert not records.add(kin, life=1)
    records.remove(kin)
    (tmp_path / "instance").unlink()
    assert records.add(kin, life=1)


@pytest.mark.parametrize("mark", [MARK, None], ids=["marked", "unmarked"])
async def test_a_recorded_process_and_its_children_are_ended(
    records: Records, tmp_path: Path, left: list[subprocess.Popen[bytes]], mark: int | None
) -> None:
    kin = leave(left, "sh", "-c", "sleep 601 & sleep 602; :", mark=mark, env=environment(tmp_path))
    wait_for_session(kin.pid, 3)
    records.add(kin, life=3)
    told = await end_leftovers(records)
    assert all(one.verdict == "same" and one.ended and one.module == "m" for one in told)
    assert kin.pid in {one.pid for one in told}
    assert not is_alive(kin.pid)
    if mark is not None:
        assert {one.life for one in told} == {3}
    assert records.read() == []


async def test_a_cleared_environment_hides_nobody_who_carries_the_mark(
    records: Records, left: list[subprocess.Popen[bytes]]
) -> None:
    kin = leave(left, mark=MARK)
    hidden = leave(left, "sleep", "600", mark=platform_linux.new_mark(SALT, 9))
    records.add(kin, life=1)
    told = await end_leftovers(records)
    assert {one.pid for one in told if one.ended} == {kin.pid, hidden.pid}


async def test_the_instance_alone_finds_what_has_no_record(
    records: Records, tmp_path: Path, left: list[subprocess.Popen[bytes]]
) -> None:
    records.open_instance(INSTANCE)
    kin = leave(left, env=environment(tmp_path))
    told = await end_leftovers(records)
    assert [(one.pid, one.module, one.ended) for one in told] == [(kin.pid, "m", True)]


async def test_one_that_ignores_the_asking_is_killed(
    records: Records, tmp_path: Path, left: list[subprocess.Popen[bytes]]
) -> None:
    kin = leave(left, "sh", "-c", "trap '' TERM; sleep 600; sleep 600", env=environment(tmp_path))
    records.add(kin, life=1)
    told = await end_leftovers(records, grace=0.2)
    assert kin.pid in {one.pid for one in told}
    assert not is_alive(kin.pid)


async def test_a_copied_directory_proves_nothing(
    records: Records, tmp_path: Path, left: list[subprocess.Popen[bytes]]
) -> None:
    kin = leave(left, mark=MARK, env=environment(tmp_path))
    records.add(kin, life=1)
    copy = tmp_path / "copy" / "launcher" / "processes"
    copy.parent.mkdir(parents=True)
    (tmp_path / "instance" / "launcher" / "processes").rename(copy)
    assert await end_leftovers(Records(copy)) == []
    assert is_alive(kin.pid)


async def test_the_same_instance_id_in_another_directory_is_another_kite(
    records: Records, tmp_path: Path, left: list[subprocess.Popen[bytes]]
) -> None:
    records.open_instance(INSTANCE)
    elsewhere = leave(left, env=environment(tmp_path, KITE_INSTANCE_DIR="/elsewhere"))
    assert await end_leftovers(records) == []
    assert is_alive(elsewhere.pid)


@pytest.mark.parametrize(
    ("says", "shift", "verdict"),
    [
        # The pid is used anew: the start time is another one.
        ({"KITE_INSTANCE": "another"}, 1, "stranger"),
        # Everything the kernel says agrees, but the process is another Kite's.
        ({"KITE_INSTANCE": "another", "KITE_MODULE": "m"}, 0, "stranger"),
        # It says nothing about itself.
        ({}, 0, "unverifiable"),
    ],
)
async def test_a_record_that_does_not_agree_is_told_and_not_acted_on(
    records: Records,
    left: list[subprocess.Popen[bytes]],
    says: dict[str, str],
    shift: int,
    verdict: str,
) -> None:
    kin = leave(left, env=says)
    records.add(replace(kin, start_time=kin.start_time + shift), life=1)
    told = await end_leftovers(records)
    assert [(one.pid, one.verdict, one.ended) for one in told] == [(kin.pid, verdict, False)]
    assert is_alive(kin.pid)


async def test_garbage_among_the_records_is_removed(records: Records, tmp_path: Path) -> None:
    folder = tmp_path / "instance" / "launcher" / "processes"
    folder.mkdir(parents=True)
    for number, text in enumerate(["", "{", "[]", '{"pid":"x"}', '{"instance":1}', "\0" * 100]):
        (folder / f"{number}.json").write_text(text)
    assert await end_leftovers(records) == []
    assert records.read() == []


async def test_a_thousand_forged_records_touch_nobody(
    records: Records, tmp_path: Path, left: list[subprocess.Popen[bytes]]
) -> None:
    """Every field is forged or true at random, but never all that prove it: nobody is signalled."""
    chance = random.Random(20260131)
    trapped = tmp_path / "signalled"
    source = f"trap 'echo hit >> {trapped}' TERM HUP INT CONT USR1; while :; do read x; done"
    strangers = [
        popen("sh", "-c", source, env={"PATH": os.environ["PATH"], **env})
        for env in (
            {},
            {"KITE_INSTANCE": "another"},
            {"KITE_INSTANCE": "another", "KITE_MODULE": "m"},
        )
    ]
    left += strangers
    folder = tmp_path / "instance" / "launcher" / "processes"
    folder.mkdir(parents=True)
    here = {"boot_id": platform_linux.boot_id(), "pid_namespace": platform_linux.pid_namespace()}
    living = list(tree.snapshot().values())
    for number in range(1000):
        if chance.random() < 0.5:
            seen = platform_linux.stat(chance.choice(strangers).pid)
        else:
            seen = chance.choice(living)
        assert seen is not None
        record = {
            "pid": seen.pid,
            "start_time": chance.choice([seen.start_time, chance.randrange(10**7)]),
            "group": chance.choice([seen.group, 1, 0, -1]),
            "boot_id": chance.choice([here["boot_id"], "0" * 36]),
            "pid_namespace": chance.choice([here["pid_namespace"], 1]),
            "instance": chance.choice([INSTANCE, "x", f"{chance.getrandbits(64):x}"]),
            "module": chance.choice(["m", "n", ""]),
            "life": chance.randrange(10),
            "mark": chance.choice([0, 1, platform_linux.new_mark(chance.getrandbits(39), 1)]),
            "folder": chance.choice([str(folder), "/elsewhere"]),
        }
        (folder / f"{number}.json").write_text(json.dumps(record))
    told = await end_leftovers(records)
    assert told
    assert all(one.verdict in {"stranger", "unverifiable"} and not one.ended for one in told)
    assert all(process.poll() is None for process in strangers)
    assert not trapped.exists()
    for process in strangers:
        seen = platform_linux.stat(process.pid)
        assert seen is not None
        assert seen.state in {"S", "R"}  # not stopped either


def test_verdicts_are_a_table() -> None:
    record = Record(
        instance="i",
        boot_id="b",
        pid_namespace=1,
        folder="f",
        pid=5,
        start_time=7,
        mark=MARK,
        module="m",
    )
    alive = Stat(5, "S", 1, 5, 5, 7)
    ours = {"KITE_INSTANCE": "i", "KITE_MODULE": "m"}

    def verdict(**change: object) -> str | None:
        facts = {"process": alive, "is_of_now": True, "mark": None, "environment": ours, **change}
        return judge(record, **facts)  # type: ignore[arg-type]

    assert verdict() == "same"
    assert verdict(mark=MARK, environment={}) == "same"
    assert verdict(mark=MARK + 1) == "stranger"
    assert verdict(environment={"KITE_INSTANCE": "j", "KITE_MODULE": "m"}) == "stranger"
    assert verdict(environment={"KITE_INSTANCE": "i", "KITE_MODULE": "n"}) == "stranger"
    assert verdict(environment={}) == "unverifiable"
    assert verdict(environment=None) == "unverifiable"
    assert verdict(process=Stat(5, "S", 1, 5, 5, 8)) == "stranger"
    assert verdict(process=Stat(5, "Z", 1, 5, 5, 7)) is None
    assert verdict(process=None) is None
    assert verdict(is_of_now=False) is None
