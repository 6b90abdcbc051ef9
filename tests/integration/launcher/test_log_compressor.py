"""Rotated logs are compressed beside the writing, whole or not at all."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pytest

from kite.launcher import log_compressor
from kite.launcher.log_compressor import LogCompressor
from kite.launcher.log_writer import LogWriter
from kite.launcher.logfile import LogLimits, parse_line
from kite.launcher.rotated import move_on

from .conftest import until

SMALL = LogLimits(size=100_000, count=3, total=100_000_000)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def numbers(folder: Path, module: str = "a") -> list[int]:
    """The numbers that stand in a module's log, oldest first, whatever is compressed."""
    files = sorted(folder.glob(f"{module}.log*"), key=lambda path: path.name, reverse=True)
    found = []
    for file in files:
        data = file.read_bytes()
        text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
        rows = [parse_line(row) for row in text.splitlines()]
        found += [int(row[2].split()[0]) for row in rows if row is not None]
    return found


async def print_numbers(writer: LogWriter, count: int, first: int = 0, module: str = "a") -> None:
    for number in range(first, first + count):
        writer.lines(module, False, [f"{number} {'x' * 970}"])
    await writer.flushed()


async def test_older_files_are_compressed_and_nothing_is_lost(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, SMALL)
    await print_numbers(writer, 250)
    await until(lambda: names(tmp_path) == ["a.log", "a.log.1.gz", "a.log.2.gz"])
    assert numbers(tmp_path) == list(range(250))
    packed = tmp_path / "a.log.1.gz"
    assert packed.stat().st_mode & 0o777 == 0o600
    assert packed.stat().st_size < 20_000
    await print_numbers(writer, 200, 250)
    wanted = ["a.log", "a.log.1.gz", "a.log.2.gz", "a.log.3.gz"]
    await until(lambda: names(tmp_path) == wanted)
    left = numbers(tmp_path)
    assert left == list(range(left[0], 450))
    assert len(left) > 300
    writer.close()
    assert threading.active_count() == 1


async def test_a_compressed_file_is_as_old_as_its_lines(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, SMALL)
    (tmp_path / "a.log.1").write_text("plain\n")
    os.utime(tmp_path / "a.log.1", (1_000_000, 1_000_000))
    writer.close()
    writer = LogWriter(tmp_path, SMALL)
    await until(lambda: names(tmp_path) == ["a.log.1.gz"])
    writer.close()
    assert (tmp_path / "a.log.1.gz").stat().st_mtime == 1_000_000


async def test_compression_can_be_left_out(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, LogLimits(size=100_000, count=3, compress=False))
    await print_numbers(writer, 250)
    writer.close()
    assert names(tmp_path) == ["a.log", "a.log.1", "a.log.2"]
    assert numbers(tmp_path) == list(range(250))


async def test_what_an_interrupted_run_has_left_is_mended_at_the_start(tmp_path: Path) -> None:
    """A half file under its first name, a whole one beside its source, plain ones of earlier days."""
    (tmp_path / "a.log.part").write_bytes(gzip.compress(b"half")[:10])
    (tmp_path / "a.log.2").write_text("the source\n")
    (tmp_path / "a.log.2.gz").write_bytes(gzip.compress(b"perhaps")[:12])
    (tmp_path / "a.log.1.gz").write_bytes(gzip.compress(b"compressed\n"))
    (tmp_path / "b.log.1").write_text("plain\n")
    (tmp_path / "b.log").write_text("present\n")
    writer = LogWriter(tmp_path, SMALL)
    wanted = ["a.log.1.gz", "a.log.2.gz", "b.log", "b.log.1.gz"]
    await until(lambda: names(tmp_path) == wanted)
    writer.close()
    unpacked = [gzip.decompress((tmp_path / name).read_bytes()) for name in wanted if "gz" in name]
    assert unpacked == [b"compressed\n", b"the source\n", b"plain\n"]


