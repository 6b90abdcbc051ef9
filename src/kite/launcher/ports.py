"""Ports for modules: one that is free at the start of a life, the preferred one if possible."""

from __future__ import annotations

import socket

from kite.errors import ModuleError

LOOPBACK = "127.0.0.1"
_TRIES = 20


class Ports:
    """Hands out ports, never one that another living module of ours was given."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, int], int] = {}  # module and life → port

    def take(self, module: str, life: int, preferred: int) -> int:
        """A free port for a life of the module.

        Args:
            preferred: taken if it is free; 0 for any.

        Raises:
            ModuleError: `no_free_port`.
        """
        own = (module, life)
        others = {port for whose, port in self._given.items() if whose != own}
        if preferred and preferred not in others and _bind(preferred) is not None:
            self._given[module, life] = preferred
            return preferred
        for _ in range(_TRIES):
            port = _bind(0)
            if port is not None and port not in others:
                self._given[module, life] = port
                return port
        raise ModuleError("no_free_port", module=module)

    def release(self, module: str, life: int) -> None:
        """The life has ended."""
        self._given.pop((module, life), None)


def _bind(port: int) -> int | None:
    with socket.socket() as probe:
        # Connections of the last life that linger in TIME_WAIT do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return None
        bound: int = probe.getsockname()[1]
        return bound
