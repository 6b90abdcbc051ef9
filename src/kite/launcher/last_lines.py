"""The last that a life has printed: what is told with its end. Bounded, whatever it prints."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

COUNT = 20  # lines
SIZE = 4096  # bytes of them together, as UTF-8
_LONGEST = 1024  # characters of one


class LastLines:
    """Keeps the last lines that are added."""

    def __init__(self) -> None:
        self._lines: deque[tuple[str, int]] = deque()
        self._size = 0

    def add(self, lines: Sequence[str]) -> None:
        """Take lines that were printed, in their order."""
        for line in lines[-COUNT:]:
            kept = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
            size = len(kept) if kept.isascii() else len(kept.encode("utf-8", "replace"))
            self._lines.append((kept, size))
            self._size += size
        while len(self._lines) > COUNT or self._size > SIZE:
            self._size -= self._lines.popleft()[1]

    def __iter__(self) -> Iterator[str]:
        return (line for line, _ in self._lines)
