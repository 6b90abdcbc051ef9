"""Reading the log files of `<instance dir>/logs`: from the end, by time, by life, and as they grow."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from kite.cli.log_chapter import (
    Chapter,
    close_all,
    find_instant,
    lines_between,
    older_chapters,
    whole_lines,
    windows_back,
)
from kite.cli.log_entry import Entry
from kite.cli.log_filter import LogFilter
from kite.cli.log_level import continues
from kite.cli.log_lives import Stretch, life_back
from kite.launcher.logfile import STDOUT, parse_line

_CLOCKS = 2.0  # seconds by which a file's own time may lag behind its last line


class LogTail:
    """One module's log, from any number of lines back and onwards, over rotations.

    Args:
        folder: `<instance dir>/logs`.
        module: its name; the files are `<module>.log`, then `.log.1` (older) and so on.
        filter: which lines are wanted; by default all.
    """

    def __init__(self, folder: Path, module: str, filter: LogFilter | None = None) -> None:  # noqa: A002
        self.module = module
        self._path = folder / f"{module}.log"
        self._filter = filter or LogFilter()
        self._chapter = Chapter.present(self._path)
        self._position = 0
        if self._chapter is not None:
            self._position = whole_lines(self._chapter.plain, self._chapter.size)
        self._ts = ""

    def past(self, count: int | None, *, back: int = 0) -> Iterator[Entry]:
        """What was there when this was made: the last `count` lines that are wanted, or all,
        oldest first.

        Args:
            back: only of an earlier life: 1 is the last that has ended, 2 the one before it …
        """
        with self._stretches(back) as stretches:
            if count is None:
                yield from self._forward(stretches)
            else:
                yield from self._backward(stretches, count)

    def has_life(self, back: int) -> bool:
        """Whether the log reaches back to a life that has ended, as for `past`."""
        with self._stretches(back) as stretches:
            return bool(stretches)

    def new(self) -> list[Entry]:
        """What has been written since and is wanted, whole lines only. Follows the file when it
        is rotated."""
        lines: list[bytes] = []
        while True:
            lines += self._grown()
            following = self._next()
            if following is None:
                break
            if self._chapter is not None:
                lines += self._grown()  # what came between the look and the rotation
                self._chapter.close()
            self._chapter, self._position = following, 0
        entries = (self._filter.keep(self._entry(line)) for line in lines)
        return [entry for entry in entries if entry is not None]

    def close(self) -> None:
        """Let go of the file."""
        if self._chapter is not None:
            self._chapter.close()
            self._chapter = None

    # -- what was there -----------------------------------------------------------------------

    @contextlib.contextmanager
    def _stretches(self, back: int) -> Iterator[list[Stretch]]:
        """The log as far as its time or its life is wanted, oldest first."""
        since = self._filter.wanted.since if not back else ""
        older = older_chapters(self._path, since=_seconds(since) - _CLOCKS, but=self._chapter)
        found = [Stretch(chapter=chapter) for chapter in reversed(older)]
        if self._chapter is not None:
            found.append(Stretch(chapter=self._chapter, end=self._position))
        try:
            yield life_back(found, back) if back else found
        finally:
            close_all(older)

    def _forward(self, stretches: list[Stretch]) -> Iterator[Entry]:
        until = self._filter.wanted.until
        for stretch in stretches:
            for line in lines_between(stretch.chapter.plain, self._begin(stretch), stretch.stop):
                entry = self._entry(line)
                if until and entry.ts > until:
                    return
                if (kept := self._filter.keep(entry)) is not None:
                    yield kept
            self._leave(stretch)

    def _backward(self, stretches: list[Stretch], count: int) -> list[Entry]:
        """The last that are wanted. Reads no further back than it takes."""
        found: deque[Entry] = deque()
        orphans: list[bytes] = []  # lines whose meaning stands in the line before them
        latest = ""
        for stretch in reversed(stretches if count else []):
            for piece in windows_back(stretch.chapter.plain, *self._bounds(stretch)):
                lines = [*piece, *orphans]
                self._ts = ""
                entries = [self._entry(line) for line in lines]
                latest = latest or self._ts
                first = 0
                while first < len(entries) and self._is_orphan(entries[first]):
                    first += 1
                orphans = lines[:first]
                found.extendleft(reversed(self._kept(entries[first:])))
                if len(found) >= count:
                    break
            self._leave(stretch)
            if len(found) >= count:
                break
        else:
            self._ts = ""
            found.extendleft(reversed(self._kept([self._entry(line) for line in orphans])))
        self._ts = latest
        return list(found)[max(0, len(found) - count) :]

    def _bounds(self, stretch: Stretch) -> tuple[int, int]:
        """From where to where in its file lines may be wanted, by their time."""
        file, end, until = stretch.chapter.plain, stretch.stop, self._filter.wanted.until
        if until:  # the first instant after it
            end = find_instant(file, stretch.start, end, f"{until}~")
        return min(end, self._begin(stretch)), end

    def _leave(self, stretch: Stretch) -> None:
        """Give back what an older file takes once it has been read."""
        if stretch.chapter is not self._chapter:
            stretch.chapter.close()

    def _kept(self, entries: list[Entry]) -> list[Entry]:
        """Those that are wanted of a piece of the log, whose beginning is no continuation."""
        keep = LogFilter(self._filter.wanted, tells_levels=self._filter.has_memory).keep
        return [kept for entry in entries if (kept := keep(entry)) is not None]

    def _is_orphan(self, entry: Entry) -> bool:
        return not entry.ts or (self._filter.has_memory and continues(entry.text))

    def _begin(self, stretch: Stretch) -> int:
        since = self._filter.wanted.since
        if not since:
            return stretch.start
        return find_instant(stretch.chapter.plain, stretch.start, stretch.stop, since)

    def _entry(self, raw: bytes) -> Entry:
        line = raw.decode("utf-8", "replace")
        parsed = parse_line(line)
        if parsed is None:
            return Entry(self._ts, self.module, STDOUT, line.rstrip("\n"))
        self._ts, mark, text = parsed
        return Entry(self._ts, self.module, mark, text)

    # -- what comes ---------------------------------------------------------------------------

    def _grown(self) -> list[bytes]:
        if self._chapter is None:
            return []
        size = self._chapter.size
        if size < self._position:  # somebody emptied the file
            self._position = 0
        self._chapter.plain.seek(self._position)
        # A line without its end is read again: a full disk may make the Launcher take it back.
        *lines, torn = (data := self._chapter.plain.read()).split(b"\n")
        self._position += len(data) - len(torn)
        return lines

    def _next(self) -> Chapter | None:
        """The file after the one being read, when that has been rotated away."""
        younger = Chapter.present(self._path)
        if younger is None or self._chapter is None:
            return younger
        if younger.identity == self._chapter.identity:
            younger.close()
            return None
        older = older_chapters(self._path)
        known = [chapter.identity for chapter in older]
        ours = self._chapter.identity
        # Between the two there may be others; where ours is gone, the oldest there is.
        place = known.index(ours) if ours in known else len(older)
        if place == 0:
            close_all(older)
            return younger
        younger.close()
        following = older[place - 1]
        close_all(chapter for chapter in older if chapter is not following)
        return following


def known_modules(folder: Path) -> list[str]:
    """The modules that have a log."""
    return sorted(file.name.removesuffix(".log") for file in folder.glob("*.log"))


def _seconds(instant: str) -> float:
    """Seconds since 1970; far back for an empty text."""
    return datetime.fromisoformat(instant).timestamp() if instant else 0.0
