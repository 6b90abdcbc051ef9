"""Log files: their format, their rotation, their end on a full disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.logfile import (
    NOTE,
    STDERR,
    STDOUT,
    LogFile,
    LogLimits,
    format_lines,
    keep_total,
    parse_line,
)

AT = "2026-01-31T09:05:07.123Z"
SMALL = LogLimits(size=100_000, count=2, total=10_000_000)


def test_a_line_has_an_instant_and_a_mark() -> None:
    data = format_lines(STDERR, ["first", "", "two words"], AT)
    assert data.decode() == f"{AT} ! first\n{AT} ! \n{AT} ! two words\n"


@given(
    st.sampled_from([STDOUT, STDERR, NOTE]),
    st.lists(
        st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), min_size=1
    ),
)
def test_what_is_written_can_be_read(mark: str, lines: list[str]) -> None:
    rows = format_lines(mark, lines, AT).decode().split("\n")[:-1]
    assert [parse_line(row) for row in rows] == [(AT, mark, line) for line in lines]


@pytest.mark.parametrize("line", ["", "hello", f"{AT} ? x", f"{AT} |x", "yesterday | x"])
def test_what_is_no_log_line_is_told_apart(line: str) -> None:
    assert parse_line(line) is None


def test_files_are_private(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs", "m", SMALL)
    log.write(b"x\n")
    log.close()
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700


def test_rotation_keeps_so_many_and_tears_no_line(tmp_path: Path) -> None:
    log = LogFile(tmp_path, "m", SMALL)
    for number in range(40):
        log.write(f"{number:02d} {'x' * 9_996}\n".encode())
    log.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["m.log", "m.log.1", "m.log.2"]
    rows = [
        row[:2]
        for name in ("m.log.2", "m.log.1", "m.log")
        for row in (tmp_path / name).read_text().splitlines()
    ]
    assert rows == [f"{n:02d}" for n in range(10, 40)]
    assert all(path.stat().st_size <= SMALL.size for path in tmp_path.iterdir())


def test_without_predecessors_the_file_begins_anew(tmp_path: Path) -> None:
    log = LogFile(tmp_path, "m", LogLimits(size=100_000, count=0))
    for _ in range(15):
        log.write(b"x" * 9_999 + b"\n")
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["m.log"]
    assert log.path.stat().st_size == 50_000


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    log = LogFile(tmp_path, "m", SMALL)
    log.write(b"one\n")
    log.path.unlink()
    log.write(b"two\n")
    log.close()
    assert log.path.read_bytes() == b"two\n"


def test_a_write_that_fails_half_way_leaves_no_torn_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogFile(tmp_path, "m", SMALL)
    log.write(b"whole\n")
    real = os.write

    def fills_up(descriptor: int, data: memoryview) -> int:
        if len(data) > 3:
            return real(descriptor, data[:3])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fills_up)
        with pytest.raises(OSError, match="space"):
            log.write(b"torn line\n")
    log.write(b"again\n")
    log.close()
    assert log.path.read_bytes() == b"whole\nagain\n"


def test_many_modules_share_the_total(tmp_path: Path) -> None:
    limits = LogLimits(size=10_000_000, count=2, total=2_000_000)
    log = LogFile(tmp_path, "m", limits)
    for _ in range(15):
        log.write(b"x" * 9_999 + b"\n", sharers=10)
    log.close()
    assert log.path.stat().st_size <= 100_000


def test_the_oldest_go_first_when_all_together_are_too_many(tmp_path: Path) -> None:
    for age, name in enumerate(["a.log", "a.log.1", "b.log.1", "b.log.2", "notes.txt", "c.log.gz"]):
        path = tmp_path / name
        path.write_bytes(b"x" * 1000)
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    assert [p.name for p in keep_total(tmp_path, 2500)] == ["b.log.2", "b.log.1"]
    assert [p.name for p in keep_total(tmp_path, 0)] == ["a.log.1"]  # a present file never goes
    assert {p.name for p in tmp_path.iterdir()} == {"a.log", "notes.txt", "c.log.gz"}
