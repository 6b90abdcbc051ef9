"""Log files: their format, their rotation, their end on a full disk."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.clock import rfc3339
from kite.launcher.logfile import (
    NOTE,
    STDERR,
    STDOUT,
    LogFile,
    LogLimits,
    format_lines,
    parse_line,
)
from kite.launcher.rotated import all_rotated, clear_up, forget_before, keep_total, move_on

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
    for age, name in enumerate(
        ["a.log", "a.log.1", "b.log.1.gz", "b.log.2", "notes.txt", "c.log.gz", "b.log"]
    ):
        path = tmp_path / name
        path.write_bytes(b"x" * 1000)
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    assert [p.name for p in keep_total(tmp_path, 2500)] == ["b.log", "b.log.2", "b.log.1.gz"]
    # A present file that nobody writes goes too.
    assert [p.name for p in keep_total(tmp_path, 0, written={"a.log"})] == ["a.log.1"]
    assert {p.name for p in tmp_path.iterdir()} == {"a.log", "notes.txt", "c.log.gz"}


def aged(days: float) -> str:
    return rfc3339(time.time() - days * 86400)


def test_a_file_that_began_long_ago_is_rotated(tmp_path: Path) -> None:
    """A module that prints little keeps its old lines no longer than one that prints much."""
    limits = LogLimits(count=2, max_age=7 * 86400.0)
    (tmp_path / "m.log").write_bytes(format_lines(STDOUT, ["old"], aged(3.6)))
    log = LogFile(tmp_path, "m", limits)
    assert log.write(format_lines(STDOUT, ["new"], aged(0)))
    assert not log.write(format_lines(STDOUT, ["newer"], aged(0)))
    log.close()
    assert (tmp_path / "m.log.1").read_text().endswith("| old\n")
    young = LogFile(tmp_path, "m", LogLimits(count=2, max_age=86400.0 * 30))
    assert not young.write(format_lines(STDOUT, ["newest"], aged(0)))
    young.close()
    assert (tmp_path / "m.log").read_text().count("\n") == 3


def test_a_file_that_does_not_say_when_it_began_is_not_rotated_for_its_age(tmp_path: Path) -> None:
    (tmp_path / "m.log").write_bytes(b"something else\n")
    log = LogFile(tmp_path, "m", LogLimits(max_age=1.0))
    assert not log.write(format_lines(STDOUT, ["new"], aged(0)))
    log.close()


def test_older_files_move_on_in_either_form_and_what_is_too_many_goes(tmp_path: Path) -> None:
    for name in ("m.log", "m.log.1", "m.log.2.gz", "m.log.3", "m.log.7.gz", "mm.log.1"):
        (tmp_path / name).write_text(name)
    move_on(tmp_path / "m.log", 3)
    held = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert held == {
        "m.log.1": "m.log",
        "m.log.2": "m.log.1",
        "m.log.3.gz": "m.log.2.gz",
        "mm.log.1": "mm.log.1",
    }


def test_of_two_forms_of_a_file_the_plain_one_counts(tmp_path: Path) -> None:
    """The other may be unfinished: the power may have gone before it was on the disk."""
    for name in ("m.log.2", "m.log.2.gz", "m.log.1.gz", "m.log.part", "n.log"):
        (tmp_path / name).touch()
    assert [file.path.name for file in all_rotated(tmp_path)] == ["m.log.1.gz", "m.log.2"]
    assert [file.path.name for file in clear_up(tmp_path)] == ["m.log.2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.log.1.gz", "m.log.2", "n.log"]
    assert clear_up(tmp_path / "nowhere") == all_rotated(tmp_path / "nowhere") == []


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    for name, at in (("m.log", 10), ("m.log.1", 100), ("m.log.2.gz", 50), ("n.log.1", 99)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    assert sorted(p.name for p in forget_before(tmp_path, 100)) == ["m.log.2.gz", "n.log.1"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.log", "m.log.1"]
