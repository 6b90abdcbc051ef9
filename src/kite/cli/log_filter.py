"""Which lines of a log are shown: by time, text, level and stream, all of them together. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kite import terminal
from kite.cli.log_entry import Entry
from kite.cli.log_level import Level, LevelReader
from kite.launcher.logfile import NOTE, STDERR

_UNSAID = {STDERR: Level.ERROR}
"""What a line counts as that says no level: an error on standard error, else `info`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody wants to see.

    Args:
        since, until: RFC 3339 UTC; both included.
        grep: must be found in the text, without escape sequences.
        is_inverted: must not be found.
        level: the lowest.
        streams: marks of lines (`|`, `!`, `=`); empty: all.
    """

    since: str = ""
    until: str = ""
    grep: re.Pattern[str] | None = None
    is_inverted: bool = False
    level: Level | None = None
    streams: frozenset[str] = frozenset()


EVERYTHING = Wanted()


class LogFilter:
    """Decides about the lines of one module, in their order.

    Args:
        tells_levels: give each entry the level that its line says.
    """

    def __init__(self, wanted: Wanted = EVERYTHING, *, tells_levels: bool = False) -> None:
        self.wanted = wanted
        self._reads_levels = tells_levels or wanted.level is not None
        self._levels: dict[str, LevelReader] = {}

    @property
    def has_memory(self) -> bool:
        """Whether what becomes of a line depends on the lines before it."""
        return self._reads_levels

    def keep(self, entry: Entry) -> Entry | None:
        """The entry as it is shown, or None."""
        wanted, text = self.wanted, ""
        if self._reads_levels or wanted.grep is not None:
            text = terminal.clean(entry.text, color=False)
        if self._reads_levels and entry.mark != NOTE:
            reader = self._levels.get(entry.mark)
            if reader is None:
                reader = self._levels[entry.mark] = LevelReader()
            if (level := reader.read(text)) is not None:
                entry = entry.with_level(level)
        if (wanted.since and entry.ts < wanted.since) or (wanted.until and entry.ts > wanted.until):
            return None
        if wanted.streams and entry.mark not in wanted.streams:
            return None
        counts_as = entry.level or _UNSAID.get(entry.mark, Level.INFO)
        if wanted.level is not None and counts_as < wanted.level:
            return None
        if wanted.grep is not None and (wanted.grep.search(text) is None) is not wanted.is_inverted:
            return None
        return entry
