"""What a Python module imports: `from kite import Module`.

The names below are loaded when they are first used, so that who needs one (the command line needs
a connection) does not pay for the others.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kite.errors import KiteError, RequestError, Unavailable
    from kite.sdk.connection import HubConnection, Lost
    from kite.sdk.event import Event, Request
    from kite.sdk.launcher_client import LauncherClient
    from kite.sdk.module import Module
    from kite.sdk.registry_client import RegistryClient

__all__ = [
    "Event",
    "HubConnection",
    "KiteError",
    "LauncherClient",
    "Lost",
    "Module",
    "RegistryClient",
    "Request",
    "RequestError",
    "Unavailable",
]

_HOMES = {
    "Event": "kite.sdk.event",
    "HubConnection": "kite.sdk.connection",
    "KiteError": "kite.errors",
    "LauncherClient": "kite.sdk.launcher_client",
    "Lost": "kite.sdk.connection",
    "Module": "kite.sdk.module",
    "RegistryClient": "kite.sdk.registry_client",
    "Request": "kite.sdk.event",
    "RequestError": "kite.errors",
    "Unavailable": "kite.errors",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
