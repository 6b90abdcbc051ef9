"""How long to wait before the next try: short at first, then longer, never in step with others."""

from __future__ import annotations

FIRST = 0.02
"""Seconds before the first retry: most losses are a restart of the Hub whose socket still listens."""

CAP = 1.0
"""Seconds between tries at most, so that everybody is back within about a second."""

FACTOR = 2.0

STEADY = 5.0
"""Seconds a session must have lasted before the next loss counts as a first one again."""


class Backoff:
    """Delays that double from `first` to `cap` seconds, each taken from its upper half at random.

    The random number is passed in; a session that breaks soon after it began does not start the
    delays anew, so that a module that is cut again and again does not hammer the Hub.
    """

    def __init__(self, *, first: float = FIRST, cap: float = CAP) -> None:
        self._first = first
        self._cap = cap
        self._failures = 0

    def next(self, jitter: float) -> float:
        """The seconds to wait now.

        Args:
            jitter: a random number in [0, 1).
        """
        # Beyond 64 doublings a float overflows nothing, but it says nothing either.
        full = min(self._cap, self._first * FACTOR ** min(self._failures, 64))
        self._failures += 1
        return full * (0.5 + 0.5 * jitter)

    def lasted(self, seconds: float) -> None:
        """What was being tried worked for so long."""
        if seconds >= STEADY:
            self._failures = 0
