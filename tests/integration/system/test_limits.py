"""What a module may use, and what it uses, in a whole Kite."""

from __future__ import annotations

import json
import os
import secrets
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.launcher import delegation
from kite.launcher.cgroup import Group
from kite.testing import misbehaving
from kite.testing.system import ECHO, System

ENTER = 'echo 0 > "$0/cgroup.procs"; exec "$@"'


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path, extensions=False) as made:
        yield made


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group as somebody may delegate it."""
    own = delegation.own_group()
    if own is None:
        pytest.skip("needs cgroup v2")
    path = own / f"kite-test-{secrets.token_hex(4)}"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"needs a control group that may be written: {error.strerror}")
    if not (path / "cgroup.kill").exists():
        path.rmdir()
        pytest.skip("needs cgroup.kill (Linux 5.14)")
    yield path
    Group(path).kill()
    assert Group(path).remove()


@pytest.fixture
def grouped(tmp_path: Path, group: Path) -> Iterator[System]:
    """A Kite that is begun in it."""
    words = ("sh", "-c", ENTER, str(group))
    with System(tmp_path, extensions=False, prefix=words) as made:
        yield made


def lives(group: Path) -> dict[str, list[int]]:
    """Who is in the groups of the Launcher and its lives."""
    found = {each.name: Group(each).pids() for each in group.glob("kite-*/*") if each.is_dir()}
    return {name: sorted(pids) for name, pids in found.items()}


def test_a_tree_above_its_memory_limit_is_restarted(system: System) -> None:
    """Each of its processes is below it, so no rlimit hinders them."""
    limits = {"memory": "100MB", "cpu": 0.5, "files": 64}
    system.module("hungry", misbehaving.HUNGRY, ready={"log": "up"}, limits=limits)
    system.up("--wait")
    if system.call("GET", "/launcher").body["limits"]["memory"] == "cgroup":
        pytest.skip("a control group is delegated here, and holds it")
    assert system.record("hungry")["unenforced"] == ["cpu"]
    system.wait_log("hungry", "limits.cpu: not enforced")
    over = system.wait_step("hungry", "over_memory")
    assert over["limit"] == 100_000_000 < over["used"]
    again = system.wait_step("hungry", "restarting")
    assert (again["life"], again["reason"]) == (2, "memory_limit")
    system.wait_log("hungry", "bytes of memory; 100000000 are allowed")


def test_in_a_delegated_group_each_life_has_one(grouped: System, group: Path) -> None:
    """The controllers of this machine may be elsewhere; placing and killing need none. Those that
    are forked from the warm template have left the Launcher's group too."""
    grouped.module("daemon", misbehaving.DAEMONIZES, ready={"log": "up"})
    grouped.module("echo", ECHO, runtime="python")
    grouped.up("--wait")
    (daemon,) = map(int, grouped.printed("daemon", "daemon"))
    found = lives(group)
    assert {grouped.api["pid"], grouped.guard_pid} <= set(found["launcher"])
    assert found["echo-1"] == [grouped.pid("echo")]
    assert found["registry-1"] == [grouped.pid("registry")]
    assert found["event_hub-1"] == [grouped.pid("event_hub")]
    assert daemon in found["daemon-1"]
    assert grouped.call("GET", "/launcher").body["limits"]["tree"] == "cgroup"
    os.kill(grouped.record("daemon")["pid"] or daemon, signal.SIGKILL)
    grouped.wait_step("daemon", "started", life=2)
    after = lives(group)
    assert "daemon-1" not in after
    assert after["daemon-2"]
    grouped.down()
    grouped.wait_nothing_left()
    assert lives(group) == {}
    assert [each for each in group.iterdir() if each.is_dir()] == []


def test_a_killed_launcher_leaves_no_group(grouped: System, group: Path) -> None:
    grouped.module("daemon", misbehaving.DAEMONIZES, ready={"log": "up"})
    grouped.up("--wait")
    guard = grouped.guard_pid
    grouped.remember()
    grouped.kill("launcher")
    grouped.wait_nothing_left()
    grouped.wait_gone(guard)
    assert [each for each in group.iterdir() if each.is_dir()] == []


def test_a_launcher_whose_guard_was_killed_clears_up_itself(grouped: System, group: Path) -> None:
    grouped.up("--wait")
    launcher = grouped.api["pid"]
    grouped.remember()
    grouped.kill("guard")
    grouped.wait_gone(launcher)
    assert [each for each in group.iterdir() if each.is_dir()] == []


def test_what_runs_that_were_killed_left_is_cleared_away(grouped: System, group: Path) -> None:
    grouped.up("--wait")
    grouped.remember()
    (old,) = [each.name for each in group.glob("kite-*")]
    guard, launcher = grouped.guard_pid, grouped.api["pid"]
    for pid in (guard, launcher):
        os.kill(pid, signal.SIGKILL)
    grouped.wait_gone(guard, launcher)
    grouped.wait_nothing_left()
    grouped.up("--wait")
    (new,) = [each.name for each in group.glob("kite-*")]
    assert new != old


def metrics(system: System) -> dict[str, float]:
    """The series that are about modules, by name and module."""
    request = urllib.request.Request(
        f"{system.api['url']}/metrics", headers={"Authorization": f"Bearer {system.api['token']}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found: dict[str, float] = {}
    for line in lines:
        name, _, rest = line.partition('{module="')
        if rest and "," not in rest.partition('"')[2].partition("}")[0]:
            found[f"{name} {rest.partition(chr(34))[0]}"] = float(line.rsplit(" ", 1)[1])
    return found


def test_what_is_used_is_shown_everywhere(system: System) -> None:
    system.module("rose")
    system.module("lily")
    system.up("--wait")
    record = system.record("rose")
    assert record["processes"] >= 1
    assert record["memory_bytes"] > 0
    shown = metrics(system)
    for name in ("launcher", "registry", "event_hub", "rose", "lily"):
        assert shown[f"kite_module_memory_bytes {name}"] > 0
        assert shown[f"kite_module_processes {name}"] >= 1
        assert shown[f"kite_module_cpu_seconds_total {name}"] >= 0
        assert shown[f"kite_module_uptime_seconds {name}"] > 0
        assert shown[f"kite_module_lives_total {name}"] == 1
        assert shown[f"kite_module_restarts_total {name}"] == 0
    system.kill("lily")
    system.wait_step("lily", "started", life=2)
    again = metrics(system)
    assert again["kite_module_lives_total lily"] == 2
    assert again["kite_module_restarts_total lily"] == 1
    system.act("stop", "rose")
    stopped = metrics(system)
    assert stopped["kite_module_memory_bytes rose"] == stopped["kite_module_processes rose"] == 0
    assert (
        stopped["kite_module_cpu_seconds_total rose"] >= shown["kite_module_cpu_seconds_total rose"]
    ), "its series stays, and a counter never falls"
    told = json.loads(system.kite("top", "--once", "--json", "--sort", "name").out)
    by_name = {each["module"]: each for each in told["modules"]}
    assert set(by_name) == {"launcher", "registry", "event_hub", "lily"}
    assert by_name["launcher"]["memory_bytes"] > 0


def test_doctor_says_what_is_in_force(system: System) -> None:
    system.up("--wait")
    told = json.loads(system.kite("doctor", "--json", status=None).out)["findings"]
    (found,) = [each for each in told if each["name"] == "limits"]
    if system.call("GET", "/launcher").body["limits"]["memory"] == "cgroup":
        assert "by control groups" in found["detail"]
        return
    assert found["verdict"] == "warn"
    assert "memory is measured every 5 s" in found["detail"]
    assert "Delegate=yes" in found["advice"]
