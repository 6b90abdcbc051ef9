"""Where the lives of a module begin and end in its log, by the Launcher's notes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import IO

from kite.cli.log_chapter import Chapter

_PIECE = 1 << 20
_NOTE = re.compile(rb"^\S+Z = life (\d+)(?:(, pid )|: )", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a chapter, from the beginning of a line to the end of one (None: of the last)."""

    chapter: Chapter
    start: int = 0
    end: int | None = None

    @property
    def stop(self) -> int:
        """Where it ends. Uncompresses its file."""
        return self.chapter.size if self.end is None else self.end


def life_back(stretches: Sequence[Stretch], back: int) -> list[Stretch]:
    """The part of a log that belongs to an earlier life.

    Replicas share a log: what the others print meanwhile is in that part, too.

    Args:
        stretches: the whole log, oldest first.
        back: which: 1 is the last that has ended, 2 the one that ended before it …

    Returns:
        Its stretches, oldest first; empty when the log does not reach back so far.
    """
    later = _Later(back)
    for index in reversed(range(len(stretches))):
        for mark in reversed(list(_marks(stretches[index]))):
            place = (index, mark.position)
            if not mark.begins:
                later.has_ended(mark.life)
            elif (wanted := later.began(mark.life, place)) is not None:
                return _between(stretches, place, wanted.until)
    return []


_Place = tuple[int, int]  # which stretch, and the position in its file


@dataclass(frozen=True, slots=True)
class _End:
    rank: int
    until: _Place | None  # where the next life begins; None: the end of the log


class _Later:
    """What is known of the lives of the rest of the log, while it is read backwards."""

    def __init__(self, back: int) -> None:
        self._back = back
        self._ends: dict[int, _End] = {}
        self._ranks = count(1)
        self._least: int | None = None
        self._next: _Place | None = None

    def has_ended(self, life: int) -> None:
        self._ends.setdefault(life, _End(next(self._ranks), self._next))

    def began(self, life: int, place: _Place) -> _End | None:
        """Its end, if it is the one that is wanted."""
        # A number that comes again is of another run: what ran before it ended with the former.
        if self._least is not None and self._least <= life:
            self.has_ended(life)
        self._least = life if self._least is None else min(self._least, life)
        self._next = place
        end = self._ends.pop(life, None)
        return end if end is not None and end.rank == self._back else None


def _between(stretches: Sequence[Stretch], start: _Place, until: _Place | None) -> list[Stretch]:
    (first, begin), (last, end) = start, until or (len(stretches) - 1, None)
    return [
        Stretch(
            chapter=stretch.chapter,
            start=begin if index == first else stretch.start,
            end=end if index == last and end is not None else stretch.end,
        )
        for index, stretch in enumerate(stretches)
        if first <= index <= last
    ]


@dataclass(frozen=True, slots=True)
class _Mark:
    position: int
    life: int
    begins: bool


def _marks(stretch: Stretch) -> Iterator[_Mark]:
    """The notes about lives: where one begins, where one has ended."""
    file: IO[bytes] = stretch.chapter.plain
    position, end = stretch.start, stretch.stop
    while position < end:
        file.seek(position)
        piece = file.read(min(_PIECE, end - position))
        cut = piece.rfind(b"\n") + 1 or len(piece)
        for note in _NOTE.finditer(piece, 0, cut):
            yield _Mark(position + note.start(), int(note[1]), note[2] is not None)
        position += cut
