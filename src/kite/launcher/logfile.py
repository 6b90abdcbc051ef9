"""One module's log on disk: lines with an instant and a mark, rotated by size, private.

    2026-01-31T09:05:07.123Z | text        standard output
    2026-01-31T09:05:07.124Z ! text        standard error
    2026-01-31T09:05:07.125Z = life 3, …   a note of the Launcher

A file belongs to one thread (`log_writer`); nothing here knows of threads or loops.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STDOUT, STDERR, NOTE = "|", "!", "="

_LEAST_SIZE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """How much is kept: bytes of a file, files of a module besides the present one, bytes of all
    modules together."""

    size: int = 10 * 1024 * 1024
    count: int = 5
    total: int = 200 * 1024 * 1024


def format_lines(mark: str, lines: Sequence[str], at: str) -> bytes:
    """Lines as the file holds them.

    Args:
        mark: `STDOUT`, `STDERR` or `NOTE`.
        at: the instant, RFC 3339.
    """
    start = f"{at} {mark} "
    text = start + f"\n{start}".join(lines) + "\n"
    return text.encode("utf-8", "replace")


def parse_line(line: str) -> tuple[str, str, str] | None:
    """(instant, mark, text) of a line of a log, or None for what is none."""
    at, _, rest = line.rstrip("\n").partition(" ")
    mark, space, text = rest[:1], rest[1:2], rest[2:]
    if mark not in {STDOUT, STDERR, NOTE} or space not in {" ", ""} or not at.endswith("Z"):
        return None
    return at, mark, text


class LogFile:
    """`<folder>/<name>.log` and its rotated predecessors `.log.1` (the youngest), `.log.2` …"""

    def __init__(self, folder: Path, name: str, limits: LogLimits) -> None:
        self.path = folder / f"{name}.log"
        self._limits = limits
        self._descriptor: int | None = None
        self._size = 0

    def write(self, data: bytes, *, sharers: int = 1) -> bool:
        """Append whole lines; True when the file was rotated before.

        Args:
            sharers: among how many modules the total is shared: with many of them a file is
                rotated before it has its full size, as present files are never removed.

        Raises:
            OSError: the disk is full, the folder may not be written … Nothing of `data` is left.
        """
        self._open()
        rotated = self._size > 0 and self._size + len(data) > self._share(sharers)
        if rotated:
            self._rotate()
            self._open()
        assert self._descriptor is not None
        before = self._size
        try:
            rest = memoryview(data)
            while rest:
                written = os.write(self._descriptor, rest)
                self._size += written
                rest = rest[written:]
        except OSError:
            with contextlib.suppress(OSError):  # no torn line
                os.ftruncate(self._descriptor, before)
            self.close()
            raise
        return rotated

    def _share(self, sharers: int) -> int:
        """What this file may grow to: the present files together take half of the total."""
        share = self._limits.total // (2 * max(1, sharers))
        return max(_LEAST_SIZE, min(self._limits.size, share))

    def _open(self) -> None:
        if self._descriptor is not None:
            seen = os.fstat(self._descriptor)
            self._size = seen.st_size
            if seen.st_nlink:
                return
            self.close()  # somebody has removed it: what is written to it would be lost
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        if self._limits.count < 1:
            self.path.unlink(missing_ok=True)
            return
        for number in range(self._limits.count, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            younger = (
                self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
            )
            with contextlib.suppress(FileNotFoundError):
                younger.replace(older)

    def close(self) -> None:
        """Let go of the file; the next write opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def keep_total(folder: Path, total: int) -> list[Path]:
    """Remove the oldest rotated logs in a folder until all logs together keep to `total` bytes.

    Returns:
        What was removed.
    """
    rotated: list[tuple[float, Path, int]] = []
    size = 0
    for path in folder.iterdir():
        name, dot, number = path.name.rpartition(".log")
        if not dot or not name or not (number == "" or number[1:].isdigit()):
            continue
        with contextlib.suppress(OSError):
            seen = path.stat(follow_symlinks=False)
            size += seen.st_size
            if number:
                rotated.append((seen.st_mtime, path, seen.st_size))
    removed: list[Path] = []
    for _, path, path_size in sorted(rotated):
        if size <= total:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            size -= path_size
            removed.append(path)
    return removed
