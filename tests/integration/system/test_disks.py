"""Disks that are full and paths that cannot be read or written."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.testing.system import ECHO, System

TALKS = """
import time
print("up", flush=True)
while True:
    print("x" * 1000, flush=True)
    time.sleep(0.005)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "kite-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def lines_of(process: subprocess.Popen[str], count: int) -> Iterator[str]:
    """The next lines of its standard output."""
    assert process.stdout
    return itertools.islice(process.stdout, count)


def fill(folder: Path) -> Path:
    """Take every byte that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return filler


def problems(system: System) -> list[str]:
    """The codes of what is wrong with no module in particular."""
    return [problem["code"] for problem in system.call("GET", "/launcher").body["problems"]]


def test_it_is_told_that_what_was_asked_cannot_be_kept(system: System) -> None:
    """Until the disk takes it, which is tried again and again."""
    system.module("idle")
    system.up("--wait")
    kept = system.launcher_dir / "desired.json"

    def refuse() -> None:
        kept.unlink()
        (kept / "in the way").mkdir(parents=True)

    def permit() -> None:
        (kept / "in the way").rmdir()
        kept.rmdir()

    refuse()
    system.act("stop", "idle")
    assert problems(system) == ["desired_not_kept"]
    assert "what was asked of modules cannot be kept" in system.kite("ps").err
    assert system.log("launcher").count("disk.refused") == 1
    permit()
    system.wait(lambda: problems(system) == [], what="the disk is asked again")
    system.act("start", "idle")
    refuse()
    system.act("stop", "idle")
    permit()
    system.kite("rescan")
    assert problems(system) == []
    system.act("start", "idle")
    refuse()
    system.act("stop", "idle")
    permit()
    system.down()
    system.up("--wait")
    assert system.record("idle")["actual_state"] == "stopped"


def test_disk_runs_full(small_disk: Path, tmp_path: Path) -> None:
    """Modules go on, one warning, the desired states keep their last good copy, a clean end."""
    with System(tmp_path, extensions=False) as system:
        system.module("echo", ECHO, runtime="python")
        system.module("talker", TALKS, ready={"log": "^up$"})
        system.module("idle")
        system.up("--wait")
        system.act("stop", "idle")
        filler = fill(small_disk)
        pids = {name: system.pid(name) for name in ("echo", "talker")}
        # A stop, a crash and a start with nowhere to write it down.
        system.kill("talker")
        system.wait(lambda: system.record("talker")["life"] == 2, what="a second life")
        system.wait_state("talker", "running")
        system.act("stop", "talker")
        system.act("start", "idle")
        assert system.request("echo.echo", 1)["pid"] == pids["echo"]
        system.kill("registry")
        system.wait(
            lambda: system.record("registry")["life"] == 2, what="the Registry's second life"
        )
        system.wait_state("registry", "running")
        assert system.wait_answer("echo.echo", 2)["pid"] == pids["echo"]
        wishes = json.loads((system.launcher_dir / "desired.json").read_text())["modules"]
        assert {"echo", "talker", "idle"} <= set(wishes)  # whole: the new one or the last good one
        system.down()
        system.wait_nothing_left()
        filler.unlink()
        system.up("--wait")
        assert system.wait_answer("echo.echo", 3)["data"] == 3


def test_full_disk_is_told_once_for_each_file(small_disk: Path, tmp_path: Path) -> None:
    """Whoever watches is warned, and not with every line that a module prints."""
    with System(tmp_path, extensions=False) as system:
        system.module("talker", TALKS, ready={"log": "^up$"})
        kite = system.spawn("up")
        system.wait_step("talker", "started")
        filler = fill(small_disk)
        warning = "talker.log cannot be written"
        # Hundreds of lines go by with nowhere to write them.
        before = list(itertools.takewhile(lambda line: warning not in line, lines_of(kite, 5000)))
        assert len(before) < 5000
        assert not any(warning in line for line in lines_of(kite, 200))
        kite.send_signal(signal.SIGTERM)
        kite.communicate(timeout=20)
        assert kite.returncode == 0
        system.wait_nothing_left()
        filler.unlink()


def test_disk_is_full_at_the_start(small_disk: Path, tmp_path: Path) -> None:
    """It says so and leaves with 2, or it runs without its files: never a traceback."""
    with System(tmp_path, extensions=False) as system:
        system.module("echo", ECHO, runtime="python")
        filler = fill(small_disk)
        outcome = system.up("--wait", status=None)
        assert outcome.status in (1, 2), outcome
        assert "Traceback" not in outcome.err
        assert "No space left" in outcome.err
        system.wait_nothing_left()
        filler.unlink()
        system.up("--wait")
        assert system.wait_answer("echo.echo", 1)["data"] == 1


@pytest.mark.parametrize("what", ["workspace", "launcher", "logs"])
def test_file_stands_where_a_directory_belongs(system: System, what: str) -> None:
    """Status 2, and the path is named; nothing has been started."""
    path = {
        "workspace": system.workspace,
        "launcher": system.instance_dir / "launcher",
        "logs": system.instance_dir / "logs",
    }[what]
    system.module("sleeper")
    if what in ("launcher", "logs"):
        system.up("--wait")
        system.down()
        for child in sorted(path.rglob("*"), reverse=True):
            child.rmdir() if child.is_dir() else child.unlink()
        path.rmdir()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("not a directory")
    for words in (["up", "-d"], ["up"]):
        outcome = system.kite(*words, status=None)
        assert "Traceback" not in outcome.err
        assert outcome.status == 2, outcome
        assert str(path) in outcome.err
    system.wait_nothing_left()
    path.unlink()
    system.up("--wait")


def test_module_data_directory_is_a_file(system: System) -> None:
    """That module cannot start and says why; the others run."""
    system.module("sleeper")
    system.module("blocked")
    system.instance_dir.mkdir(parents=True, mode=0o700)
    (system.instance_dir / ".cwd").write_text(str(system.project))
    system.write(system.instance_dir / "blocked", "in the way")
    outcome = system.up("--wait", status=4)
    assert "blocked" in outcome.err
    record = system.record("blocked")
    assert record["actual_state"] == "failed"
    assert "blocked" in record["error"]
    assert system.record("sleeper")["actual_state"] == "running"


def test_manifest_is_a_directory(system: System) -> None:
    system.module("sleeper")
    (system.project / "modules" / "odd" / "module.md").mkdir(parents=True)
    outcome = system.up("--wait", status=None)
    assert outcome.status in (0, 4), outcome
    assert system.record("sleeper")["actual_state"] == "running"


def test_desired_states_are_garbage(system: System) -> None:
    """The last good copy is read instead."""
    system.module("sleeper")
    system.module("idle")
    system.up("--wait")
    system.act("stop", "idle")
    system.act("stop", "sleeper")
    system.act("start", "sleeper")
    system.down()
    (system.launcher_dir / "desired.json").write_text("{garbage")
    system.up("--wait")
    assert system.record("idle")["desired_state"] == "stopped"
    assert "desired.json" in system.log("launcher")


def test_folders_that_may_not_be_read(tmp_path: Path) -> None:
    """An unreadable manifest is listed under its folder's name; the others run."""
    # Root reads everything, unless it has given that capability away.
    words = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
    prefix = () if os.geteuid() else words
    with System(tmp_path, extensions=False, prefix=prefix) as system:
        system.module("sleeper")
        secret = system.module("secret")
        (secret / "module.md").chmod(0o000)
        closed = system.module("closed")
        closed.chmod(0o000)
        outcome = system.up("--wait", status=4)
        assert "Traceback" not in outcome.err
        assert "secret" in outcome.err
        records = system.records()
        assert records["sleeper"]["actual_state"] == "running"
        assert records["secret"]["actual_state"] == "failed"
        assert str(secret / "module.md") in records["secret"]["error"]
        check = system.kite("check", status=2)
        assert "modules/closed" in check.out + check.err
        closed.chmod(0o755)
