"""The Launcher's management API, asked in a module's name: who runs, and please restart that one."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from kite.errors import Unavailable
from kite.http.client import call, raise_for
from kite.sdk.registry_client import RegistryClient

_TIMEOUT = 10.0
_SETTLED_WITHIN = 65.0  # the Launcher says `not settled` after 60 s


class LauncherClient:
    """Calls the Launcher with a module's token. Starting, stopping and restarting need the scope
    `launcher.control` in the manifest.

    Each method raises, besides what it says itself:
        Unavailable: `unreachable` or `not_ready`; try again.
        PeerError: `unauthorized`: the token is dead.
        RequestError: `unknown_module`.

    Args:
        registry: where the Launcher's address is.
        token: 64 hex digits.
    """

    def __init__(self, registry: RegistryClient, token: str) -> None:
        self._registry = registry
        self._token = token
        self._url: str | None = None

    async def modules(self) -> list[dict[str, Any]]:
        """Every module as `kite ps --json` shows it."""
        answer = await self._call("GET", "/launcher/modules")
        records = answer.get("modules") if isinstance(answer, dict) else None
        return records if isinstance(records, list) else []

    async def module(self, name: str) -> dict[str, Any]:
        """One module: `actual_state`, `life`, `pid`, `restarts`, …."""
        answer = await self._call("GET", f"/launcher/modules/{quote(name, safe='')}")
        return answer if isinstance(answer, dict) else {}

    async def start(
        self, name: str, *, reason: str | None = None, wait: bool = False
    ) -> dict[str, Any]:
        """Start a module, and what it depends on; its record.

        Args:
            reason: why, for the lifecycle's log.
            wait: until it is ready (at most 60 s), instead of only asking.

        Raises:
            RequestError: `permission_denied`, `dependency_stopped`, `disabled`, …; with `wait` also
                `superseded`, `failed`, and what else kept it from becoming ready.
        """
        return await self._act(name, "start", reason, wait=wait)

    async def stop(
        self, name: str, *, reason: str | None = None, wait: bool = False
    ) -> dict[str, Any]:
        """Stop a module; arguments and errors as `start`."""
        return await self._act(name, "stop", reason, wait=wait)

    async def restart(
        self, name: str, *, life: int | None = None, reason: str | None = None, wait: bool = False
    ) -> dict[str, Any]:
        """Restart a running module; arguments and errors as `start`, and `stopped`.

        Args:
            life: restart this one of its processes alone: of several replicas the others run on.
                `life_gone` where it does not run any more.
        """
        return await self._act(name, "restart", reason, wait=wait, life=life)

    async def _act(
        self, name: str, verb: str, reason: str | None, *, wait: bool, life: int | None = None
    ) -> dict[str, Any]:
        path = f"/launcher/modules/{quote(name, safe='')}/{verb}{'?wait=1' if wait else ''}"
        timeout = _SETTLED_WITHIN if wait else _TIMEOUT
        asked = {"reason": reason or None, "life": life}
        body = {key: value for key, value in asked.items() if value is not None}
        answer = await self._call("POST", path, body, timeout)
        return answer if isinstance(answer, dict) else {}

    async def _call(
        self, method: str, path: str, body: Any = None, timeout: float = _TIMEOUT
    ) -> Any:
        url = await self._find() + path
        if body is None:
            response = await call(method, url, token=self._token, timeout=timeout)
        else:
            response = await call(method, url, token=self._token, json=body, timeout=timeout)
        return raise_for(response, url=url).json()

    async def _find(self) -> str:
        # Its address never changes during a run.
        if self._url is None:
            found = await self._registry.get("launcher.api_endpoint")
            if not isinstance(found, str):
                raise Unavailable("not_ready", what="the launcher")
            self._url = found.rstrip("/")
        return self._url
