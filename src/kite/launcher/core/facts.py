"""Facts: what has happened, told to the supervisor by its shell. Past tense, no behaviour.

Every fact about a process carries the life it belongs to; facts of an earlier life are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kite.launcher.core.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """The folders were read: these modules exist, and no others."""

    plans: tuple[Plan, ...]
    start: bool = True
    """Whether what the scan newly wants is started (a rescan says so, too)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorsOpened:
    """Registry and Hub are up for the first time (of this run or after a full restart)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneLost:
    """Registry or Hub went away: launch clocks stand still, exits are not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneRestored:
    """Both are there again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequested:
    """Somebody asked by name; `op` identifies whoever waits for the outcome."""

    module: str
    op: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """Somebody asked by name.

    A stop because a module was disabled or removed is no request of a person's and leaves
    `by_request` unset.
    """

    module: str
    op: int | None = None
    reason: str = "stop_requested"
    by_request: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRequested:
    """Somebody asked by name. Of a stopped module: a start when `revive`, else refused."""

    module: str
    op: int | None = None
    reason: str = "restart"
    revive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDue:
    """The schedule of a module has come round."""

    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlanned:
    """The schedule of a module comes round next at `at` (monotonic seconds)."""

    module: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawned:
    """The process of a life exists."""

    module: str
    life: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnFailed:
    """The process of a life could not be made. `code` is from errors.json."""

    module: str
    life: int
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameReady:
    """The module said `module.ready`, or its probe passed."""

    module: str
    life: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsChanged:
    """How many connections a life has to the Hub now."""

    module: str
    life: int | None
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownAcked:
    """`module.shutdown.ack`: the module needs about `estimated_cleanup` seconds."""

    module: str
    life: int | None
    estimated_cleanup: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownReady:
    """`module.shutdown.ready`: the module has cleaned up."""

    module: str
    life: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The process of a life has ended; one of `exit_code` and `signal` is set."""

    module: str
    life: int
    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeGone:
    """The tree of a life was swept; `survivors` are the pids that could not be ended."""

    module: str
    life: int
    survivors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameUnhealthy:
    """The health probe of a running life failed as often as its threshold says."""

    module: str
    life: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopEverything:
    """Everything is to end, in layers, within `budget` seconds."""

    reason: str = "system_shutdown"
    budget: float = 10.0
    layers: tuple[tuple[str, ...], ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSkipped:
    """A second Ctrl-C: whatever still runs is killed now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedOver:
    """A full restart begins: everything has stopped, what went wrong is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed:
    """A deadline may have come."""


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
    | Spawned
    | SpawnFailed
    | BecameReady
    | ConnectionsChanged
    | ShutdownAcked
    | ShutdownReady
    | Exited
    | TreeGone
    | BecameUnhealthy
    | StopEverything
    | WaitingSkipped
    | StartedOver
    | TimePassed
)
