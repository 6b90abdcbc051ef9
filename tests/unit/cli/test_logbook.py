"""Reading logs from the end, by time, by life, and as they grow."""

from __future__ import annotations

import gzip
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kite.cli import log_chapter
from kite.cli.log_chapter import Chapter
from kite.cli.log_filter import LogFilter, Wanted
from kite.cli.log_level import Level
from kite.cli.logbook import LogTail, known_modules
from kite.clock import rfc3339
from kite.launcher.log_compressor import LogCompressor
from kite.launcher.logfile import LogFile, LogLimits, format_lines
from kite.launcher.rotated import all_rotated, move_on

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


# -- compressed ------------------------------------------------------------------------------------


def compress(path: Path) -> None:
    """As the Launcher does it."""
    compressor = LogCompressor(threading.Lock())
    for plain in all_rotated(path.parent, path.name):
        if not plain.is_compressed:
            compressor._compress(path, plain)


@pytest.mark.parametrize("count", [0, 1, 3, 50, None])
def test_compressed_files_are_read_like_plain_ones(
    opened: Opened, tmp_path: Path, count: int | None
) -> None:
    path = write(tmp_path, "web", range(10))
    path.rename(tmp_path / "web.log.1")
    compress(path)
    for numbers in (range(10, 20), range(20, 22)):
        move_on(path, 5)
        write(tmp_path, "web", numbers)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        *("web.log", "web.log.1", "web.log.3.gz"),
    ]
    wanted = [f"line {number}" for number in range(22)]
    shown = texts(opened("web"), count)
    assert shown == (wanted if count is None else wanted[len(wanted) - min(count, 22) :])


def test_of_a_damaged_file_what_is_whole_is_read(opened: Opened, tmp_path: Path) -> None:
    path = write(tmp_path, "web", range(5000))
    move_on(path, 5)
    compress(path)
    packed = tmp_path / "web.log.1.gz"
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    write(tmp_path, "web", range(5000, 5002))
    shown = texts(opened("web"), None)
    assert shown[:2] == ["line 0", "line 1"]
    assert shown[-2:] == ["line 5000", "line 5001"]
    assert 1000 < len(shown) < 5000
    packed.write_bytes(b"no gzip at all")
    assert texts(opened("web"), None) == ["line 5000", "line 5001"]
    packed.write_bytes(b"")
    assert texts(opened("web"), 5) == ["line 5000", "line 5001"]


@pytest.mark.parametrize("rotations", [1, 2, 4])
def test_following_goes_on_over_files_that_were_compressed_meanwhile(
    opened: Opened, tmp_path: Path, rotations: int
) -> None:
    path = write(tmp_path, "web", range(3))
    tail = opened("web")
    assert texts(tail, 1) == ["line 2"]
    write(tmp_path, "web", range(3, 5))
    for turn in range(rotations):
        move_on(path, 5)
        write(tmp_path, "web", range(5 + 2 * turn, 7 + 2 * turn))
        compress(path)
    last = 5 + 2 * rotations
    assert [entry.text for entry in tail.new()] == [f"line {n}" for n in range(3, last)]
    write(tmp_path, "web", range(last, last + 1))
    assert [entry.text for entry in tail.new()] == [f"line {last}"]


def test_a_file_that_has_the_number_of_one_that_is_gone_is_another(
    opened: Opened, tmp_path: Path
) -> None:
    """File systems give numbers of removed files to new ones, and headers name such numbers."""
    path = write(tmp_path, "web", range(3))
    move_on(path, 5)
    write(tmp_path, "web", range(3, 5))
    with gzip.GzipFile(
        filename=f"web.log.{path.stat().st_ino}",
        mode="wb",
        fileobj=(tmp_path / "web.log.1.gz").open("wb"),
    ) as packed:
        packed.write((tmp_path / "web.log.1").read_bytes())
        file = packed.fileobj
    file.close()
    (tmp_path / "web.log.1").unlink()
    tail = opened("web")
    assert texts(tail, None) == [f"line {n}" for n in range(5)]


def test_a_reader_while_the_writer_rotates_and_compresses_sees_every_line_once(
    tmp_path: Path,
) -> None:
    lock = threading.Lock()
    limits = LogLimits(size=64 * 1024, count=1000, total=1 << 30)
    log = LogFile(tmp_path, "web", limits, names=lock)
    log.write(format_lines("|", ["0"], at(0)))
    compressor = LogCompressor(lock)

    def print_lines() -> None:
        for number in range(1, 3000):
            if log.write(format_lines("|", [f"{number} {'x' * 500}"], at(number % 60))):
                compressor.take(log.path)

    tail = LogTail(tmp_path, "web")
    seen = [entry.text for entry in tail.past(None)]
    printing = threading.Thread(target=print_lines)
    printing.start()
    while printing.is_alive():
        seen += [entry.text for entry in tail.new()]
    printing.join()
    seen += [entry.text for entry in tail.new()]
    compressor.close(timeout=10)
    tail.close()
    log.close()
    assert [int(text.split()[0]) for text in seen] == list(range(3000))


