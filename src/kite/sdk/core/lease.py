"""When to renew an entry in the Registry, and what to do when that fails."""

from __future__ import annotations

from enum import Enum

from kite.errors import KiteError
from kite.sdk.core.backoff import Backoff

RENEWALS = 3
"""Heartbeats within one lease: two may be lost before the entry expires."""

SOON = 2.0
"""Seconds after the loss of the Hub until the next heartbeat: by then the Registry knows of it, too."""

SHORTEST = 0.1
"""Seconds between heartbeats at least, whatever the Registry's answer says."""


class Step(Enum):
    """The next call to the Registry."""

    REGISTER = "register"
    HEARTBEAT = "heartbeat"


class Lease:
    """One registration, kept alive.

    Attributes:
        step: the call to make when `due`.
        due: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self.step = Step.REGISTER
        self.due = now
        self._ttl = 0.0
        self._backoff = Backoff(first=0.1, cap=2.0)

    def granted(self, ttl: float, now: float) -> None:
        """The Registry has registered or renewed it for `ttl` seconds."""
        self._ttl = ttl
        self._backoff = Backoff(first=0.1, cap=2.0)
        self.step = Step.HEARTBEAT
        self.due = now + max(ttl / RENEWALS, SHORTEST)

    def renew_at_once(self, now: float) -> None:
        """Register again now: the Registry may have forgotten, or what is registered has changed."""
        self.step = Step.REGISTER
        self.due = now

    def unheard(self, now: float) -> None:
        """The Hub hears the module no more. While it did, the Registry may have asked for few
        heartbeats: from now on the module has to speak for itself."""
        self.due = min(self.due, now + SOON)

    def failed(self, error: KiteError, now: float, jitter: float) -> None:
        """A call has failed; whether it is worth another is `session.final_status`'s to say.

        Args:
            now: monotonic seconds.
            jitter: a random number in [0, 1).
        """
        if error.code == "not_registered" and self.step is Step.HEARTBEAT:
            self.renew_at_once(now)
        else:
            self.due = now + self._backoff.next(jitter)
