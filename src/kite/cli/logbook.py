"""Reading the log files of `<instance dir>/logs`: from the end, by time, and as they grow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count as numbers
from pathlib import Path
from typing import BinaryIO

from kite.launcher.logfile import NOTE, STDOUT, parse_line

_BLOCK = 1 << 16
STREAMS = {"|": "stdout", "!": "stderr", "=": "note"}


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One line of a log.

    Args:
        ts: RFC 3339 UTC; of a line that has none, that of the line before.
        module: whose log it is.
        mark: `|` standard output, `!` standard error, `=` a note of the Launcher.
        text: the rest.
    """

    ts: str
    module: str
    mark: str = STDOUT
    text: str = ""

    @property
    def is_note(self) -> bool:
        """Whether the Launcher wrote it."""
        return self.mark == NOTE


class LogTail:
    """One module's log, from any number of lines back and onwards, over rotations.

    Args:
        folder: `<instance dir>/logs`.
        module: its name; the files are `<module>.log`, then `.log.1` (older) and so on.
    """

    def __init__(self, folder: Path, module: str) -> None:
        self.module = module
        self._path = folder / f"{module}.log"
        self._file = _open(self._path)
        self._position = os.fstat(self._file.fileno()).st_size if self._file else 0
        self._ts = ""

    def past(self, count: int | None) -> Iterator[Entry]:
        """What was there when this was made: the last `count` lines, or all, oldest first."""
        lines: Iterable[bytes] = self._all() if count is None else self._last(count)
        for line in lines:
            yield self._entry(line)

    def new(self) -> list[Entry]:
        """What has been written since, whole lines only. Follows the file when it is rotated."""
        lines: list[bytes] = []
        while True:
            lines += self._grown()
            following = self._next()
            if following is None:
                break
            if self._file:
                self._file.close()
            self._file, self._position = following, 0
        return [self._entry(line) for line in lines]

    def close(self) -> None:
        """Let go of the file."""
        if self._file:
            self._file.close()
            self._file = None

    def _entry(self, raw: bytes) -> Entry:
        line = raw.decode("utf-8", "replace")
        parsed = parse_line(line)
        if parsed is None:
            return Entry(self._ts, self.module, STDOUT, line.rstrip("\n"))
        self._ts, mark, text = parsed
        return Entry(self._ts, self.module, mark, text)

    def _all(self) -> Iterator[bytes]:
        for file in reversed(self._older()):
            with file:
                yield from file
        if self._file:
            self._file.seek(0)
            left = self._position
            for line in self._file:
                left -= len(line)
                if left < 0 or not line.endswith(b"\n"):
                    self._position = self._file.tell() - len(line)
                    return
                yield line

    def _last(self, count: int) -> list[bytes]:
        lines: list[bytes] = []
        if self._file:
            lines, self._position = _tail(self._file, self._position, count)
        if len(lines) < count:
            for file in self._older():
                with file:
                    size = os.fstat(file.fileno()).st_size
                    if len(lines) < count:
                        lines = _tail(file, size, count - len(lines))[0] + lines
        return lines

    def _older(self) -> list[BinaryIO]:
        """The rotated files, the youngest first, without the one that is read as the present one."""
        present, older = _identity(self._file), []
        for file in self._rotated():
            if _identity(file) == present:
                file.close()
            else:
                older.append(file)
        return older

    def _rotated(self) -> Iterator[BinaryIO]:
        for number in numbers(1):
            file = _open(self._path.with_name(f"{self._path.name}.{number}"))
            if file is None:
                return
            yield file

    def _grown(self) -> list[bytes]:
        if self._file is None:
            return []
        size = os.fstat(self._file.fileno()).st_size
        if size < self._position:  # somebody emptied the file
            self._position = 0
        self._file.seek(self._position)
        # A line without its end is read again: a full disk may make the Launcher take it back.
        *lines, torn = (data := self._file.read()).split(b"\n")
        self._position += len(data) - len(torn)
        return lines

    def _next(self) -> BinaryIO | None:
        """The file after the one being read, when that has been rotated away."""
        present = _identity(self._file)
        younger = _open(self._path)
        if younger is None or _identity(younger) == present:
            if younger:
                younger.close()
            return None
        if present is None:
            return younger
        for file in self._rotated():  # between the two there may be others
            if _identity(file) == present:
                file.close()
                return younger
            younger.close()
            younger = file
        return younger  # ours is gone: go on with the oldest there is


def known_modules(folder: Path) -> list[str]:
    """The modules that have a log."""
    return sorted(file.name.removesuffix(".log") for file in folder.glob("*.log"))


def _open(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _identity(file: BinaryIO | None) -> tuple[int, int] | None:
    if file is None:
        return None
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino


def _tail(file: BinaryIO, size: int, count: int) -> tuple[list[bytes], int]:
    """The last `count` whole lines among the first `size` bytes, and where they end."""
    blocks: list[bytes] = []
    position, newlines = size, 0
    while position > 0 and newlines <= count:
        step = min(_BLOCK, position)
        position -= step
        file.seek(position)
        blocks.append(file.read(step))
        newlines += blocks[-1].count(b"\n")
    *lines, torn = b"".join(reversed(blocks)).split(b"\n")
    return lines[-count:] if count else [], size - len(torn)
