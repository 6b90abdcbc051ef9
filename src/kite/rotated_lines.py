"""A file of whole lines that is never larger than it may be: when it would be, it becomes `.1`.

A line is written whole or not at all, also where the disk is full or the process is killed in it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class RotatedLines:
    """Appends to one file that only its owner may read.

    Args:
        path: the file; its folder is made where it is missing.
        max_bytes: when the file would pass this it becomes `.1`, `.1` becomes `.2` …
        count: older files that are kept.
    """

    def __init__(self, path: Path, *, max_bytes: int, count: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._count = count
        self._descriptor: int | None = None
        self._size = 0

    def append(self, line: bytes) -> None:
        """Add a line, which ends with its line break.

        Raises:
            OSError: the disk does not take it; the file is as it was.
        """
        descriptor = self._open()
        if self._size > 0 and self._size + len(line) > self._max_bytes:
            self._rotate()
            descriptor = self._open()
        written = 0
        try:
            while written < len(line):
                written += os.write(descriptor, line[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._size)
            raise
        self._size += written

    def close(self) -> None:
        """Let go of the file; the next line opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is not None:
            if os.fstat(self._descriptor).st_nlink:
                return self._descriptor
            self.close()  # somebody has removed the file
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, _FLAGS, 0o600)
        self._size = _whole_lines(self._descriptor)
        return self._descriptor

    def _rotate(self) -> None:
        self.close()
        for number in range(self._count, 0, -1):
            younger = self._path if number == 1 else self._rotated(number - 1)
            with contextlib.suppress(FileNotFoundError):
                younger.replace(self._rotated(number))
        if self._count < 1:
            self._path.unlink(missing_ok=True)

    def _rotated(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _whole_lines(descriptor: int) -> int:
    """The file's size after the torn line that a kill may have left at its end is cut off."""
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - 4096)
        piece = os.pread(descriptor, end - start, start)
        newline = piece.rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)
    return end
