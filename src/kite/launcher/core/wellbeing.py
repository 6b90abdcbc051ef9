"""What the answers to a module's `health` probe say about it."""

from __future__ import annotations

import enum
from typing import Final, Literal

import msgspec

LATE: Final = 1.0
"""Seconds by which the Launcher itself may be late; beyond that it has measured nothing."""


class Status(enum.Enum):
    """How a module does."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It runs and cannot do its whole work; a restart would not help."""
    UNHEALTHY = "unhealthy"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a life.

    Args:
        detail: what showed it.
        since: the instant, in monotonic seconds; None where nobody has looked.
        by: who has.
    """

    status: Status = Status.UNKNOWN
    detail: str = ""
    since: float | None = None
    by: Literal["probe", "watchdog"] = "probe"

    def gives_way_to(self, status: Status, by: str) -> bool:
        """Whether a finding is news. That the Watchdog has nothing (more) against a module is none
        for its own probe."""
        if (self.status, self.by) == (status, by):
            return False
        is_known = self.status is not Status.UNKNOWN
        return not (by == "watchdog" and status is Status.HEALTHY and self.by != by and is_known)


UNKNOWN: Final = Health()


class Answer(enum.Enum):
    """What one attempt showed."""

    GOOD = "good"
    DEGRADED = "degraded"
    BAD = "bad"
    NONE = "none"
    """Nothing: the machine did not let the module answer, or the Launcher ask."""


class Wellbeing:
    """The health of one life by its probe.

    Duties: so many bad answers in a row make it unhealthy, so many good ones well again. A degraded
    answer is no bad one. Time in which nobody could be asked counts for nothing, before or after.

    Args:
        failures, successes: how many in a row.
        start_period: seconds from `now` on in which bad answers do not count.
    """

    def __init__(self, *, failures: int, successes: int, start_period: float, now: float) -> None:
        self.status = Status.UNKNOWN
        self._failures = failures
        self._successes = successes
        self._counts_from = now + start_period
        self._bad = self._good = 0

    def was_away(self) -> None:
        """The Launcher could not run: what was measured is thrown away."""
        self._bad = self._good = 0

    def heard(self, answer: Answer, now: float) -> bool:
        """An attempt has ended; whether the status is another one now."""
        before = self.status
        match answer:
            case Answer.GOOD:
                self._good += 1
                if self._good >= self._successes:
                    self._bad = 0
                    self.status = Status.HEALTHY
            case Answer.DEGRADED:
                self._bad = self._good = 0
                self.status = Status.DEGRADED
            case Answer.BAD if now >= self._counts_from:
                self._good = 0
                self._bad += 1
                if self._bad >= self._failures:
                    self.status = Status.UNHEALTHY
            case _:
                pass
        return self.status is not before
