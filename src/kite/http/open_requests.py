"""How many requests one client may have open at a time: those that wait, and streams.

Without it one module could take every connection that a port has, and nobody could ask Kite to
stop it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

from kite.errors import RequestError

MOST_OF_ONE: Final = 256
"""Of a module (all its lives together). A stream of the Registry has a limit of its own below it."""

_FREE: Final = frozenset({"operator", "launcher", "event_hub", "registry"})
"""Who is bounded by the port's connections alone: the person, who may wait for any number of
modules at once, and Kite itself."""


class OpenRequests:
    """The open requests of one port, by who speaks."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, name: str | None) -> Iterator[None]:
        """Count a request while the block runs.

        Args:
            name: who asks; None: somebody without a token, on an open path, which answers at once.

        Raises:
            RequestError: `limit_reached`.
        """
        if name is None or name in _FREE:
            yield
            return
        if self._open[name] >= MOST_OF_ONE:
            what = f"open requests of {name}"
            raise RequestError("limit_reached", what=what, limit=MOST_OF_ONE)
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]

    def __len__(self) -> int:
        return len(self._open)
