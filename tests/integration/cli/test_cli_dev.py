"""`kite dev`: a module is watched and followed for a session, and everything is as it was afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.testing.system import System

LOG = {"log": "^up$"}
SAYS = """
import time
print("says {word}", flush=True)
print("up", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path, extensions=False) as made:
        yield made


class Seen:
    """What a command prints, as it comes."""

    def __init__(self, system: System, process: subprocess.Popen[str]) -> None:
        self._system = system
        self.text = ""
        for stream in (process.stdout, process.stderr):
            threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: object) -> None:
        for line in stream:  # type: ignore[attr-defined]
            self.text += line

    def until(self, *words: str) -> None:
        self._system.wait(lambda: all(word in self.text for word in words), what=f"{words}")


def ended(process: subprocess.Popen[str]) -> int:
    """After Ctrl-C."""
    os.kill(process.pid, signal.SIGINT)
    return process.wait(30)


def test_dev_in_a_running_kite_leaves_it_as_it_was(project: System) -> None:
    """A change restarts the module and then its dependents; afterwards nobody watches any more."""
    folder = project.module("a", SAYS.format(word="one"), ready=LOG)
    project.module("user", depends_on=["a"])
    project.module("tool", SAYS.format(word="tool"), ready=LOG, state="manual")
    project.up("--wait")
    process = project.spawn("dev", "--dependents", "a", "tool")
    seen = Seen(project, process)
    seen.until("watching: a, tool", "says tool", "tool = started")
    project.write(folder / "main.py", SAYS.format(word="two"))
    seen.until("a    = changed: main.py", "says two", "life 2")
    project.wait_step("user", "started", count=2)
    assert ended(process) == 0
    assert project.is_up
    assert project.record("tool")["actual_state"] == "stopped"
    assert project.record("a")["actual_state"] == "running"
    project.write(folder / "main.py", SAYS.format(word="three"))
    project.act("restart", "tool")
    assert len(project.steps("a", "changed")) == 1


def test_dev_starts_kite_where_it_does_not_run_and_ends_it(project: System) -> None:
    folder = project.module("a", "raise SystemExit('broken')", ready=LOG)
    process = project.spawn("dev", "a")
    seen = Seen(project, process)
    seen.until("Kite was started for this", "watching: a", "broken", "crashed")
    project.remember()
    project.write(folder / "main.py", SAYS.format(word="mended"))
    seen.until("says mended", "a = started")
    assert ended(process) == 0
    assert not project.is_up


def test_dev_ends_when_kite_does(project: System) -> None:
    project.module("a")
    project.up("--wait")
    process = project.spawn("dev", "a")
    seen = Seen(project, process)
    seen.until("watching: a")
    project.down()
    assert process.wait(30) == 0
    seen.until("Kite has stopped")


def test_an_unknown_name_is_refused(project: System) -> None:
    project.module("a")
    project.up("--wait")
    assert "nobody" in project.kite("dev", "nobody", status=None).err
    assert project.kite("dev", status=2).err
