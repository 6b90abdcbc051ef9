"""Time as a value that is passed in: no core reads a clock, and tests bring their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
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


@lru_cache(maxsize=4)  # most instants that are written are of the present second
def _to_the_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")


def rfc3339(seconds: float) -> str:
    """An instant as Kite writes it: `2026-01-31T09:05:07.123Z`.

    Args:
        seconds: since 1970-01-01 UTC.
    """
    second, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_to_the_second(second)}{micros // 1000:03d}Z"


def now_rfc3339() -> str:
    """The present instant, for shells."""
    return rfc3339(time.time())
