"""Who may talk to a port at all, before any token is looked at: `Host` and `Origin`.

A page of the web that a person has open can send requests to 127.0.0.1 too. The `Host` check
stops names that were pointed at the loopback address (DNS rebinding), the `Origin` check stops
pages that are not a module's own (CONTRACT, section 5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from kite.errors import RequestError

_LOOPBACK_ORIGIN = re.compile(
    r"(https?)://(?:127\.0\.0\.1|localhost|\[::1\])(?::([0-9]{1,5}))?", re.IGNORECASE
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who speaks, for services that need no more than this (the Launcher's API).

    Args:
        name: a module's name, or `operator`.
        scopes: extra rights, such as `launcher.control`.
        life: which process of the module, where the token says so.
    """

    name: str
    scopes: frozenset[str] = frozenset()
    life: int | None = None


def _no_ports() -> Collection[int]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The check of `Host` and `Origin` for one listening port.

    Args:
        port: where this server listens; a `Host` must name it.
        ports: asked at each request: the ports that live modules have registered, whose pages may
            talk to Kite.
        origins: further origins that the user allows, as browsers write them.
    """

    port: int
    ports: Callable[[], Collection[int]] = _no_ports
    origins: Collection[str] = ()

    def check(self, hosts: Collection[str], origins: Collection[str]) -> str | None:
        """Return the origin that may read the answer, or None when the caller is no page.

        Args:
            hosts: all `Host` headers of the request.
            origins: all `Origin` headers of the request.

        Raises:
            RequestError: `bad_host` or `bad_origin`.
        """
        self.check_host(hosts)
        return self.check_origin(origins)

    def check_host(self, hosts: Collection[str]) -> None:
        """Raise `bad_host` unless there is one header and it names this port on this machine."""
        own = (f"127.0.0.1:{self.port}", f"localhost:{self.port}")
        if len(hosts) != 1 or next(iter(hosts)).lower() not in own:
            shown = ", ".join(hosts)[:_SHOWN]
            raise RequestError("bad_host", host=shown, port=self.port)

    def check_origin(self, origins: Collection[str]) -> str | None:
        """Return the one origin, None without any; raise `bad_origin` for a foreign one."""
        if not origins:
            return None
        origin = next(iter(origins))
        if len(origins) == 1 and self.is_own(origin):
            return origin
        raise RequestError("bad_origin", origin=", ".join(origins)[:_SHOWN])

    def is_own(self, origin: str) -> bool:
        """Whether pages of the origin may talk to Kite."""
        if found := _LOOPBACK_ORIGIN.fullmatch(origin):
            scheme, port = found.groups()
            number = int(port) if port else _DEFAULT_PORTS[scheme.lower()]
            if number in self.ports():
                return True
        plain = origin.lower().rstrip("/")
        return any(plain == allowed.lower().rstrip("/") for allowed in self.origins)
