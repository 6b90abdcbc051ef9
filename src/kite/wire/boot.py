"""What goes between the Launcher and a child over standard input and output.

Down: the boot line, one line of JSON with `token` and `life`; to the Event Hub also the
launcher_ws_token line. Up, from core modules alone: lines that are JSON objects with the key `kite`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class BootLine(msgspec.Struct, frozen=True, kw_only=True):
    """The first line on a module's standard input. Unknown keys are ignored.

    Args:
        token: 64 hex digits.
        life: which process of the module this is, from 1.
        replica: which of several side by side, from 0.
        is_asked: whether the module has to answer for itself how it is (`health.heartbeat` with a
            time), rather than be seen to be at rest.
        ws_endpoint: where the Event Hub listens throughout this run, if the Launcher knows.
        config: for a core module, its section of `kite.yaml` (`registry:`, `hub:`) as JSON.
        epoch: for the Registry: what its former lives of the same epoch have kept is its own.
    """

    token: str
    life: int = 1
    replica: int = 0
    is_asked: bool = False
    ws_endpoint: str = ""
    config: dict[str, Any] = msgspec.field(default_factory=dict)
    epoch: str | UnsetType = UNSET


class LauncherTokenLine(
    msgspec.Struct, frozen=True, kw_only=True, tag="launcher_ws_token", tag_field="kite"
):
    """To the Event Hub, after its boot line: the token that means `launcher`."""

    launcher_ws_token: str


class PortLine(msgspec.Struct, frozen=True, kw_only=True, tag="port", tag_field="kite"):
    """From the Registry: where it listens."""

    port: int


class EndpointLine(msgspec.Struct, frozen=True, kw_only=True, tag="ws_endpoint", tag_field="kite"):
    """From the Event Hub: where it listens."""

    ws_endpoint: str


CoreLine = PortLine | EndpointLine

_core_lines: msgspec.json.Decoder[CoreLine] = msgspec.json.Decoder(CoreLine)
_boot_lines = msgspec.json.Decoder(BootLine)
_launcher_lines = msgspec.json.Decoder(LauncherTokenLine)


def encode_line(line: msgspec.Struct) -> bytes:
    """A line with its newline."""
    return msgspec.json.encode(line) + b"\n"


def decode_boot_line(line: bytes) -> BootLine | None:
    """The boot line, or None when it is none."""
    try:
        return _boot_lines.decode(line)
    except msgspec.DecodeError:
        return None


def decode_launcher_token(line: bytes) -> str | None:
    """The token of a launcher_ws_token line, or None when it is none."""
    try:
        return _launcher_lines.decode(line).launcher_ws_token
    except msgspec.DecodeError:
        return None


def decode_core_line(line: bytes) -> CoreLine | None:
    """A core module's message, or None for log text."""
    if not line.startswith(b"{"):
        return None
    try:
        return _core_lines.decode(line)
    except msgspec.DecodeError:
        return None