async def test_the_end_of_kite_does_not_wait_for_a_compression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not through is given up without a trace, and done at the next start."""
    monkeypatch.setattr(log_compressor, "_PIECE", 1)
    (tmp_path / "a.log.1").write_bytes(b"x" * 1_000_000)
    compressor = LogCompressor(threading.Lock())
    compressor.take(tmp_path / "a.log")
    await until((tmp_path / "a.log.part").exists)
    compressor.close(timeout=10)
    assert names(tmp_path) == ["a.log.1"]
    assert threading.active_count() == 1


async def test_a_file_may_move_on_or_go_while_it_is_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = threading.Lock()
    compressor = LogCompressor(lock)
    real, reached, go_on = LogCompressor._write, threading.Event(), threading.Event()

    def waits(self: LogCompressor, part: Path, source: object, name: str) -> bool:
        done = real(self, part, source, name)  # type: ignore[arg-type]
        reached.set()
        go_on.wait(10)
        return done

    monkeypatch.setattr(LogCompressor, "_write", waits)
    (tmp_path / "a.log.1").write_text("first\n")
    (tmp_path / "a.log").write_text("second\n")
    compressor.take(tmp_path / "a.log")
    await until(reached.is_set)
    with lock:
        move_on(tmp_path / "a.log", 3)
    reached.clear()
    go_on.set()
    await until(lambda: names(tmp_path) == ["a.log.1.gz", "a.log.2.gz"])
    assert gzip.decompress((tmp_path / "a.log.2.gz").read_bytes()) == b"first\n"
    go_on.clear()
    reached.clear()
    (tmp_path / "b.log.1").write_text("goes\n")
    compressor.take(tmp_path / "b.log")
    await until(reached.is_set)
    (tmp_path / "b.log.1").unlink()
    go_on.set()
    await until(lambda: names(tmp_path) == ["a.log.1.gz", "a.log.2.gz"])
    compressor.close(timeout=10)


async def test_a_disk_that_takes_no_compressed_file_keeps_the_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = threading.Event()

    def full(_: int) -> None:
        refused.set()
        raise OSError(28, "No space left on device")

    writer = LogWriter(tmp_path, SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        await print_numbers(writer, 150)
        await until(refused.is_set)
        await until(lambda: names(tmp_path) == ["a.log", "a.log.1"])
    await print_numbers(writer, 100, 150)  # the next rotation tries again
    await until(lambda: names(tmp_path) == ["a.log", "a.log.1.gz", "a.log.2.gz"])
    writer.close()
    assert numbers(tmp_path) == list(range(250))


async def test_logs_go_on_while_another_is_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: hangs.wait(10))
    writer = LogWriter(tmp_path, SMALL)
    await print_numbers(writer, 450)
    await print_numbers(writer, 450, module="b")
    assert numbers(tmp_path, "b")[-1] == 449
    assert "b.log.3" in names(tmp_path)  # plain still: its turn has not come
    hangs.set()
    await until(lambda: names(tmp_path).count("b.log.3.gz") == 1)
    writer.close()


async def test_the_total_counts_what_lies_on_the_disk(tmp_path: Path) -> None:
    """So that compressed logs reach further back."""
    limits = LogLimits(size=100_000, count=100, total=300_000)
    writer = LogWriter(tmp_path, limits)
    for turn in range(20):
        await print_numbers(writer, 100, 100 * turn)
        await until(
            lambda: not list(tmp_path.glob("a.log.?")) and not list(tmp_path.glob("*.part"))
        )
    writer.close()
    assert disk_usage(tmp_path) <= limits.total
    assert numbers_span(tmp_path) > 1000


def disk_usage(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def numbers_span(folder: Path) -> int:
    return sum(
        len(gzip.decompress(path.read_bytes()).splitlines()) for path in folder.glob("a.log.*.gz")
    )


async def test_old_files_go_at_the_next_line(tmp_path: Path) -> None:
    for name, at in (("a.log.1.gz", 1_000_000), ("b.log.1", 1_000_000)):
        (tmp_path / name).write_bytes(gzip.compress(b"old\n"))
        os.utime(tmp_path / name, (at, at))
    writer = LogWriter(tmp_path, LogLimits(max_age=86400.0))
    writer.lines("c", False, ["new"])
    await writer.flushed()
    await until(lambda: names(tmp_path) == ["c.log"])
    writer.close()
