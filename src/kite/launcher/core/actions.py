"""Actions: what the supervisor wants done. Imperative, performed by the shell in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kite.launcher.core.plan import Desired


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """Make the process of this life; answer with `Spawned` or `SpawnFailed`."""

    module: str
    life: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskToStop:
    """Publish `module.shutdown` for this life."""

    module: str
    life: int
    reason: str
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalStop:
    """Close standard input and send the stop signal to the group."""

    module: str
    life: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTree:
    """SIGKILL the whole tree, `grace` seconds from now what still lives; answer `TreeGone`."""

    module: str
    life: int
    grace: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WelcomeLife:
    """A life is ready: register it on its behalf where it has no entry."""

    module: str
    life: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireLife:
    """A life has ended: its token dies and its entry goes."""

    module: str
    life: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line for lifecycle.jsonl."""

    event: str
    module: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """An event of the Launcher's."""

    subject: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepDesired:
    """Write the desired state of a module down."""

    module: str
    desired: Desired


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Whoever waits for `op` may go: done when `code` is None, else refused with it."""

    op: int
    code: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUpSystem:
    """Too many modules have failed: stop everything, leave with status 1."""

    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EverythingStopped:
    """No module has a process any more, but for these pids."""

    survivors: tuple[int, ...] = ()


Action = (
    Spawn
    | AskToStop
    | SignalStop
    | EndTree
    | WelcomeLife
    | RetireLife
    | Record
    | Publish
    | KeepDesired
    | Settle
    | GiveUpSystem
    | EverythingStopped
)
