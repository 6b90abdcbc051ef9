"""How long a subscriber has held its publishers back: the clock that cuts a slow consumer.

Time in which it takes less than `rate` bytes a second while it is over its outbox limit is
counted, in windows of a quarter second; what was counted longer ago than `window` is forgotten.
"""

from __future__ import annotations

from collections import deque

_GRAIN = 0.25
_EXACT = 1e-9


class Stall:
    """The clock of one subscriber. `taken` is the bytes its socket has taken so far."""

    __slots__ = ("_from_bytes", "_limit", "_rate", "_since", "_slow", "_window")

    def __init__(self, *, rate: float, seconds: float, window: float) -> None:
        self._rate = rate
        self._limit = seconds
        self._window = window
        self._since: float | None = None
        self._from_bytes = 0
        self._slow: deque[tuple[float, float]] = deque()

    @property
    def is_running(self) -> bool:
        """Whether the subscriber is over its limit."""
        return self._since is not None

    def start(self, now: float, taken: int) -> None:
        """The subscriber went over its limit."""
        if self._since is None:
            self._since = now
            self._from_bytes = taken

    def stop(self, now: float, taken: int) -> None:
        """The subscriber is below its limit again."""
        self._close(now, taken)
        self._since = None

    def advance(self, now: float, taken: int) -> None:
        """Close the present window if it is over."""
        if self._since is not None and now - self._since >= _GRAIN - _EXACT:
            self._close(now, taken)

    def counted(self, now: float) -> float:
        """Seconds that count at present."""
        slow = self._slow
        while slow and slow[0][0] <= now - self._window:
            slow.popleft()
        return sum(seconds for _, seconds in slow)

    def is_exhausted(self, now: float) -> bool:
        """Whether the subscriber is to be cut."""
        return self.counted(now) >= self._limit - _EXACT

    def next_deadline(self) -> float | None:
        """When the present window ends."""
        return None if self._since is None else self._since + _GRAIN

    def _close(self, now: float, taken: int) -> None:
        if self._since is None:
            return
        spent = now - self._since
        if spent > 0 and taken - self._from_bytes < self._rate * spent:
            self._slow.append((now, spent))
        self._since = now
        self._from_bytes = taken
