"""Endpoints: the URLs under which modules say they can be reached."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}

# A module that listens everywhere is reached at the loopback address too.
_LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0", "::"})  # noqa: S104


def loopback_port(url: object) -> int | None:
    """The port of a URL on this machine's loopback address, or None when it is none."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        return None
    if host not in _LOOPBACK_HOSTS:
        return None
    return port or DEFAULT_PORTS.get(parts.scheme)
