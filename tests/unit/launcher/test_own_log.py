"""The Launcher's own log: it is kept small, and a detached Launcher's last words go along."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.launcher.own_log import OwnLog

DETACHED = """
import logging, pathlib, sys
from kite.launcher.own_log import OwnLog
logging.basicConfig(handlers=[OwnLog(pathlib.Path(sys.argv[1]), size=1000, count=2)], format="%(message)s")
for number in range(int(sys.argv[2])):
    logging.error("line %03d", number)
print("to standard output", flush=True)
1 / 0
"""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[OwnLog]:
    made = OwnLog(tmp_path / "launcher.log", size=1000, count=2)
    yield made
    made.close()


def say(log: OwnLog, *words: str) -> None:
    for word in words:
        log.emit(logging.LogRecord("kite", logging.INFO, "", 0, "%s", (word,), None))


def test_older_ones_lie_beside_it_and_the_oldest_goes(log: OwnLog, tmp_path: Path) -> None:
    say(log, *(f"line {number:03}" for number in range(500)))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["launcher.log", "launcher.log.1", "launcher.log.2"]
    assert all(path.stat().st_size <= 1010 for path in tmp_path.iterdir())
    newest_last = "".join((tmp_path / name).read_text() for name in reversed(files))
    assert (
        newest_last.splitlines() == [f"line {n:03}" for n in range(500)][-len(newest_last) // 9 :]
    )


def test_it_is_for_nobody_elses_eyes(log: OwnLog, tmp_path: Path) -> None:
    say(log, "x" * 2000, "y")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert not os.get_inheritable(log._descriptor)


def test_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "launcher.log").write_text("before\n")
    log = OwnLog(tmp_path / "launcher.log")
    say(log, "after", "\udcff")
    log.close()
    assert (tmp_path / "launcher.log").read_text() == "before\nafter\n\\udcff\n"


@pytest.mark.parametrize("lines", [3, 300])
def test_standard_error_goes_along(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "launcher.log"
    with path.open("ab") as file:
        words = [sys.executable, "-c", DETACHED, str(path), str(lines)]
        subprocess.run(words, stdout=file, stderr=file, check=False, timeout=60)
    end = path.read_text().splitlines()
    assert end[-1] == "ZeroDivisionError: division by zero"
    assert "to standard output" in end
    assert (tmp_path / "launcher.log.2").exists() is (lines > 200)


def test_a_disk_that_refuses_is_borne(
    log: OwnLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    (tmp_path / "launcher.log.2").mkdir()  # it cannot be removed as a file can
    say(log, *("x" * 100 for _ in range(30)))
    assert (tmp_path / "launcher.log").read_text().count("\n") == 30
