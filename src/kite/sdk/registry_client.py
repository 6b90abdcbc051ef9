"""The Registry, asked in a module's name: who is here, where, offering what."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from kite.errors import PeerError
from kite.http.client import call, raise_for, stream
from kite.wire.tool import Tool, offered

if TYPE_CHECKING:
    from kite.sdk.core.mirror import Place

_TIMEOUT = 10.0


class SessionToken(msgspec.Struct, frozen=True, kw_only=True):
    """A narrower token of the same module, for its web pages; the Hub alone takes it.

    Args:
        token: 64 hex digits.
        expires_at: RFC 3339 UTC.
    """

    token: str
    expires_at: str


class RegistryClient:
    """Calls the Registry with a module's token.

    Each method raises, besides what it says itself:
        Unavailable: `unreachable` or `not_ready`: the Registry restarts; try again.
        PeerError: `unauthorized`: the token is dead.

    Args:
        port: of the Registry on 127.0.0.1 (`KITE_REGISTRY_PORT`).
        token: 64 hex digits.
    """

    can_be_followed = True
    """Whether there is a `watch`."""

    def __init__(self, port: int, token: str) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._token = token

    async def get(self, path: str) -> Any:
        """The JSON value at a dotted path, such as `event_hub.metadata.ws_endpoint`.

        Raises:
            RequestError: `not_found`.
        """
        return await self._call("GET", f"/get/{quote(path, safe='.')}")

    async def lookup(self, **fields: str) -> list[dict[str, Any]]:
        """The records whose fields match; `*` and `?` stand for any text and any character.

        `await module.registry.lookup(module_type="agent", events_publish="docs.*")`. Write a dotted
        field with two underscores, `metadata__language="de"`, or give it with `**{...}`.
        """
        query = urlencode(dotted(fields))
        answer = await self._call("GET", f"/lookup?{query}" if query else "/modules")
        return _records(answer)

    async def modules(self) -> list[dict[str, Any]]:
        """All records."""
        return _records(await self._call("GET", "/modules"))

    async def module(self, module_id: str) -> dict[str, Any]:
        """One module's record.

        Raises:
            RequestError: `not_found`.
        """
        answer = await self._call("GET", f"/modules/{quote(module_id, safe='')}")
        return answer if isinstance(answer, dict) else {}

    async def tools(self) -> list[Tool]:
        """What all modules offer to be called."""
        return [tool for record in await self.modules() for tool in offered(record)]

    @contextlib.asynccontextmanager
    async def watch(self, after: Place | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """The stream of changes, in pieces as they come: see `protocol/registry.md`.

        Args:
            after: where to go on; None: begin with everything.
        """
        query = "" if after is None else f"?epoch={after.epoch}&since={after.revision}"
        async with stream(f"{self._url}/watch{query}", token=self._token) as parts:
            yield parts

    async def session_token(
        self,
        *,
        publish: Sequence[str] = (),
        subscribe: Sequence[str] = (),
        ttl: float = 600.0,
    ) -> SessionToken:
        """A token for a web page of this module; it dies with the module's own.

        Args:
            publish, subscribe: patterns, within what the module itself may do.
            ttl: seconds, at most 3600.

        Raises:
            RequestError: `permission_denied` where more is asked for than the module may do.
        """
        body = {"publish": list(publish), "subscribe": list(subscribe), "ttl": ttl}
        answer = await self._call("POST", "/tokens/session", body)
        try:
            return msgspec.convert(answer, SessionToken)
        except msgspec.ValidationError as wrong:
            raise PeerError("bad_response", url=self._url, detail=str(wrong)) from None

    async def register(self, module_id: str, record: Mapping[str, Any]) -> float:
        """Register; replaces what was registered. Modules use `Module.register`.

        Returns:
            Seconds until the entry expires unless it is renewed.
        """
        body = {"action": "register", "module_id": module_id, **record}
        return _ttl(await self._call("POST", "/modules", body))

    async def heartbeat(self, module_id: str) -> float:
        """Renew; answers like `register`.

        Raises:
            RequestError: `not_registered`.
        """
        body = {"action": "heartbeat", "module_id": module_id}
        return _ttl(await self._call("POST", "/modules", body))

    async def _call(self, method: str, path: str, body: Any = msgspec.UNSET) -> Any:
        url = self._url + path
        response = await call(method, url, token=self._token, json=body, timeout=_TIMEOUT)
        return raise_for(response, url=url).json()


def dotted(fields: Mapping[str, str]) -> dict[str, str]:
    """Fields as a look-up names them, from keyword arguments: `metadata__language`."""
    return {name.replace("__", "."): text for name, text in fields.items()}


_DEFAULT_TTL = 30.0


def _ttl(answer: Any) -> float:
    ttl = answer.get("ttl") if isinstance(answer, dict) else None
    usable = isinstance(ttl, int | float) and not isinstance(ttl, bool) and ttl > 0
    return float(ttl) if usable and ttl is not None else _DEFAULT_TTL


def _records(answer: Any) -> list[dict[str, Any]]:
    records = answer.get("modules") if isinstance(answer, dict) else None
    return records if isinstance(records, list) else []