# -- by time ---------------------------------------------------------------------------------------


def stamped(second: int) -> str:
    return rfc3339(1_769_850_000 + second)


def write_seconds(folder: Path, name: str, seconds: range) -> Path:
    """One line a second; the file is as old as its last line."""
    path = folder / name
    path.write_bytes(b"".join(format_lines("|", [f"line {n}"], stamped(n)) for n in seconds))
    os.utime(path, (1_769_850_000 + seconds[-1],) * 2)
    return path


@given(st.integers(-5, 3010), st.integers(-5, 3010), st.sampled_from([None, 0, 3, 10_000]))
@settings(max_examples=60, deadline=None)
def test_a_span_of_time_is_exactly_that(since: int, until: int, count: int | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_seconds(folder, "web.log.2", range(1000))
        write_seconds(folder, "web.log.1", range(1000, 2000))
        write_seconds(folder, "web.log", range(2000, 3000))
        wanted = Wanted(since=stamped(since), until=stamped(until))
        with closing(LogTail(folder, "web", LogFilter(wanted))) as tail:
            shown = [entry.text for entry in tail.past(count)]
    lines = [f"line {n}" for n in range(max(0, since), min(until + 1, 3000))]
    assert shown == (lines if count is None else lines[max(0, len(lines) - count) :])


def test_since_reads_neither_older_files_nor_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 200 000 lines those of the last minute, for a few dozen reads."""
    for number in (2, 1):
        file = write_seconds(tmp_path, f"web.log.{number}", range(10))
        file.chmod(0)
    last = write_seconds(tmp_path, "web.log", range(1000, 201_000))
    reads = 0
    real = Chapter.plain.fget
    assert real is not None

    class Counting:
        def __init__(self, file: IO[bytes]) -> None:
            self.file = file

        def __getattr__(self, name: str) -> object:
            nonlocal reads
            reads += name.startswith("read")
            return getattr(self.file, name)

    monkeypatch.setattr(Chapter, "plain", property(lambda self: Counting(real(self))))
    monkeypatch.setattr(
        log_chapter, "_open", lambda file: pytest.fail(f"{file.path.name} was opened")
    )
    wanted = Wanted(since=stamped(200_940))
    with closing(LogTail(tmp_path, "web", LogFilter(wanted))) as tail:
        shown = [entry.text for entry in tail.past(None)]
    assert shown == [f"line {n}" for n in range(200_940, 201_000)]
    assert last.stat().st_size > 7_000_000
    assert reads < 3000


# -- by life ---------------------------------------------------------------------------------------


def life(number: int, *lines: str, end: str = "exit status 1") -> bytes:
    noted = [f"life {number}, pid {4000 + number}"]
    data = format_lines("=", noted, at(number)) + format_lines("|", lines, at(number))
    return data + (format_lines("=", [f"life {number}: {end}"], at(number)) if end else b"")


def previous(tail: LogTail, back: int, count: int | None = None) -> list[str]:
    return [entry.text for entry in tail.past(count, back=back) if not entry.is_note]


def test_the_previous_life_is_the_last_that_has_ended(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_bytes(life(1, "one") + life(2, "two", "more"))
    assert previous(opened("web"), 1) == ["two", "more"]  # it is down: its last words
    assert previous(opened("web"), 1, count=2) == ["more"]  # the other is the note of its end
    with path.open("ab") as file:
        file.write(life(3, "three", end=""))
    assert previous(opened("web"), 1) == ["two", "more"]  # it runs again
    assert previous(opened("web"), 2) == ["one"]
    assert previous(opened("web"), 3) == []
    assert [opened("web").has_life(back) for back in (1, 2, 3)] == [True, True, False]


def test_a_life_whose_end_nobody_noted_ended_before_the_next(
    opened: Opened, tmp_path: Path
) -> None:
    """Kite was killed with it, and counts from 1 again."""
    (tmp_path / "web.log").write_bytes(life(4, "four", end="") + life(1, "new", end=""))
    assert previous(opened("web"), 1) == ["four"]
    assert previous(opened("web"), 2) == []


def test_replicas_share_a_log(opened: Opened, tmp_path: Path) -> None:
    """Which life is meant is told by its end; one that runs on is none that has ended."""

    def begun(number: int) -> bytes:
        return life(number, f"by {number}", end="")

    def ended(number: int) -> bytes:
        return format_lines("=", [f"life {number}: exit status 1"], at(number))

    path = tmp_path / "web.log"
    path.write_bytes(begun(1) + begun(2) + ended(2) + begun(3))
    assert previous(opened("web"), 1) == ["by 2"]
    assert previous(opened("web"), 2) == []
    with path.open("ab") as file:
        file.write(ended(1) + begun(4))
    assert previous(opened("web"), 1) == ["by 1", "by 2", "by 3"]
    assert previous(opened("web"), 2) == ["by 2"]
    with path.open("ab") as file:
        file.write(begun(1))  # another run of Kite, after a kill
    assert previous(opened("web"), 1) == ["by 4"]


def test_a_life_may_span_files(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_bytes(life(1, "one") + life(2, *(f"line {n}" for n in range(50)), end=""))
    move_on(path, 5)
    path.write_bytes(format_lines("|", [f"line {n}" for n in range(50, 100)], at(2)))
    move_on(path, 5)
    compress(path)
    path.write_bytes(
        format_lines("|", ["line 100"], at(2))
        + format_lines("=", ["life 2: ended by SIGKILL"], at(2))
        + format_lines("|", ["of a grandchild"], at(2))
        + life(3, "three", end="")
    )
    wanted = [*(f"line {n}" for n in range(101)), "of a grandchild"]
    assert previous(opened("web"), 1) == wanted
    assert previous(opened("web"), 1, count=3) == wanted[-2:]
    assert previous(opened("web"), 2) == ["one"]


def test_what_a_module_prints_is_no_note(opened: Opened, tmp_path: Path) -> None:
    lines = "= life 9, pid 1", f"{at(1)} = life 9, pid 1", "life 9: exit status 0"
    (tmp_path / "web.log").write_bytes(life(1, "one", *lines) + life(2, "two", end=""))
    assert previous(opened("web"), 1) == ["one", *lines]
    assert previous(opened("web"), 2) == []


# -- what is wanted --------------------------------------------------------------------------------


def mixed(folder: Path) -> None:
    rows = [
        ("=", "life 1, pid 7"),
        ("|", "INFO: begun"),
        ("!", "WARNING: low on paper"),
        ("!", "ERROR: out of paper"),
        ("!", "Traceback (most recent call last):"),
        ("!", '  File "main.py", line 1'),
        ("!", "OutOfPaper"),
        ("|", "plain output"),
        ("!", "plain error"),
        ("|", '{"level":20,"msg":"paper"}'),
    ]
    data = b"".join(format_lines(mark, [text], at(n)) for n, (mark, text) in enumerate(rows))
    (folder / "web.log").write_bytes(data)


ERRORS = ["ERROR: out of paper", "Traceback (most recent call last):", '  File "main.py", line 1']
ERRORS += ["OutOfPaper", "plain error"]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (Wanted(level=Level.ERROR), ERRORS),
        (Wanted(level=Level.WARN), ["WARNING: low on paper", *ERRORS]),
        (Wanted(level=Level.FATAL), []),
        (
            Wanted(level=Level.INFO, streams=frozenset("|=")),
            ["life 1, pid 7", "INFO: begun", "plain output"],
        ),
        (Wanted(streams=frozenset("=")), ["life 1, pid 7"]),
        (Wanted(grep=re.compile("paper")), ["WARNING: low on paper", "ERROR: out of paper", '{"level":20,"msg":"paper"}']),
        (Wanted(grep=re.compile("paper"), level=Level.ERROR), ["ERROR: out of paper"]),
        (
            Wanted(grep=re.compile("paper|plain|File|Trace", re.IGNORECASE), is_inverted=True),
            ["life 1, pid 7", "INFO: begun"],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("count", [None, 2, 100])
def test_what_is_said_about_lines_is_combined_and_counted(
    tmp_path: Path, wanted: Wanted, shown: list[str], count: int | None
) -> None:
    mixed(tmp_path)
    with closing(LogTail(tmp_path, "web", LogFilter(wanted))) as tail:
        found = [entry.text for entry in tail.past(count)]
    assert found == (shown if count is None else shown[max(0, len(shown) - count) :])


@pytest.mark.parametrize("window", [64, 200, 1 << 20])
def test_backwards_a_continued_line_keeps_its_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    """However the pieces fall in which the file is read."""
    monkeypatch.setattr(log_chapter, "_WINDOW", window)
    lines = ["INFO: a", "  b", "ERROR: c", "  d", "  e", "INFO: f", "  g"] * 5
    (tmp_path / "web.log").write_bytes(format_lines("|", lines, at(1)))
    with closing(LogTail(tmp_path, "web", LogFilter(Wanted(level=Level.ERROR)))) as tail:
        assert [entry.text for entry in tail.past(8)] == [
            "  d",
            "  e",
            *["ERROR: c", "  d", "  e"] * 2,
        ]


def test_following_filters_what_comes(tmp_path: Path) -> None:
    mixed(tmp_path)
    with closing(LogTail(tmp_path, "web", LogFilter(Wanted(level=Level.ERROR)))) as tail:
        assert [entry.text for entry in tail.past(1)] == ["plain error"]
        with (tmp_path / "web.log").open("ab") as file:
            file.write(format_lines("!", ["ERROR: again"], at(20)))
            assert tail.new() == []
            file.flush()
            assert [entry.text for entry in tail.new()] == ["ERROR: again"]
            file.write(format_lines("!", ["  more of it", "INFO: well"], at(21)))
            file.flush()
            assert [entry.text for entry in tail.new()] == ["  more of it"]
