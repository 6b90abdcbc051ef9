"""One line of a log, as the command line shows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kite.cli.log_level import Level
from kite.launcher.logfile import NOTE, STDOUT

STREAMS = {"|": "stdout", "!": "stderr", "=": "note"}
"""What the marks of lines mean."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One line of a log.

    Args:
        ts: RFC 3339 UTC; of a line that has none, that of the line before.
        module: whose log it is.
        mark: `|` standard output, `!` standard error, `=` a note of the Launcher.
        text: the rest.
        level: what the line says of itself, where that was asked for.
    """

    ts: str
    module: str
    mark: str = STDOUT
    text: str = ""
    level: Level | None = None

    @property
    def is_note(self) -> bool:
        """Whether the Launcher wrote it."""
        return self.mark == NOTE

    def with_level(self, level: Level) -> Entry:
        """The same with its level."""
        return Entry(self.ts, self.module, self.mark, self.text, level)
