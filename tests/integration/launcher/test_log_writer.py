"""The log writer's thread: nothing waits for it, nothing is lost in silence."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from kite.launcher import log_writer
from kite.launcher.log_writer import LogWriter
from kite.launcher.logfile import LogFile, parse_line

from .conftest import descriptors


def texts(path: Path) -> list[str]:
    rows = [parse_line(row) for row in path.read_text().splitlines()]
    assert None not in rows
    return [f"{row[1]} {row[2]}" for row in rows if row is not None]


async def test_lines_and_notes_of_several_modules(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "logs")
    writer.note("a", "life 1, pid 4711")
    writer.lines("a", False, ["one", "two"])
    writer.lines("b", True, ["failed"])
    await writer.flushed()
    assert texts(tmp_path / "logs" / "a.log") == ["= life 1, pid 4711", "| one", "| two"]
    assert texts(tmp_path / "logs" / "b.log") == ["! failed"]
    writer.close()
    assert threading.active_count() == 1


async def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    for number in range(1000):
        writer.lines("a", False, [str(number)])
    writer.close()
    assert texts(tmp_path / "a.log") == [f"| {number}" for number in range(1000)]


async def test_a_hanging_disk_holds_up_nobody_and_what_is_lost_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    real = LogFile.write

    def hangs(self: LogFile, data: bytes, *, sharers: int = 1) -> bool:
        free.wait(60)
        return real(self, data, sharers=sharers)

    monkeypatch.setattr(LogFile, "write", hangs)
    writer = LogWriter(tmp_path)
    lines = ["x" * 10_000] * 10
    handed_in = 0
    slowest = 0.0
    for _ in range(100):  # 10 MB of one module
        started = time.perf_counter()
        writer.lines("a", False, lines)
        slowest = max(slowest, time.perf_counter() - started)
        handed_in += len(lines)
    writer.lines("b", False, ["of another module"])
    assert slowest < 10  # the disk would take sixty
    free.set()
    await writer.flushed()
    writer.lines("a", False, ["after"])
    await writer.flushed()
    writer.close()
    rows = texts(tmp_path / "a.log")
    notes = [row for row in rows if row.startswith("=")]
    assert rows[-1] == "| after"
    # Two where the thread has its first turn late: what it takes then makes room once more.
    assert len(notes) in (1, 2)
    kept = len(rows) - len(notes) - 1
    assert kept + sum(int(note.split()[1]) for note in notes) == handed_in
    assert 0 < kept < 900
    assert texts(tmp_path / "b.log") == ["| of another module"]


async def test_a_disk_that_hangs_at_the_end_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    monkeypatch.setattr(LogFile, "write", lambda *_, **__: free.wait(10))
    writer = LogWriter(tmp_path)
    writer.lines("a", False, ["x"])
    started = time.monotonic()
    writer.close(timeout=0.1)
    assert time.monotonic() - started < 8  # the disk would take ten
    free.set()
    writer._thread.join()


async def test_a_full_disk_is_told_once_and_once_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "_RETRY", 0.0)
    problems: list[tuple[Path, OSError]] = []
    recoveries: list[tuple[Path, int]] = []
    writer = LogWriter(
        tmp_path,
        on_problem=lambda path, error: problems.append((path, error)),
        on_recovery=lambda path, lost: recoveries.append((path, lost)),
    )
    writer.lines("a", False, ["before"])
    await writer.flushed()
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if threading.current_thread().name == "log-writer":
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for _ in range(5):
            writer.lines("a", False, ["lost", "lost"])
        await writer.flushed()
    await asyncio.sleep(0)
    assert [(path.name, error.errno) for path, error in problems] == [("a.log", 28)]
    assert recoveries == []
    writer.lines("a", False, ["after"])
    await writer.flushed()
    await asyncio.sleep(0)
    assert [(path.name, lost) for path, lost in recoveries] == [("a.log", 10)]
    writer.close()
    assert texts(tmp_path / "a.log") == ["| before", "= 10 lines were lost here", "| after"]


async def test_a_folder_that_is_none_is_a_problem_and_not_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "_RETRY", 0.0)
    problems: list[Path] = []
    (tmp_path / "logs").write_text("in the way")
    writer = LogWriter(tmp_path / "logs", on_problem=lambda path, _: problems.append(path))
    writer.lines("a", False, ["lost"])
    await writer.flushed()
    await asyncio.sleep(0)
    assert [path.name for path in problems] == ["a.log"]
    (tmp_path / "logs").unlink()
    writer.lines("a", False, ["there"])
    await writer.flushed()
    writer.close()
    assert texts(tmp_path / "logs" / "a.log") == ["= 1 lines were lost here", "| there"]


async def test_two_hundred_modules_do_not_hold_two_hundred_files(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    before = len(descriptors(os.getpid()))
    for turn in range(2):
        for number in range(200):
            writer.lines(f"m{number}", False, [f"turn {turn}"])
    await writer.flushed()
    assert len(descriptors(os.getpid())) - before <= 70
    writer.close()
    assert all(
        texts(tmp_path / f"m{number}.log") == ["| turn 0", "| turn 1"] for number in range(200)
    )
