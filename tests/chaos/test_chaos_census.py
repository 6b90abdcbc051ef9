"""What `kite chaos` sees of a system, and whom it signals: against processes that are really there."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kite.chaos.being import GUARD, LAUNCHER, LIFE, Being
from kite.chaos.census import Census
from kite.testing import misbehaving
from kite.testing.census import is_alive
from kite.testing.system import BARE_PYTHON, System


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that belongs to nobody's Kite."""
    process = subprocess.Popen([*BARE_PYTHON, "-c", "import time; time.sleep(1000)"])
    yield process
    process.kill()
    process.wait()


def start(system: System) -> Census:
    system.module("sleeper")
    system.module("daemon", misbehaving.DAEMONIZES, ready={"log": "^up$"})
    system.up("--wait")
    return Census(system.instance_dir)


def test_it_sees_who_is_there(system: System) -> None:
    """The same processes as the tests' own census, a daemon with an empty environment among them."""
    census = start(system)
    beings = {being.pid: being for being in census.look()}
    assert set(beings) == set(system.census.look())
    tops = {being.role: pid for pid, being in beings.items() if being.role != LIFE}
    assert tops == {GUARD: system.guard_pid, LAUNCHER: system.api["pid"]}
    leaders = {being.module: pid for pid, being in beings.items() if being.is_leader}
    records = system.records()
    del records["launcher"]
    assert leaders == {name: r["pid"] for name, r in records.items() if r["pid"]}
    (daemon,) = map(int, system.printed("daemon", "daemon"))
    assert (beings[daemon].module, beings[daemon].life) == ("daemon", 1)
    assert {being.instance for being in beings.values() if being.role == LIFE} == {
        system.api["instance"]
    }


def test_it_signals_nobody_who_is_not_proven_to_belong(
    system: System, stranger: subprocess.Popen[bytes]
) -> None:
    census = start(system)
    sleeper = next(being for being in census.look() if being.module == "sleeper")
    about = Path(f"/proc/{stranger.pid}/stat").read_text()
    start_time = int(about.rpartition(")")[2].split()[19])
    forged: list[Being] = [
        replace(sleeper, pid=stranger.pid),
        replace(sleeper, pid=stranger.pid, start_time=start_time),
        replace(sleeper, pid=os.getpid()),
        replace(sleeper, pid=1),
        replace(sleeper, start_time=sleeper.start_time + 1),
    ]
    assert census.signal(forged, signal.SIGKILL) == []
    assert stranger.poll() is None
    assert is_alive(sleeper.pid)
    assert census.signal([*forged, sleeper], signal.SIGKILL) == [sleeper]
    system.wait_gone(sleeper.pid)


def test_what_a_killed_pair_left_is_seen_and_belongs_to_the_run_before(system: System) -> None:
    census = start(system)
    before = system.api["instance"]
    tops = [being for being in census.look() if being.role in (GUARD, LAUNCHER)]
    assert len(census.signal(tops, signal.SIGKILL)) == 2
    system.wait_gone(*(being.pid for being in tops))
    left = system.wait(lambda: [b for b in census.look() if not b.is_leader], what="a daemon")
    assert {(being.module, being.instance) for being in left} == {("daemon", before)}
    system.up("--wait")  # which ends it
