"""One module's log on disk: lines with an instant and a mark, rotated by size and age, private.

    2026-01-31T09:05:07.123Z | text        standard output
    2026-01-31T09:05:07.124Z ! text        standard error
    2026-01-31T09:05:07.125Z = life 3, …   a note of the Launcher

A file belongs to one thread (`log_writer`); nothing here knows of threads or loops.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kite.launcher.rotated import move_on

STDOUT, STDERR, NOTE = "|", "!", "="

_LEAST_SIZE = 4 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """How much is kept.

    Args:
        size: bytes of a file.
        count: files of a module besides the present one.
        total: bytes of all modules together, as they lie on the disk.
        max_age: seconds after which older files are removed; None: never.
        compress: whether older files are compressed.
    """

    size: int = 10 * 1024 * 1024
    count: int = 5
    total: int = 200 * 1024 * 1024
    max_age: float | None = None
    compress: bool = True

    @property
    def longest(self) -> float | None:
        """Seconds that one file may span, so that all older ones together span `max_age`."""
        return None if self.max_age is None else self.max_age / max(1, self.count)


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
    """`<folder>/<name>.log`; its predecessors are in `rotated`.

    Args:
        names: held while files change their names.
    """

    def __init__(
        self, folder: Path, name: str, limits: LogLimits, *, names: threading.Lock | None = None
    ) -> None:
        self.path = folder / f"{name}.log"
        self._limits = limits
        self._names = names or threading.Lock()
        self._descriptor: int | None = None
        self._size = 0
        self._began_at: float | None = None  # seconds since 1970; None: unknown, or of no interest

    def write(self, data: bytes, *, sharers: int = 1) -> bool:
        """Append whole lines; True when the file was rotated before.

        Args:
            sharers: among how many modules the total is shared: with many of them a file is
                rotated before it has its full size, as present files are never removed.

        Raises:
            OSError: the disk is full, the folder may not be written … Nothing of `data` is left.
        """
        self._open()
        rotated = self._size > 0 and (
            self._size + len(data) > self._share(sharers) or self._is_old()
        )
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

    def _is_old(self) -> bool:
        longest = self._limits.longest
        return (
            longest is not None
            and self._began_at is not None
            and time.time() - self._began_at > longest
        )

    def _open(self) -> None:
        if self._descriptor is not None:
            seen = os.fstat(self._descriptor)
            self._size = seen.st_size
            if seen.st_nlink:
                return
            self.close()  # somebody has removed it: what is written to it would be lost
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        if self._limits.max_age is not None:
            self._began_at = _began_at(self._descriptor) if self._size else time.time()

    def _rotate(self) -> None:
        self.close()
        with self._names:
            move_on(self.path, self._limits.count)

    def close(self) -> None:
        """Let go of the file; the next write opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _began_at(descriptor: int) -> float | None:
    """When the first line of a file was written; None when it does not say."""
    head = os.pread(descriptor, 256, 0).decode("utf-8", "replace")
    parsed = parse_line(head)
    try:
        return datetime.fromisoformat(parsed[0]).timestamp() if parsed else None
    except ValueError:
        return None
