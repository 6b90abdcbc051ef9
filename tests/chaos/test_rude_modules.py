"""Modules that do what modules should not: they are ended, and nobody else is disturbed."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import time
from pathlib import Path

import pytest

from kite.testing import misbehaving
from kite.testing.census import is_alive, parent_of
from kite.testing.system import ECHO, System

LOG = {"log": "^up$"}


def memory(pid: int) -> int:
    """Bytes of a process that are in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def disk_usage(folder: Path) -> int:
    """Bytes of the files in a folder, some of which may go meanwhile."""
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def test_module_ignores_sigterm(system: System) -> None:
    system.module("rude", misbehaving.IGNORES_SIGTERM, ready=LOG, stop={"timeout": 0.5})
    system.module("sleeper")
    system.up("--wait")
    pid = system.pid("rude")
    assert pid
    stopped = system.act("stop", "rude")
    assert (stopped["actual_state"], stopped["signal"], stopped["pid"]) == ("stopped", 9, None)
    assert not is_alive(pid)
    assert system.record("sleeper")["actual_state"] == "running"


def test_module_ignores_sigterm_and_ctrl_c_comes_twice(system: System) -> None:
    """The second one skips the waiting."""
    system.module("rude", misbehaving.IGNORES_SIGTERM, ready=LOG)
    kite = system.spawn("up", "--quiet")
    system.wait_step("rude", "started")
    launcher = system.api["pid"]
    os.kill(launcher, signal.SIGINT)
    system.wait_step("rude", "stopping")
    # One pressed key may reach the Launcher on two ways; a person needs longer for the second.
    time.sleep(0.6)
    os.kill(launcher, signal.SIGINT)
    kite.communicate(timeout=5)
    assert kite.returncode == 0
    assert system.steps("rude", "stopped")[-1]["signal"] == 9
    system.wait_nothing_left()


def test_module_is_stopped_by_sigstop_when_it_is_to_stop(system: System) -> None:
    system.module("frozen", ECHO, runtime="python", stop={"timeout": 1})
    system.up("--wait")
    pid = system.kill("frozen", signal.SIGSTOP)
    assert system.act("stop", "frozen")["actual_state"] == "stopped"
    assert not is_alive(pid)


def test_module_leader_leaves_a_child(system: System) -> None:
    """An exit that nobody asked for is a crash, whatever the status; the child goes with it."""
    system.module("leaver", misbehaving.LEADER_LEAVES, ready=LOG, restart={"max": 2})
    system.up()
    system.wait_step("leaver", "failed")
    children = [int(pid) for pid in system.printed("leaver", "child", count=2)]
    system.wait_gone(*children)


def test_module_daemonizes(system: System) -> None:
    """Own session, adopted by somebody else, empty environment: it goes with its module."""
    system.module("daemon", misbehaving.DAEMONIZES, ready=LOG)
    system.module("sleeper")
    system.up("--wait")
    (daemon,) = map(int, system.printed("daemon", "daemon"))
    leader = system.pid("daemon")
    assert is_alive(daemon)
    assert parent_of(daemon) != leader
    system.act("stop", "daemon")
    assert not is_alive(daemon)
    assert system.record("sleeper")["actual_state"] == "running"


def test_module_daemonizes_and_its_leader_is_killed(system: System) -> None:
    system.module("daemon", misbehaving.DAEMONIZES, ready=LOG)
    system.up("--wait")
    (daemon,) = map(int, system.printed("daemon", "daemon"))
    system.kill("daemon")
    system.wait_step("daemon", "started", life=2)
    assert not is_alive(daemon)
    system.printed("daemon", "daemon", count=2)


def test_module_closes_its_streams(system: System) -> None:
    system.module("closed", misbehaving.CLOSES_ITS_STREAMS, ready=LOG, stdin="boot")
    system.up("--wait")
    pid = system.pid("closed")
    assert system.act("restart", "closed")["pid"] != pid
    assert system.act("stop", "closed")["actual_state"] == "stopped"


