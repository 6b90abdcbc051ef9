"""How often one thing is written down, however often it happens. It does no I/O and reads no clock.

What one client is refused for one reason is written a few times; after that it is counted, and one
line says how many. While it goes on, that line comes ever less often: a client that asks a hundred
thousand times an hour costs some lines an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Key = tuple[str, str]
"""Who, and the code of the refusal."""

BURST = 10
"""Lines of one key that are written one by one, in a window."""

WINDOW = 60.0
LONGEST_WINDOW = 3600.0
MOST_KEYS = 256
"""Keys that are told apart; whoever comes then is one of `OTHERS`."""

OTHERS = "(others)"


class Verdict(Enum):
    """What becomes of one refusal."""

    WRITE = "write"
    BEGIN_COUNTING = "begin counting"  # the first that is not written: a summary is due from now on
    COUNT = "count"


@dataclass(slots=True)
class _Count:
    ends_at: float
    seconds: float
    written: int = 0
    suppressed: int = 0

    def is_quiet(self, now: float) -> bool:
        """Whether its window is over and nothing is left to tell of it."""
        return now >= self.ends_at and not self.suppressed


@dataclass(frozen=True, slots=True)
class Summary:
    """What was counted and not written.

    Args:
        count: how often.
        seconds: in how long.
    """

    who: str
    code: str
    count: int
    seconds: float


class Throttle:
    """Decides what is written.

    Duties: of each key at most `BURST` lines in a window; what is not written is in exactly one
    summary; no more than `MOST_KEYS` keys (and one for others, of each code) are remembered.
    """

    def __init__(self) -> None:
        self._counts: dict[Key, _Count] = {}

    def take(self, who: str, code: str, now: float) -> Verdict:
        """One refusal: it is to be written, or it has been counted."""
        key = (who, code)
        count = self._counts.get(key)
        if count is None or count.is_quiet(now):
            if count is None and not self._has_room(now) and who != OTHERS:
                return self.take(OTHERS, code, now)
            count = self._counts[key] = _Count(now + WINDOW, WINDOW)
        if count.written < BURST and count.seconds == WINDOW:
            count.written += 1
            return Verdict.WRITE
        count.suppressed += 1
        return Verdict.BEGIN_COUNTING if count.suppressed == 1 else Verdict.COUNT

    def next_deadline(self) -> float | None:
        """When a summary is due; None while nothing was suppressed."""
        due = (each.ends_at for each in self._counts.values() if each.suppressed)
        return min(due, default=None)

    def due(self, now: float, *, everything: bool = False) -> list[Summary]:
        """The summaries of windows that are over (or of all: it ends). A key that was quiet for a
        window is forgotten."""
        found = []
        for (who, code), count in list(self._counts.items()):
            if now < count.ends_at and not everything:
                continue
            if not count.suppressed:
                del self._counts[who, code]
                continue
            found.append(Summary(who, code, count.suppressed, count.seconds))
            longer = min(2 * count.seconds, LONGEST_WINDOW)
            self._counts[who, code] = _Count(now + longer, longer)
        return found

    def _has_room(self, now: float) -> bool:
        if len(self._counts) >= MOST_KEYS:
            for key in [key for key, count in self._counts.items() if count.is_quiet(now)]:
                del self._counts[key]
        return len(self._counts) < MOST_KEYS
