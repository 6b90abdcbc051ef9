"""Time as a value that is passed in: no core reads a clock, and tests bring their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a shell reads the time that it hands to its core."""

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC; may jump."""
        ...


class SystemClock:
    """The clock of this machine."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


def rfc3339(seconds: float) -> str:
    """An instant as Kite writes it: `2026-01-31T09:05:07.123Z`.

    Args:
        seconds: since 1970-01-01 UTC.
    """
    instant = datetime.fromtimestamp(seconds, UTC)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def now_rfc3339() -> str:
    """The present instant, for shells."""
    return rfc3339(time.time())
