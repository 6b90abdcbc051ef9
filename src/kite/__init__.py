"""Kite: a local runtime for systems of small programs.

    from kite import Module

Importing this costs nothing; what is used is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, whose import would be most of the cost of this one
if TYPE_CHECKING:
    from typing import Any

    from kite.errors import KiteError as KiteError
    from kite.errors import RequestError as RequestError
    from kite.sdk.event import Event as Event
    from kite.sdk.event import Request as Request
    from kite.sdk.module import Module as Module
    from kite.version import __version__ as __version__

__all__ = ["Event", "KiteError", "Module", "Request", "RequestError", "__version__"]

_HOMES = {
    "Event": "kite.sdk.event",
    "KiteError": "kite.errors",
    "Module": "kite.sdk.module",
    "Request": "kite.sdk.event",
    "RequestError": "kite.errors",
    "__version__": "kite.version",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  (nothing is loaded before it is needed)

    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
