"""Facts: what has happened, told to the supervisor by its shell. Past tense, no behaviour.

Every fact about a process carries the life it belongs to; facts of an earlier life are dropped.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from kite.launcher.core.plan import Plan, Problem
from kite.launcher.core.wellbeing import Status


class Scanned(msgspec.Struct, frozen=True, kw_only=True):
    """The folders were read: these modules exist, and no others."""

    plans: tuple[Plan, ...]
    start: bool = True
    """Whether what the scan newly wants is started (a rescan says so, too)."""


class DoorsOpened(msgspec.Struct, frozen=True, kw_only=True):
    """Registry and Hub are up for the first time (of this run or after a full restart)."""


class BackboneLost(msgspec.Struct, frozen=True, kw_only=True):
    """Registry or Hub went away: launch clocks stand still, exits are not counted."""


class BackboneRestored(msgspec.Struct, frozen=True, kw_only=True):
    """Both are there again."""


class StartRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asked by name; `op` identifies whoever waits for the outcome."""

    module: str
    op: int | None = None


class StopRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asked by name.

    A stop because a module was disabled or removed is no request of a person's and leaves
    `by_request` unset.
    """

    module: str
    op: int | None = None
    reason: str = "stop_requested"
    by_request: bool = True


class RestartRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asked by name. Of a stopped module: a start when `revive`, else refused.

    With `is_rolling` each new life is ready before the old one goes. With `dependents` what depends on
    it is restarted when it is ready again, in order. With `life` that one alone is meant, of several
    replicas, and nothing is started in its stead where it has gone.
    """

    module: str
    op: int | None = None
    reason: str = "restart"
    revive: bool = True
    is_rolling: bool = False
    dependents: bool = False
    life: int | None = None


class RunDue(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule of a module has come round."""

    module: str


class RunPlanned(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule of a module comes round next at `at` (monotonic seconds)."""

    module: str
    at: float


class Spawned(msgspec.Struct, frozen=True, kw_only=True):
    """The process of a life exists."""

    module: str
    life: int
    pid: int


class SpawnFailed(msgspec.Struct, frozen=True, kw_only=True):
    """The process of a life could not be made."""

    module: str
    life: int
    problem: Problem


class TokenRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The Registry does not take the newest life's token, so that it gets no boot line."""

    module: str
    detail: str


class BecameReady(msgspec.Struct, frozen=True, kw_only=True):
    """The module said `module.ready`, or its probe passed."""

    module: str
    life: int


class ConnectionsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections a life has to the Hub now."""

    module: str
    life: int | None
    connections: int


class ShutdownAcked(msgspec.Struct, frozen=True, kw_only=True):
    """`module.shutdown.ack`: the module needs about `estimated_cleanup` seconds."""

    module: str
    life: int | None
    estimated_cleanup: float


class ShutdownReady(msgspec.Struct, frozen=True, kw_only=True):
    """`module.shutdown.ready`: the module has cleaned up."""

    module: str
    life: int | None


class Exited(msgspec.Struct, frozen=True, kw_only=True):
    """The process of a life has ended; one of `exit_code` and `signal` is set.

    `last_lines` are the last that it printed, bounded.
    """

    module: str
    life: int
    exit_code: int | None = None
    signal: int | None = None
    last_lines: tuple[str, ...] = ()
    blame: str | None = None
    """`out_of_memory` where the kernel killed it for that; else nobody is to blame but itself."""


class TreeGone(msgspec.Struct, frozen=True, kw_only=True):
    """The tree of a life was swept; `survivors` are the pids that could not be ended.

    `last_lines` are those of `Exited`, with what came after it.
    """

    module: str
    life: int
    survivors: tuple[int, ...] = ()
    last_lines: tuple[str, ...] = ()


class BecameUnhealthy(msgspec.Struct, frozen=True, kw_only=True):
    """The health probe of a running life failed as often as its threshold says."""

    module: str
    life: int
    detail: str


class HealthChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who looks has found that a running life does well, or less so.

    Args:
        detail: what showed it.
        by: who has found it: `probe`, or `watchdog`.
    """

    module: str
    life: int
    status: Status
    detail: str
    by: Literal["probe", "watchdog"] = "probe"


class OutgrewMemory(msgspec.Struct, frozen=True, kw_only=True):
    """A life uses more memory (bytes, its whole tree) than its limit allows."""

    module: str
    life: int
    used: int
    limit: int


class StopEverything(msgspec.Struct, frozen=True, kw_only=True):
    """Everything is to end, in layers, within `budget` seconds.

    A full restart says `is_restart`: what is wanted comes back by itself, so that start requests
    are taken meanwhile and whoever waits goes on waiting. Said again without it, everything ends.
    """

    reason: str = "system_shutdown"
    is_restart: bool = False
    budget: float = 10.0
    layers: tuple[tuple[str, ...], ...] = ()


class WaitingSkipped(msgspec.Struct, frozen=True, kw_only=True):
    """A second Ctrl-C: whatever still runs is killed now."""


class StartedOver(msgspec.Struct, frozen=True, kw_only=True):
    """A full restart begins: everything has stopped, what went wrong is forgotten."""


class TimePassed(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline may have come; so many seconds ago, by which the Launcher was late."""

    late: float = 0.0


LifeFact = (
    Spawned
    | SpawnFailed
    | BecameReady
    | ConnectionsChanged
    | ShutdownAcked
    | ShutdownReady
    | Exited
    | TreeGone
    | BecameUnhealthy
    | HealthChanged
    | OutgrewMemory
)
"""What is said about one process."""

Fact = (
    Scanned
    | DoorsOpened
    | BackboneLost
    | BackboneRestored
    | StartRequested
    | StopRequested
    | RestartRequested
    | RunDue
    | RunPlanned
    | TokenRefused
    | LifeFact
    | StopEverything
    | WaitingSkipped
    | StartedOver
    | TimePassed
)
