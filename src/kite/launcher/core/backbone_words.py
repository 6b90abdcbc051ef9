"""What goes between the backbone and its shell: facts in, actions out. No behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

# --- facts -------------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True):
    """Start both, for the first time or all over."""


class CoreSpoke(msgspec.Struct, frozen=True):
    """The core module printed its port or endpoint."""

    name: str
    life: int


class TokensAcked(msgspec.Struct, frozen=True):
    """The Registry knows everybody's token, that of this life of the Hub included."""

    registry_life: int
    hub_life: int


class CoreReady(msgspec.Struct, frozen=True):
    """The core module said `module.ready` (for the Hub: and the Launcher is connected)."""

    name: str
    life: int


class CoreLost(msgspec.Struct, frozen=True):
    """Its process has ended, and what it left behind is being swept; `CoreExited` follows.

    `last_lines` are the last that it printed, bounded.
    """

    name: str
    life: int
    exit_code: int | None = None
    signal: int | None = None
    last_lines: tuple[str, ...] = ()


class CoreExited(msgspec.Struct, frozen=True):
    """Its process has ended and nothing of it is left; `detail` says how."""

    name: str
    life: int
    detail: str


class CoreRestartAsked(msgspec.Struct, frozen=True):
    """The operator wants an isolated restart."""

    name: str
    op: int | None = None


class Halted(msgspec.Struct, frozen=True):
    """Everything is being ended: exits are no crashes any more."""


class CoresEnding(msgspec.Struct, frozen=True):
    """The modules are gone, and the processes of both are being ended."""

    reason: str


class CoresEnded(msgspec.Struct, frozen=True):
    """Nothing of the two is left."""

    reason: str


class TimePassed(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline may have come; so many seconds ago, by which the Launcher was late."""

    late: float = 0.0


CoreFact = (
    Begin
    | CoreSpoke
    | TokensAcked
    | CoreReady
    | CoreLost
    | CoreExited
    | CoreRestartAsked
    | Halted
    | CoresEnding
    | CoresEnded
    | TimePassed
)

# --- actions -----------------------------------------------------------------


class SpawnCore(msgspec.Struct, frozen=True):
    """Make its process over the kept socket."""

    name: str
    life: int


class EndCore(msgspec.Struct, frozen=True):
    """End its process; `CoreExited` follows."""

    name: str
    life: int


class TellTokens(msgspec.Struct, frozen=True):
    """Tell the Registry who is who; answer `TokensAcked`."""

    registry_life: int


class BootHub(msgspec.Struct, frozen=True):
    """Write the Hub's boot line and the launcher_ws_token line."""

    life: int


class ConnectHub(msgspec.Struct, frozen=True):
    """Connect the Launcher to the Hub and subscribe."""

    life: int


class OpenDoors(msgspec.Struct, frozen=True):
    """The rest may start."""


class SayLost(msgspec.Struct, frozen=True):
    """Registry or Hub is away."""

    name: str


class SayRestored(msgspec.Struct, frozen=True):
    """Both are there."""


class Note(msgspec.Struct, frozen=True):
    """A line for lifecycle.jsonl about a core module."""

    event: str
    name: str
    fields: Mapping[str, object] = {}


class SettleCore(msgspec.Struct, frozen=True):
    """The restart somebody waits for is done, or not."""

    op: int
    code: str | None = None


class StartOver(msgspec.Struct, frozen=True):
    """End everything, then `Begin` with a new kite token."""

    reason: str


class Fatal(msgspec.Struct, frozen=True):
    """It cannot go on: end everything and leave with this status."""

    status: int
    code: str
    params: dict[str, Any]


CoreAction = (
    SpawnCore
    | EndCore
    | TellTokens
    | BootHub
    | ConnectHub
    | OpenDoors
    | SayLost
    | SayRestored
    | Note
    | SettleCore
    | StartOver
    | Fatal
)
