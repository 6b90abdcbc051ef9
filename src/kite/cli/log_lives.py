"""Where the lives of a module begin and end in its log, by the Launcher's notes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

    Args:
        stretches: the whole log, oldest first.
        back: which: 1 is the last that has ended, 2 the one before it …

    Returns:
        Its stretches, oldest first; empty when the log does not reach back so far.
    """
    later: list[Stretch] = []  # from the mark that was seen last to the end of the life in question
    has_ended = False
    for stretch in reversed(stretches):
        end = stretch.stop
        for position, begins in reversed(list(_marks(stretch))):
            if not begins:
                has_ended = True
                continue
            back -= has_ended
            if back == 0:
                return [Stretch(chapter=stretch.chapter, start=position, end=end), *later]
            later, end, has_ended = [], position, True
        later.insert(0, Stretch(chapter=stretch.chapter, start=stretch.start, end=end))
    return []


def _marks(stretch: Stretch) -> Iterator[tuple[int, bool]]:
    """Where notes about lives stand, and whether one begins there."""
    file: IO[bytes] = stretch.chapter.plain
    position, end = stretch.start, stretch.stop
    while position < end:
        file.seek(position)
        piece = file.read(min(_PIECE, end - position))
        cut = piece.rfind(b"\n") + 1 or len(piece)
        for note in _NOTE.finditer(piece, 0, cut):
            yield position + note.start(), note[2] is not None
        position += cut
