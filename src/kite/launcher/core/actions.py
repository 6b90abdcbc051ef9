"""Actions: what the supervisor wants done. Imperative, performed by the shell in this order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kite.launcher.core.plan import Desired


class Spawn(msgspec.Struct, frozen=True, kw_only=True):
    """Make the process of this life; answer with `Spawned` or `SpawnFailed`."""

    module: str
    life: int
    replica: int = 0


class AskToStop(msgspec.Struct, frozen=True, kw_only=True):
    """Publish `module.shutdown` for this life."""

    module: str
    life: int
    reason: str
    timeout: float


class SignalStop(msgspec.Struct, frozen=True, kw_only=True):
    """Close standard input and send the stop signal to the group."""

    module: str
    life: int


class EndTree(msgspec.Struct, frozen=True, kw_only=True):
    """SIGKILL the whole tree, `grace` seconds from now what still lives; answer `TreeGone`."""

    module: str
    life: int
    grace: float = 0.0


class WelcomeLife(msgspec.Struct, frozen=True, kw_only=True):
    """A life is ready: register it on its behalf where it has no entry."""

    module: str
    life: int


class RetireLife(msgspec.Struct, frozen=True, kw_only=True):
    """A life has ended: its token dies and its entry goes."""

    module: str
    life: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A line for lifecycle.jsonl."""

    event: str
    module: str
    fields: Mapping[str, Any] = {}


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the Launcher's."""

    subject: str
    data: Mapping[str, Any]


class KeepDesired(msgspec.Struct, frozen=True, kw_only=True):
    """Write the desired state of a module down."""

    module: str
    desired: Desired


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever waits for `op` may go: done when `code` is None, else refused with it."""

    op: int
    code: str | None = None
    params: Mapping[str, Any] = {}


class GiveUpSystem(msgspec.Struct, frozen=True, kw_only=True):
    """Too many modules have failed: stop everything, leave with status 1."""

    failed: tuple[str, ...]


class GiveUpForOne(msgspec.Struct, frozen=True, kw_only=True):
    """An essential module has failed: stop everything, leave with status 1.

    Args:
        detail: why it failed, in English.
    """

    module: str
    detail: str


class EverythingStopped(msgspec.Struct, frozen=True, kw_only=True):
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
    | GiveUpForOne
    | EverythingStopped
)
