"""What a template imports before it forks: what Python modules and the core processes begin with."""

from __future__ import annotations

import contextlib
import importlib
import sys

_WANTED = (
    *("kite.sdk.module", "kite.sdk.process", "kite.sdk.connection", "kite.sdk.registry_client"),
    *("kite.sdk.compiled.arrivals", "kite.sdk.compiled.frames", "kite.sdk.compiled.pen"),
    *("kite.http.server", "uvloop", "ctypes", "mmap", "runpy"),
)
"""The SDK, and what serves HTTP in the Registry, the Launcher and many modules."""

_FRESH = ("multiprocessing", "_multiprocessing", "__mp_main__", "concurrent.futures.process")
"""What remembers from its import on whose process it is: each imports these for itself."""


def preload() -> frozenset[str]:
    """Import it all; the top-level names of what modules then find imported."""
    for name in _WANTED:
        with contextlib.suppress(ImportError):  # uvloop is not everywhere
            importlib.import_module(name)
    return frozenset(name.partition(".")[0] for name in sys.modules if not _is_fresh(name))


def forget() -> None:
    """In the template itself: what is to be fresh was never imported."""
    for name in [name for name in sys.modules if _is_fresh(name)]:
        del sys.modules[name]


def _is_fresh(name: str) -> bool:
    return any(name == fresh or name.startswith(f"{fresh}.") for fresh in _FRESH)
