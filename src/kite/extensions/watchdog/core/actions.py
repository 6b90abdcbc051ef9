"""What the Watchdog does."""

from __future__ import annotations

from typing import Literal

import msgspec

from kite.hang import Evidence


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
        replica: its place among the module's processes.
    """

    verdict: Literal["unhealthy", "degraded", "healthy", "restarting"]
    module: str
    life: int | None
    failures: int
    restarts: int
    evidence: tuple[Evidence, ...]
    pid: int | None = None
    replica: int = 0


class SaySuspended(msgspec.Struct, frozen=True, kw_only=True):
    """Publish that the Watchdog itself could not run for so many seconds and starts afresh."""

    seconds: float


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the Launcher to restart this life of the module and no other, if it still runs."""

    module: str
    life: int | None


Action = Ask | Inspect | LookUp | Say | SaySuspended | Restart
