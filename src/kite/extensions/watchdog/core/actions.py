"""What the Watchdog does."""

from __future__ import annotations

from typing import Literal

import msgspec


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was observed.

    Args:
        kind: `endpoint` (it was asked) or `heartbeat` (its lease has ended).
        at: the instant, on the Watchdog's clock.
        what: `url` and `http_status`, `status` or `detail`.
    """

    kind: Literal["endpoint", "heartbeat"]
    at: float
    what: dict[str, str | int]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Ask a health endpoint; `AskEnded` with the number follows."""

    module: str
    url: str
    number: int


class Say(msgspec.Struct, frozen=True, kw_only=True):
    """Publish a verdict.

    Args:
        verdict: `unhealthy`, `degraded`, `healthy`, or `restarting`.
        failures: how many in a row.
        restarts: how many have been asked for since it was last well for long.
    """

    verdict: Literal["unhealthy", "degraded", "healthy", "restarting"]
    module: str
    life: int | None
    failures: int
    restarts: int
    evidence: tuple[Evidence, ...]


class SaySuspended(msgspec.Struct, frozen=True, kw_only=True):
    """Publish that the Watchdog itself could not run for so many seconds and starts afresh."""

    seconds: float


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the Launcher to restart the module, if this life of it is still the running one."""

    module: str
    life: int | None


Action = Ask | Say | SaySuspended | Restart
