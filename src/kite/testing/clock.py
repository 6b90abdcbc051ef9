"""A clock that stands still until a test moves it."""

from __future__ import annotations


class FakeClock:
    """Implements `kite.clock.Clock`.

    Args:
        monotonic: seconds to begin with.
        wall: seconds since 1970-01-01 UTC to begin with.
    """

    def __init__(self, *, monotonic: float = 1000.0, wall: float = 1_769_850_307.123) -> None:
        self._monotonic = monotonic
        self._wall = wall

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        """Let time pass; it does not go back.

        Raises:
            ValueError: negative seconds.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._monotonic += seconds
        self._wall += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator might."""
        self._wall += seconds
