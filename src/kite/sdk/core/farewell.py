"""How a module leaves: whether it is meant, what it promises, how long it may take."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

import msgspec

DEFAULT_TIMEOUT = 10.0
"""Seconds for everything, where `module.shutdown` does not say (the manifest's `stop.timeout`)."""

UNASKED = 4.0
"""Seconds for everything after a signal or the end of the lifeline: the Launcher kills after 5."""

LATE = 2.5
"""Seconds left once the signal has come during a cleanup that was asked for: it kills after 3."""

BACKLOG = 0.5
"""Seconds promised for finishing what has been received, where something has."""


class Cause(Enum):
    """Why a module leaves."""

    SHUTDOWN = "module.shutdown"
    SIGNAL = "signal"
    LIFELINE = "lifeline"
    OWN = "own"
    """It said so itself: `module.stop()`, a failed task, a refusal that is final."""


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """A `module.shutdown` that is meant for this life.

    Args:
        reason: `stop_requested`, `restart`, `system_shutdown`, … or the caller's own words.
        timeout: seconds, what is promised and done within.
    """

    reason: str
    timeout: float


def orders(data: Any, module: str, life: int) -> Orders | None:
    """What `module.shutdown` says to this life of this module, or None when another is meant."""
    if not isinstance(data, dict) or data.get("module_id") != module:
        return None
    if data.get("life") is not None and data["life"] != life:
        return None
    timeout = data.get("timeout")
    usable = isinstance(timeout, int | float) and not isinstance(timeout, bool) and timeout >= 0
    reason = data.get("reason")
    return Orders(
        reason=reason if isinstance(reason, str) else "",
        timeout=float(timeout) if usable and timeout is not None else DEFAULT_TIMEOUT,
    )


def estimate(handlers: Iterable[float], *, backlog: bool, timeout: float) -> float:
    """Seconds of cleanup to promise: what the stop handlers say, within what is allowed."""
    total = sum(handlers) + (BACKLOG if backlog else 0.0)
    return min(total, timeout)


def patience(cause: Cause, orders: Orders | None) -> float:
    """Seconds that the whole of the cleanup may take."""
    if cause is Cause.SHUTDOWN and orders is not None:
        return orders.timeout
    return DEFAULT_TIMEOUT if cause is Cause.OWN else UNASKED


def time_to_finish(patience: float, estimates: Iterable[float]) -> float:
    """Seconds of the patience for finishing what has been received; the stop handlers get the rest.

    What they have asked for is theirs, at least a quarter, and half of the time at most.
    """
    return patience - min(max(sum(estimates), patience / 4), patience / 2)
