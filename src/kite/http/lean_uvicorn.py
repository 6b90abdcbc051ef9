"""uvicorn's server without its command line, which its package imports with it: click, the reloaders
and multiprocessing take five megabytes and a tenth of a second, and nobody here uses them.

Whoever asks the package for `run`, `main` or `Server` later on, as a module's own program may, gets
them from the real place then.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_PACKAGE = "uvicorn"
_COMMAND_LINE = "uvicorn.main"
_NAMES = ("main", "run", "Server")
"""What the package takes from its command line."""


def _import_lean() -> None:
    stand_in = ModuleType(_COMMAND_LINE)
    for name in _NAMES:
        setattr(stand_in, name, None)
    sys.modules[_COMMAND_LINE] = stand_in
    try:
        package = importlib.import_module(_PACKAGE)
    finally:
        del sys.modules[_COMMAND_LINE]
    for name in _NAMES:
        delattr(package, name)

    def on_demand(name: str) -> Any:
        if name not in _NAMES:
            raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
        real = importlib.import_module(_COMMAND_LINE)
        for each in _NAMES:  # `main` would else be the submodule from now on
            setattr(package, each, getattr(real, each))
        return getattr(package, name)

    setattr(package, "__getattr__", on_demand)  # noqa: B010  (PEP 562, of which mypy thinks otherwise)


if _PACKAGE not in sys.modules:
    _import_lean()

from uvicorn.config import Config  # noqa: E402
from uvicorn.protocols.http.httptools_impl import (  # noqa: E402
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import Server  # noqa: E402

__all__ = ["Config", "HttpToolsProtocol", "RequestResponseCycle", "Server"]
