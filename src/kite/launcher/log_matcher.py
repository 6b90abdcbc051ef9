"""A regular expression on a module's output that cannot hold up the Launcher.

Python's engine backtracks: a pattern such as `(a+)+b` takes for ever on the wrong line. The engine
looks for signals while it works, so a timer of processor time ends what takes too long.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from kite.errors import ConfigError

_BOX = 0.05  # seconds of processor time for one batch of lines
_LONGEST = 4096  # characters of a line that are looked at
_LAST_CHANCE = 3  # batches that may take too long


class _TooSlow(Exception):  # noqa: N818  (never leaves this file)
    pass


class LogMatcher:
    """Looks for the line that says ready.

    Attributes:
        failed: None, or why the pattern is not tried any more.

    Raises:
        ConfigError: `bad_regex` when the pattern is none.
    """

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as wrong:
            raise ConfigError("bad_regex", pattern=pattern, detail=str(wrong)) from None
        self.failed: str | None = None
        self._slow = 0

    def feed(self, lines: Sequence[str]) -> str | None:
        """The first of the lines in which the pattern is found, else None."""
        if self.failed is not None:
            return None
        try:
            with _boxed(_BOX):
                for line in lines:
                    if self._pattern.search(line[:_LONGEST]):
                        return line
        except _TooSlow:
            self._slow += 1
            if self._slow >= _LAST_CHANCE:
                self.failed = f"the pattern {self._pattern.pattern!r} takes too long on its lines"
        return None


@contextmanager
def _boxed(seconds: float) -> Iterator[None]:
    """Raise `_TooSlow` when the body takes more processor time; main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_open = True

    def end(_signum: int, _frame: FrameType | None) -> None:
        if is_open:
            raise _TooSlow

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        is_open = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
