"""What the Launcher tells the Registry: tokens, deaths, and the entries it keeps for others.

One worker makes the calls one after the other, so that a death is told before the next life's
token, and no boot line is written before the Registry has acknowledged the token in it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from kite.errors import KiteError, Unavailable
from kite.http.client import Response, call, raise_for
from kite.launcher.authority import Authority

_RETRY_SECONDS = 0.1
_POLL = 300  # seconds a question may stay open
_log = logging.getLogger("kite.launcher.registry")


class RegistryLink:
    """Calls to the Registry with the kite token.

    Args:
        url: `http://127.0.0.1:<port>`; the same in all of the Registry's lives.
        authority: the table of tokens.

    Attributes:
        ports: those that live modules have registered; their pages may talk to Kite.
    """

    def __init__(self, url: str, authority: Authority) -> None:
        self._url = url
        self._authority = authority
        self._wake = asyncio.Event()
        self._is_open = asyncio.Event()
        self._deaths: list[tuple[str, int]] = []
        self._turn = asyncio.Lock()
        self._told = 0
        self._told_more = asyncio.Condition()
        self._asked: dict[str, dict[str, Any]] = {}
        self._behalf: dict[str, dict[str, Any]] = {}
        self._ttl = 30.0
        self.ports: frozenset[int] = frozenset()

    # -- tokens -------------------------------------------------------------------------------

    async def tell_everybody(self) -> None:
        """Name all tokens to a Registry that has just spoken; returns when it has acknowledged.

        Keeps trying until it succeeds or is cancelled (because that life of the Registry ended).
        """
        while True:
            try:
                version = await self._name_everybody()
            except KiteError as failure:
                # Not served yet, or the answer of a life that is about to end.
                _log.info("registry.not_told error=%s", failure)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            break
        self._is_open.set()
        await self._acknowledged(version)
        for name in list(self._behalf):
            if name not in self._behalf:  # its life has ended while another was registered
                continue
            try:
                await self._register(name)
            except KiteError as failure:
                _log.warning("registry.refused_entry module=%s error=%s", name, failure)

    def closed(self) -> None:
        """The Registry is away: changes wait for its next life."""
        self._is_open.clear()

    def revoked(self, name: str, life: int) -> None:
        """A life of the module has ended and its token is revoked in the table: say both."""
        self._asked.pop(name, None)
        self._behalf.pop(name, None)
        self._deaths.append((name, life))
        self._wake.set()

    async def acknowledged(self, version: int) -> None:
        """Wait until the Registry knows the table of this version."""
        self._wake.set()
        async with self._told_more:
            await self._told_more.wait_for(lambda: self._told >= version)

    def start_over(self) -> None:
        """A new kite token: what was kept for others is gone."""
        self._asked.clear()
        self._behalf.clear()
        self._deaths.clear()
        self.closed()

    async def run(self) -> None:
        """The worker; runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(), name="registry link")
            group.create_task(self._renew(), name="registry renewals")
            group.create_task(self._follow_ports(), name="registry ports")

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            await self._is_open.wait()
            self._wake.clear()
            try:
                await self._tell_changes()
            except Unavailable:
                # Its exit will be noticed, and its next life is told everything.
                self._wake.set()
                await asyncio.sleep(_RETRY_SECONDS)
            except KiteError as refusal:
                _log.error("registry.refused_tokens error=%s", refusal)

    async def _tell_changes(self) -> None:
        while self._deaths:
            name, life = self._deaths[0]
            body = {"action": "deregister", "module_id": name, "life": life}
            await self._post("/modules", body)
            del self._deaths[:1]
        version = self._authority.version
        if version > self._told:
            version = await self._name_everybody()
        await self._acknowledged(version)

    async def _name_everybody(self) -> int:
        """Tell the whole table; its version.

        Always the whole: a call that a Registry has left unanswered waits in the listening socket
        and may be the first that its next life hears, which takes it for everybody. And one after
        the other, so that no older table comes after a newer one.
        """
        async with self._turn:
            version = self._authority.version
            await self._post("/tokens", self._authority.everybody())
        return version

    async def _acknowledged(self, version: int) -> None:
        async with self._told_more:
            self._told = max(self._told, version)
            self._told_more.notify_all()

    # -- entries on behalf of others -----------------------------------------------------------

    async def register_for(self, name: str, entry: dict[str, Any], *, replace: bool) -> None:
        """Register a module that does not do so itself, and renew that until it ends.

        Args:
            entry: the fields of `POST /modules` but action and module_id.
            replace: whether an entry that is there already gives way.
        """
        self._asked[name] = entry
        while self._asked.get(name) is entry:
            await self._is_open.wait()
            try:
                has_to = replace or await self._has_no_entry(name)
                if has_to and self._asked.get(name) is entry:  # its life may have ended meanwhile
                    self._behalf[name] = entry
                    await self._register(name)
                return
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _has_no_entry(self, name: str) -> bool:
        found = await call("GET", f"{self._url}/modules/{name}", token=self._token)
        if found.status == 404:
            return True
        raise_for(found, url=self._url)
        return False

    async def _register(self, name: str) -> None:
        body = {"action": "register", "module_id": name, **self._behalf[name]}
        answer = await self._post("/modules", body)
        self._ttl = float(answer.json().get("ttl") or self._ttl)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ttl / 3)
            await self._is_open.wait()
            for name in list(self._behalf):
                try:
                    await self._heartbeat(name)
                except KiteError as failure:
                    _log.warning("registry.missed_heartbeat module=%s error=%s", name, failure)

    async def _heartbeat(self, name: str) -> None:
        body = {"action": "heartbeat", "module_id": name}
        answer = await call("POST", f"{self._url}/modules", token=self._token, json=body)
        if answer.status == 404:
            if name in self._behalf:
                await self._register(name)
            return
        raise_for(answer, url=self._url)

    # -- who may look ----------------------------------------------------------------------------

    async def _follow_ports(self) -> None:
        """Keep `ports` current: the Registry answers when something has changed."""
        seen: dict[str, Any] = {}
        while True:
            await self._is_open.wait()
            query = (
                f"?epoch={seen['epoch']}&revision={seen['revision']}&wait={_POLL}" if seen else ""
            )
            try:
                url = f"{self._url}/tokens/digests{query}"
                answer = await call("GET", url, token=self._token, timeout=_POLL + 10)
                seen = raise_for(answer, url=url).json()
                self.ports = frozenset(seen["ports"])
            except KiteError:
                await asyncio.sleep(_RETRY_SECONDS)

    @property
    def _token(self) -> str:
        return self._authority.kite_token

    async def _post(self, path: str, body: Any) -> Response:
        url = self._url + path
        return raise_for(await call("POST", url, token=self._token, json=body), url=url)
