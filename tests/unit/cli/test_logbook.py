"""Reading logs from the end, by time, and as they grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from kite.cli.logbook import LogTail, known_modules
from kite.launcher.logfile import LogFile, LogLimits, format_lines

Opened = Callable[[str], LogTail]


def at(second: float) -> str:
    return f"2026-01-31T09:05:{second:06.3f}Z"


def write(folder: Path, name: str, numbers: range) -> Path:
    path = folder / f"{name}.log"
    with path.open("ab") as file:
        for number in numbers:
            file.write(format_lines("|", [f"line {number}"], at(number % 60)))
    return path


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Makes readers of logs that are closed in the end."""
    with ExitStack() as files:
        yield lambda name: files.enter_context(closing(LogTail(tmp_path, name)))


def texts(tail: LogTail, count: int | None) -> list[str]:
    return [entry.text for entry in tail.past(count)]


@pytest.mark.parametrize("count", [0, 1, 3, 50, None])
def test_the_last_lines_come_from_as_many_files_as_it_takes(
    opened: Opened, tmp_path: Path, count: int | None
) -> None:
    write(tmp_path, "web", range(10)).rename(tmp_path / "web.log.2")
    write(tmp_path, "web", range(10, 20)).rename(tmp_path / "web.log.1")
    write(tmp_path, "web", range(20, 22))
    wanted = [f"line {number}" for number in range(22)]
    shown = texts(opened("web"), count)
    assert shown == (wanted if count is None else wanted[len(wanted) - min(count, 22) :])


def test_lines_longer_than_a_block_are_whole(opened: Opened, tmp_path: Path) -> None:
    long = "x" * 200_000
    (tmp_path / "web.log").write_bytes(
        format_lines("|", ["first"], at(1)) + format_lines("!", [long], at(2))
    )
    entries = list(opened("web").past(1))
    assert [entry.text for entry in entries] == [long]
    assert entries[0].mark == "!"


def test_a_half_written_line_waits_for_its_end(opened: Opened, tmp_path: Path) -> None:
    path = write(tmp_path, "web", range(2))
    with path.open("ab") as file:
        file.write(f"{at(3)} | ha".encode())
    for count in (10, None):
        tail = opened("web")
        assert texts(tail, count) == ["line 0", "line 1"]
        assert tail.new() == []
    with path.open("ab") as file:
        file.write(b"lf\n")
    assert [entry.text for entry in tail.new()] == ["half"]


def test_every_line_is_seen_once_over_rotations(opened: Opened, tmp_path: Path) -> None:
    """However many rotations lie between two looks, as long as the files are kept."""
    log = LogFile(tmp_path, "web", LogLimits(size=64 * 1024, count=5, total=10 * 1024 * 1024))
    log.write(format_lines("|", ["start"], at(0)))
    tail = opened("web")
    assert texts(tail, None) == ["start"]
    seen: list[str] = []
    written: list[str] = []
    rotations = 0
    for number in range(600):
        text = f"{number} " + "y" * 1000
        written.append(text)
        rotations += log.write(format_lines("|", [text], at(1)))
        if number % 150 == 149:  # two or three rotations later
            seen += [entry.text for entry in tail.new()]
    assert rotations > 6
    assert seen == written
    log.close()


def test_a_log_that_begins_later_is_picked_up(opened: Opened, tmp_path: Path) -> None:
    tail = opened("web")
    assert texts(tail, None) == []
    assert tail.new() == []
    write(tmp_path, "web", range(2))
    assert [entry.text for entry in tail.new()] == ["line 0", "line 1"]


def test_a_torn_line_that_was_taken_back_does_not_confuse(opened: Opened, tmp_path: Path) -> None:
    path = write(tmp_path, "web", range(1))
    tail = opened("web")
    list(tail.past(None))
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"torn by a full disk")
    assert tail.new() == []
    with path.open("r+b") as file:
        file.truncate(size)
    write(tmp_path, "web", range(7, 8))
    assert [entry.text for entry in tail.new()] == ["line 7"]


def test_lines_of_another_form_keep_their_place(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "launcher.log").write_text(f"{at(5)} = begun\nTraceback:\n  boom\n")
    entries = list(opened("launcher").past(None))
    assert [(entry.ts, entry.text) for entry in entries] == [
        (at(5), "begun"),
        (at(5), "Traceback:"),
        (at(5), "  boom"),
    ]
    assert entries[0].is_note


def test_known_modules_are_those_with_a_log(tmp_path: Path) -> None:
    for name in ("web.log", "web.log.1", "index.log", "readme.txt"):
        (tmp_path / name).touch()
    assert known_modules(tmp_path) == ["index", "web"]