def test_module_floods_stdout(system: System) -> None:
    """It fills no disk, makes the Launcher no bigger and keeps nobody from answering."""
    system.configure(logs={"size": "1MiB", "count": 100, "total": "4MiB", "compress": False})
    system.module("flood", misbehaving.FLOODS_STDOUT, ready=LOG)
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    log = system.instance_dir / "logs" / "flood.log"
    system.wait(log.with_name("flood.log.2").exists, what="the log's rotation")
    launcher, pid = system.api["pid"], system.pid("echo")
    before = memory(launcher)
    for number in range(20):
        assert system.request("echo.echo", number, timeout=10)["pid"] == pid
        assert disk_usage(log.parent) <= 5 << 20, "the total and one file more"
    system.wait(log.with_name("flood.log.3").exists, what="the log's third rotation")
    assert memory(launcher) - before < 20 << 20
    assert system.act("stop", "flood")["actual_state"] == "stopped"
    assert disk_usage(log.parent) <= 5 << 20
    assert system.kite("logs", "-n", "1", "--stream", "stdout", "flood").out.endswith("xx\n")


def test_module_floods_stdout_and_kite_is_killed_while_it_compresses(system: System) -> None:
    """The next start mends what was left: no half file, none in two forms, none that cannot be read."""
    system.configure(logs={"size": "1MiB", "count": 50})
    system.module("flood", misbehaving.FLOODS_STDOUT, ready=LOG)
    system.up("--wait")
    folder = system.instance_dir / "logs"
    system.wait(lambda: list(folder.glob("flood.log.*.gz")), what="a compressed log")
    system.wait((folder / "flood.log.part").exists, what="a half compressed log")
    system.kill("launcher")
    system.wait_nothing_left()
    system.configure(modules={"flood": {"state": "disabled"}})
    system.up("--wait")

    def mended() -> bool:
        names = {path.name for path in folder.glob("flood.log.*")}
        return all(name.endswith(".gz") for name in names)

    system.wait(mended, what="compressed logs alone")
    for path in folder.glob("flood.log.*"):
        assert gzip.decompress(path.read_bytes()).endswith(b"\n")


def test_module_babbles(system: System) -> None:
    """Binary, escapes, 10 MiB without a line end; the core modules' messages mean nothing from it."""
    system.module("echo", ECHO, runtime="python")
    system.module("babbler", misbehaving.BABBLES, ready=LOG)
    system.up("--wait")
    api = system.api
    assert system.request("echo.echo", 1)["data"] == 1
    assert system.api == api
    log = system.wait_log("babbler", "y" * 1000, count=1001)
    assert '{"kite": "port", "port": 1}' in log
    assert "\x1b" not in system.kite("logs", "babbler").out
    assert system.steps("babbler", "exited") == []


def test_module_is_a_fork_bomb(system: System) -> None:
    program = misbehaving.FORKS.format(processes=64)
    system.module("bomb", program, ready=LOG)
    system.up("--wait")
    leader = system.pid("bomb")
    assert leader
    system.wait(lambda: system.log("bomb").count("| up") == 64, what="64 processes")
    system.act("stop", "bomb")
    assert not any("main.py" in words for words in system.census.look().values())


def test_module_runs_away(system: System) -> None:
    """A new process in a new session every 2 ms is caught all the same."""
    program = misbehaving.REFORKS.format(seconds=60)
    system.module("runner", program, ready=LOG, restart={"policy": "never"}, stdin="empty")
    system.module("sleeper")
    system.up()
    system.wait_step("runner", "exited")
    system.wait(lambda: system.record("runner")["pid"] is None, what="the end of its tree")
    assert not any("main.py" in words for words in system.census.look().values())
    assert system.record("sleeper")["actual_state"] == "running"


@pytest.mark.parametrize("moment", ["starting", "running"])
def test_module_is_killed_while_its_dependents_wait_or_run(system: System, moment: str) -> None:
    """The dependency comes back by itself; dependents start when it is there, or run on."""
    system.module("base", ECHO, runtime="python")
    system.module("above", depends_on=["base"])
    system.up(*["--wait"] * (moment == "running"))
    system.wait_step("base", "spawned")
    before = system.pid("above") if moment == "running" else None
    system.kill("base")
    system.wait_step("base", "started", life=2)
    system.wait_step("above", "started")
    if before:
        assert system.pid("above") == before
        assert system.record("above")["life"] == 1
