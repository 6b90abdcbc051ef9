"""How often changed files may restart a module. Pure: time is passed in, in seconds."""

from __future__ import annotations

from enum import StrEnum

LIMIT = 10
"""Restarts within `WINDOW` after which a module is taken for one that writes what it is watched for."""
WINDOW = 60.0
QUIET = 60.0
"""Without a change, after which changes restart again."""


class Verdict(StrEnum):
    """What a change means."""

    RESTART = "restart"
    SUSPEND = "suspend"  # from now on none does
    IGNORE = "ignore"


class Pace:
    """The changes of one module."""

    def __init__(self) -> None:
        self._restarts: list[float] = []
        self._quiet_at: float | None = None

    def change(self, now: float) -> Verdict:
        """Files have changed at `now`."""
        if self._quiet_at is not None:
            if now < self._quiet_at:
                self._quiet_at = now + QUIET
                return Verdict.IGNORE
            self._quiet_at = None
            self._restarts.clear()
        self._restarts = [at for at in self._restarts if now - at < WINDOW]
        if len(self._restarts) >= LIMIT:
            self._quiet_at = now + QUIET
            return Verdict.SUSPEND
        self._restarts.append(now)
        return Verdict.RESTART
