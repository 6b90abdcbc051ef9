"""`lifecycle.jsonl`: what happened to every module, one JSON object a line, the truth afterwards.

A line is written whole or not at all. While the disk takes none, steps wait in memory, the oldest
are given up when there are too many, and one warning says so.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from kite.clock import now_rfc3339

_WAITING_LIMIT = 1000  # steps kept while the disk takes none


class Journal:
    """The lifecycle log of an instance directory.

    Args:
        path: `<instance dir>/launcher/lifecycle.jsonl`.
        max_bytes: when the file would pass this it becomes `.1`, `.1` becomes `.2` …
        count: rotated files that are kept.
        on_problem: called once per outage with the error.
        on_recovery: called after an outage with the number of steps given up.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = 5 * 1024 * 1024,
        count: int = 3,
        on_problem: Callable[[OSError], None] | None = None,
        on_recovery: Callable[[int], None] | None = None,
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._count = count
        self._on_problem = on_problem
        self._on_recovery = on_recovery
        self._descriptor: int | None = None
        self._size = 0
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._is_down = False

    def write(self, event: str, module: str, **fields: Any) -> dict[str, Any]:
        """Add a step; fields that are None are left out. Never raises for the disk's sake.

        Returns:
            The step as it stands in the file, `ts` included.
        """
        step = {"ts": now_rfc3339(), "event": event, "module": module}
        step |= {name: value for name, value in fields.items() if value is not None}
        self._waiting.append(msgspec.json.encode(step) + b"\n")
        self.flush()
        return step

    def flush(self) -> bool:
        """Write what waits; True when nothing does any more."""
        try:
            while self._waiting:
                self._append(self._waiting[0])
                self._waiting.popleft()
        except OSError as error:
            self._suffer(error)
            return False
        if self._is_down:
            self._is_down = False
            lost, self._lost = self._lost, 0
            if self._on_recovery is not None:
                self._on_recovery(lost)
        return True

    def close(self) -> None:
        """Try once more to write what waits, and let go of the file."""
        self.flush()
        self._drop()

    def _suffer(self, error: OSError) -> None:
        self._drop()
        while len(self._waiting) > _WAITING_LIMIT:
            self._waiting.popleft()
            self._lost += 1
        if not self._is_down:
            self._is_down = True
            if self._on_problem is not None:
                self._on_problem(error)

    def _append(self, line: bytes) -> None:
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

    def _open(self) -> int:
        if self._descriptor is not None:
            if os.fstat(self._descriptor).st_nlink:
                return self._descriptor
            self._drop()  # somebody has removed the file
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = _whole_lines(self._descriptor)
        return self._descriptor

    def _rotate(self) -> None:
        self._drop()
        for number in range(self._count, 0, -1):
            younger = self._path if number == 1 else self._rotated(number - 1)
            with contextlib.suppress(FileNotFoundError):
                younger.replace(self._rotated(number))
        if self._count < 1:
            self._path.unlink(missing_ok=True)

    def _rotated(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _drop(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


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
