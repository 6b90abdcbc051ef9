"""What a module decides about its conversation with Kite: when to try again, when to give up.

Facts in, actions out, time and chance passed in. The shell (`kite.sdk.life`) performs the actions
and reports what came of them.

    CONNECTING ── Joined ──▶ STARTING ── Started ──▶ READY
        ▲  │                    │                      │
        │  └ Failed (try again) │ Lost                 │ Lost
        └───────────────────────┴──────────────────────┘
    any ── StopAsked, or a failure that no retry mends ──▶ STOPPING
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from kite.errors import KiteError, PeerError, Unavailable
from kite.sdk.core.backoff import Backoff


class Phase(Enum):
    """Where a session stands."""

    CONNECTING = "connecting"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The process has its boot line."""


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """Connected, subscribed, and registered where there is something to register."""


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The module's own start handlers are through."""


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A try to join came to nothing, or a heartbeat did."""

    error: KiteError


class ConnectionLost(msgspec.Struct, frozen=True, kw_only=True):
    """The connection ended although nobody asked for it."""

    code: int
    reason: str = ""


class StopAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants the module to go, or something of its own has failed (`status` 1)."""

    status: int = 0


Fact = Begun | Joined | Started | Failed | ConnectionLost | StopAsked


class Join(msgspec.Struct, frozen=True, kw_only=True):
    """Connect, subscribe, register, after `delay` seconds."""

    delay: float


class RunStartHandlers(msgspec.Struct, frozen=True, kw_only=True):
    """Let the module's own start handlers run; once in its life."""


class SayReady(msgspec.Struct, frozen=True, kw_only=True):
    """Publish `module.ready`, and let what waited for the connection go."""


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """End the module in good order with this exit status."""

    status: int
    error: KiteError | None = None


Action = Join | RunStartHandlers | SayReady | Leave

CONFIGURATION: Final = 2
NOT_PERMITTED: Final = 6


class Session:
    """One module's conversation with Kite, from its boot line to its end.

    Attributes:
        phase: where it stands.
        losses: how often an established connection was lost.
    """

    def __init__(self, backoff: Backoff | None = None) -> None:
        self.phase = Phase.CONNECTING
        self.losses = 0
        self._backoff = backoff or Backoff()
        self._started = False
        self._joined_at = 0.0

    def handle(self, fact: Fact, now: float, jitter: float = 0.5) -> list[Action]:
        """What to do about a fact.

        Args:
            now: monotonic seconds.
            jitter: a random number in [0, 1).
        """
        if self.phase is Phase.STOPPING:
            return []
        match fact:
            case Begun():
                actions: list[Action] = [Join(delay=0.0)]
            case Joined():
                actions = self._joined(now)
            case Started():
                actions = self._start_done()
            case Failed(error=error):
                actions = self._failed(error, jitter)
            case ConnectionLost():
                actions = self._lost(now, jitter)
            case StopAsked(status=status):
                self.phase = Phase.STOPPING
                actions = [Leave(status=status)]
        return actions

    def _joined(self, now: float) -> list[Action]:
        self._joined_at = now
        if self._started:
            self.phase = Phase.READY
            return [SayReady()]
        again = self.losses > 0
        self.phase = Phase.STARTING
        # Handlers that still run from before the loss are not run a second time.
        return [] if again else [RunStartHandlers()]

    def _start_done(self) -> list[Action]:
        self._started = True
        if self.phase is not Phase.STARTING:
            return []  # lost meanwhile: ready is said when it has joined again
        self.phase = Phase.READY
        return [SayReady()]

    def _failed(self, error: KiteError, jitter: float) -> list[Action]:
        status = final_status(error)
        if status is None and self.phase is not Phase.CONNECTING:
            return []  # a heartbeat that is tried again anyway
        if status is None:
            return [Join(delay=self._backoff.next(jitter))]
        self.phase = Phase.STOPPING
        return [Leave(status=status, error=error)]

    def _lost(self, now: float, jitter: float) -> list[Action]:
        if self.phase is Phase.CONNECTING:
            return []  # the try that it belonged to reports its own failure
        self._backoff.lasted(now - self._joined_at)
        self.losses += 1
        self.phase = Phase.CONNECTING
        return [Join(delay=self._backoff.next(jitter))]


def final_status(error: KiteError) -> int | None:
    """The exit status for an error that no retry mends, or None for one that a retry may mend.

    401 is final for a token, and a module has only the one: a module whose token is dead is either
    being replaced, then its status does not matter, or it has been forgotten, then a status other
    than 0 makes the Launcher start it anew with a fresh token. What the Hub or the Registry
    refuses (a pattern outside the manifest's `events`, a malformed registration) stays refused.
    """
    if error.code == "unauthorized":
        return NOT_PERMITTED
    if isinstance(error, Unavailable) or error.code in _MENDABLE:
        return None
    if isinstance(error, PeerError):
        return None  # not Kite's answer: something else listens there for a moment, or is half up
    return CONFIGURATION


# The endpoint is not there before the Hub has registered.
_MENDABLE: Final = frozenset({"not_found", "not_registered", "internal_error"})
