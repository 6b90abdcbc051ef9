"""How long a handler may go on before the loop has another turn.

A handler that never waits would keep the loop from everything else. But what is read in one turn should
be handled in it, where that is possible: else more and more would wait.
"""

from __future__ import annotations

LOOK_EVERY = 16
"""So many events are handled between two looks at the clock."""

_AT_ONCE = 0.005
_AT_MOST = 0.08
# So many events within this time are handled in less than it would take to keep them for later, and
# more would be read meanwhile than is handled. Of two times the shorter counts: in the longer one the
# processor may have been somebody else's.
_QUICK = 0.0005
_QUICK_AT_MOST = 0.25


class Patience:
    """Of one who handles what waits, in monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._began = self._looked_at = now
        self._was_quick = False
        self._limit = _AT_ONCE
        self._left = 0

    def begins(self, now: float) -> None:
        """Another turn begins."""
        self._began = self._looked_at = now

    def is_over(self, now: float, left: int) -> bool:
        """Whether this turn has lasted long enough; asked after each `LOOK_EVERY` events.

        Where more is left than at the end of the turn before, the next may last twice as long.

        Args:
            left: events that wait.
        """
        is_quick = now - self._looked_at < _QUICK
        limit = _QUICK_AT_MOST if is_quick or self._was_quick else self._limit
        self._looked_at, self._was_quick = now, is_quick
        if now - self._began <= limit:
            return False
        factor = 2.0 if left > self._left else 0.5
        self._limit = min(max(self._limit * factor, _AT_ONCE), _AT_MOST)
        self._left = left
        return True
