"""What the Watchdog does."""

from __future__ import annotations

from typing import Literal

import msgspec


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was observed.

    Args:
        kind: `endpoint` (it was asked), `heartbeat` (its lease has ended), `connection` (its
            connections to the Hub are silent) or `process` (it is stopped).
        at: the instant, on the Watchdog's clock.
        what: `url` and `http_status`, `status` or `detail`; of the last two kinds what its process
            does.
    """

    kind: Literal["endpoint", "heartbeat", "connection", "process"]
    at: float
    what: dict[str, str | int | float]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Ask a health endpoint; `AskEnded` with the number follows."""

    module: str
    url: str
    number: int


class Inspect(msgspec.Struct, frozen=True, kw_only=True):
    """Look at what a module's process does; `Inspected` follows.

    Args:
        whole: at all its threads and descendants; else only whether the leader is stopped.
        closely: also where the leader waits: it is asked unless it is seen to be at rest.
    """

    module: str
    life: int | None
    pid: int
    whole: bool
    closely: bool = False


class LookUp(msgspec.Struct, frozen=True):
    """Ask Launcher and Registry about everybody; `Looked` follows."""


class Say(msgspec.Struct, frozen=True, kw_only=True):
    """Publish a verdict.

    Args:
        verdict: `unhealthy`, `degraded`, `healthy`, or `restarting`.
        failures: how many in a row.
        restarts: how many have been asked for since it was last well for long.
        pid: of its process, where it is known.
    """

    verdict: Literal["unhealthy", "degraded", "healthy", "restarting"]
    module: str
    life: int | None
    failures: int
    restarts: int
    evidence: tuple[Evidence, ...]
    pid: int | None = None


class SaySuspended(msgspec.Struct, frozen=True, kw_only=True):
    """Publish that the Watchdog itself could not run for so many seconds and starts afresh."""

    seconds: float


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the Launcher to restart the module, if this life of it is still the running one."""

    module: str
    life: int | None


Action = Ask | Inspect | LookUp | Say | SaySuspended | Restart
