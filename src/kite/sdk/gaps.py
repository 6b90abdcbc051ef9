"""Tells a handler that wants the newest what was dropped for it: its `on_gap`, or else the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from kite.sdk.core.newest import gap_of
from kite.wire import frame

OnGap = Callable[[frame.Gap], Awaitable[None] | None]

_COMPLAIN_EVERY = 5.0


class Gaps:
    """Stands in front of a handler's function.

    Args:
        receive: gets the events.
        on_gap: gets what tells of those that are missing; None: the log does, now and then.
    """

    def __init__(
        self,
        pattern: str,
        receive: Callable[[frame.Event], Any],
        on_gap: OnGap | None,
        log: logging.Logger,
    ) -> None:
        self._pattern = pattern
        self._receive = receive
        self._on_gap = on_gap
        self._log = log
        self._untold = 0
        self._told_at = -_COMPLAIN_EVERY

    def __call__(self, event: frame.Event) -> Any:
        gap = gap_of(event)
        if gap is None:
            return self._receive(event)
        if self._on_gap is not None:
            return self._on_gap(gap)
        self._untold += gap.missed
        now = time.monotonic()
        if now - self._told_at >= _COMPLAIN_EVERY:
            self._log.warning(
                "events.dropped pattern=%s missed=%d since=%s",
                self._pattern,
                self._untold,
                gap.since,
            )
            self._told_at, self._untold = now, 0
        return None
