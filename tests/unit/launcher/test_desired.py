"""Desired states survive garbage, full disks and kills."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite import atomic_file
from kite.launcher.desired import DesiredStates, Wish

RUNNING = Wish(state="running", config_state="enabled")
STOPPED = Wish(state="stopped", by_request=True)


def test_a_wish_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "launcher" / "desired.json"
    states = DesiredStates(path)
    assert states.get("m") is None
    assert states.set("m", STOPPED)
    assert states.update({"n": RUNNING, "o": RUNNING})
    assert states.forget("o")
    again = DesiredStates(path)
    assert again.all() == {"m": STOPPED, "n": RUNNING}
    assert again.problem is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(garbage=st.binary(max_size=200))
def test_garbage_falls_back_to_the_last_good_copy(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes
) -> None:
    path = tmp_path_factory.mktemp("desired") / "desired.json"
    states = DesiredStates(path)
    states.set("m", STOPPED)
    states.set("n", RUNNING)
    path.write_bytes(garbage)
    again = DesiredStates(path)
    assert again.all() == {"m": STOPPED}
    assert again.problem is not None
    assert "desired.json" in again.problem
    again.set("n", RUNNING)
    assert DesiredStates(path).all() == {"m": STOPPED, "n": RUNNING}
    assert DesiredStates(path).problem is None


def test_garbage_everywhere_begins_empty_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "desired.json"
    path.write_text("{}")
    path.with_name("desired.json.last").write_text("[]")
    states = DesiredStates(path)
    assert states.all() == {}
    assert states.problem is not None


def test_garbage_never_becomes_the_last_good_copy(tmp_path: Path) -> None:
    path = tmp_path / "desired.json"
    states = DesiredStates(path)
    states.set("m", STOPPED)
    states.set("n", RUNNING)
    path.write_text("garbage")
    states.set("o", RUNNING)
    path.write_text("garbage")
    assert "m" in DesiredStates(path).all()


def test_a_full_disk_keeps_the_wish_in_memory_and_the_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems: list[OSError] = []
    path = tmp_path / "desired.json"
    states = DesiredStates(path, on_problem=problems.append)
    states.set("m", RUNNING)

    def full(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic_file, "replace", full)
        assert not states.set("m", STOPPED)
        assert not states.set("n", STOPPED)
        assert not states.retry()
    assert len(problems) == 1
    assert states.unkept is not None
    assert (states.unkept.code, states.unkept.params["path"]) == ("desired_not_kept", path)
    assert states.get("m") == STOPPED
    assert DesiredStates(path).all() == {"m": RUNNING}
    assert states.retry()  # nothing new, but what is owed is written
    assert states.unkept is None
    assert DesiredStates(path).all() == {"m": STOPPED, "n": STOPPED}


@pytest.mark.parametrize("kills", [6, pytest.param(200, marks=pytest.mark.long)])
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path, kills: int) -> None:
    path = tmp_path / "desired.json"
    flapping = (
        "import sys, pathlib\n"
        "from kite.launcher.desired import DesiredStates, Wish\n"
        "states = DesiredStates(pathlib.Path(sys.argv[1]))\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        "    if n == 2: print('on', flush=True)\n"
        "    states.set(f'm{n % 50}', Wish(state='stopped' if n % 3 else 'running'))\n"
    )
    before: set[str] = set()
    for attempt in range(kills):
        with subprocess.Popen(
            [sys.executable, "-c", flapping, str(path)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.01 * (attempt % 17))  # the moment of the kill is what varies
            os.kill(writer.pid, signal.SIGKILL)
        states = DesiredStates(path)
        assert states.problem is None
        msgspec.json.decode(path.read_bytes())
        assert states.all().keys() >= before, "what was wished once is never forgotten"
        before = set(states.all())
    assert before


def test_what_is_noted_counts_at_once_and_is_written_together(tmp_path: Path) -> None:
    path = tmp_path / "desired.json"
    states = DesiredStates(path)
    states.note("m", RUNNING)
    states.note("n", STOPPED)
    assert states.get("m") == RUNNING
    assert not path.exists()
    assert states.retry()
    assert DesiredStates(path).all() == {"m": RUNNING, "n": STOPPED}
    path.unlink()
    states.note("n", STOPPED)  # nothing new
    assert states.retry()
    assert not path.exists()
