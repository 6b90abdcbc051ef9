"""Instants as text, cheaply: most lie within the same second as the one before."""

from __future__ import annotations

from kite.clock import rfc3339
from kite.sdk.core.pen import millisecond_of


class Instants:
    """Writes instants as `kite.clock.rfc3339` does."""

    def __init__(self) -> None:
        self._second = -1
        self._second_text = ""
        self._millisecond = -1
        self._text = ""

    def text(self, now: float) -> str:
        """An instant; `now` in seconds since 1970-01-01 UTC."""
        millisecond = millisecond_of(now)
        if millisecond != self._millisecond:
            second, rest = divmod(millisecond, 1000)
            if second != self._second:
                self._second_text = rfc3339(second)[:-4]
                self._second = second
            self._text = f"{self._second_text}{rest:03d}Z"
            self._millisecond = millisecond
        return self._text
