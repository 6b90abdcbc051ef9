"""What the Launcher tells the Registry: tokens, deaths, and the entries it keeps for others.

One worker makes the calls one after the other, so that a death is told before the next life's
token, and no boot line is written before the Registry has acknowledged the token in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from kite.errors import KiteError, PeerError, RequestError, Unavailable
from kite.http.client import Response, call, raise_for
from kite.launcher.authority import Authority

_RETRY_SECONDS = 0.1
_REFUSED_SECONDS = 1.0
_POLL = 300  # seconds a question may stay open
_LEASE = 3600.0
"""Seconds that an entry kept for others is asked for. Deaths are told at once, and a Registry that
has lost the entry is told it again: nothing waits for the lease to end, and fifty modules with
short ones would wake both processes all the time."""

Key = tuple[str, int | None]
"""A module and one of its lives; None: the module as a whole."""

_log = logging.getLogger("kite.launcher.registry")


class RegistryLink:
    """Calls to the Registry with the kite token.

    Args:
        url: `http://127.0.0.1:<port>`; the same in all of the Registry's lives.
        authority: the table of tokens.

    Attributes:
        on_refused: called with the name of a module whose newest token the Registry does not take,
            and why; perhaps several times.
        ports: those that live modules have registered; their pages may talk to Kite.
    """

    def __init__(self, url: str, authority: Authority) -> None:
        self._url = url
        self._authority = authority
        self._wake = asyncio.Event()
        self._is_open = asyncio.Event()
        self._deaths: list[tuple[str, int]] = []
        self._turn = asyncio.Lock()
        # In front of the turn: a token, for which a module waits, waits for one entry at most.
        self._line = asyncio.Lock()
        self._told = 0
        self._accepted: dict[str, Any] = {}
        self._refused: dict[str, int] = {}
        self._told_more = asyncio.Condition()
        self._asked: dict[Key, dict[str, Any]] = {}
        self._behalf: dict[Key, dict[str, Any]] = {}
        self._ttl = _LEASE
        self._has_lease = asyncio.Event()
        self.on_refused: Callable[[str, KiteError], None] | None = None
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
        for key in list(self._behalf):
            try:
                await self._register(key)
            except KiteError as failure:
                _log.warning("registry.refused_entry module=%s error=%s", key[0], failure)

    def closed(self) -> None:
        """The Registry is away: changes wait for its next life."""
        self._is_open.clear()

    def revoked(self, name: str, life: int) -> None:
        """A life of the module has ended and its token is revoked in the table: say both."""
        self._asked.pop((name, life), None)
        self._behalf.pop((name, life), None)
        self._deaths.append((name, life))
        self._wake.set()

    async def acknowledged(self, version: int) -> None:
        """Wait until the Registry knows the table of this version, and the token new in it.

        That is for ever where the Registry refuses that token: its life misses its launch timeout.
        """
        self._wake.set()

        def is_known() -> bool:
            return self._told >= version and version not in self._refused.values()

        async with self._told_more:
            await self._told_more.wait_for(is_known)

    def start_over(self) -> None:
        """A new kite token: what was kept for others is gone."""
        self._asked.clear()
        self._behalf.clear()
        self._deaths.clear()
        self._accepted.clear()
        self._refused.clear()
        self.closed()

    async def run(self) -> None:
        """The worker; runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(), name="registry link")
            group.create_task(self._keep_renewing(), name="registry renewals")
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
                # Of the whole table, so nobody's mistake in particular: it is told again.
                _log.error("registry.refused_tokens error=%s", refusal)
                self._wake.set()
                await asyncio.sleep(_REFUSED_SECONDS)

    async def _tell_changes(self) -> None:
        while self._deaths:
            name, life = self._deaths[0]
            body = {"action": "deregister", "module_id": name, "life": life}
            try:
                async with self._turn:
                    await self._post("/modules", body)
            except RequestError as refusal:
                # The entry goes with the life's token or with its lease; the others must not wait.
                _log.error("registry.refused_death module=%s error=%s", name, refusal)
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
            everybody = self._authority.everybody()
            self._refused.clear()
            try:
                await self._post("/tokens", everybody)
                self._accepted = everybody
                self._authority.forget(name for name, value in everybody.items() if value is None)
            except RequestError:
                await self._name_one_by_one(everybody)
        return version

    async def _name_one_by_one(self, everybody: dict[str, Any]) -> None:
        """Some of the table is refused: find out what, and tell the rest.

        Only what is new can be at fault. Whose token is new still waits for its boot line, so that
        it harms nobody to call that one dead meanwhile; other lives of the name keep theirs.
        """
        told = {
            name: _without_new(value, self._accepted.get(name)) for name, value in everybody.items()
        }
        await self._post("/tokens", told)
        self._accepted = told
        for name, value in everybody.items():
            if value == told[name]:
                continue
            try:
                await self._post("/tokens", {**told, name: value})
            except RequestError as refusal:
                _log.error("registry.refused_token module=%s error=%s", name, refusal)
                self._refused[name] = self._authority.issued[name]
                if self.on_refused is not None:
                    self.on_refused(name, refusal)
            else:
                told[name] = value

    async def _acknowledged(self, version: int) -> None:
        async with self._told_more:
            self._told = max(self._told, version)
            self._told_more.notify_all()

    # -- entries on behalf of others -----------------------------------------------------------

    async def register_for(self, name: str, entry: dict[str, Any], *, replace: bool) -> None:
        """Register a module that does not do so itself, and renew that until it ends.

        Args:
            entry: the fields of `POST /modules` but action and module_id.
            replace: whether an entry of the module's own gives way.
        """
        key = (name, entry.get("life"))
        self._asked[key] = entry
        while True:
            await self._is_open.wait()
            if self._asked.get(key) is not entry:
                return  # it has ended meanwhile, which is told by itself
            try:
                self._behalf[key] = {"ttl": _LEASE, **entry, "unless_own": not replace}
                await self._register(key)
                return
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _register(self, key: Key) -> None:
        async with self._line, self._turn:  # so that the life's death is told afterwards
            entry = self._behalf.get(key)
            if entry is None:
                return
            body = {"action": "register", "module_id": key[0], **entry}
            self._learn(key, entry, await self._post("/modules", body))

    def _learn(self, key: Key, entry: dict[str, Any], answer: Response) -> None:
        """Whose entry it is now, and how long its lease."""
        said = answer.json()
        self._ttl = float(said.get("ttl") or self._ttl)
        self._has_lease.set()
        if said.get("own") and self._behalf.get(key) is entry:
            del self._behalf[key]  # the module has registered itself, and has to renew that itself

    async def _keep_renewing(self) -> None:
        await self._has_lease.wait()  # how long leases are is the Registry's to say
        while True:
            await asyncio.sleep(self._ttl / 3)
            await self._is_open.wait()
            await self.renew()

    async def renew(self) -> None:
        """Renew what is kept for others once."""
        for key in list(self._behalf):
            try:
                await self._heartbeat(key)
            except KiteError as failure:
                _log.warning("registry.missed_heartbeat module=%s error=%s", key[0], failure)

    async def _heartbeat(self, key: Key) -> None:
        entry = self._behalf.get(key)
        if entry is None:  # its life has ended while another was renewed
            return
        body = {"action": "heartbeat", "module_id": key[0], "life": key[1]}
        answer = await call("POST", f"{self._url}/modules", token=self._token, json=body)
        if answer.status == 404:
            await self._register(key)
            return
        self._learn(key, entry, _taken(answer, self._url))

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
        return _taken(await call("POST", url, token=self._token, json=body), url)


def _taken(answer: Response, url: str) -> Response:
    """The answer, if it is a good one.

    A call that a Registry has left unanswered waits in the socket for its next life, which has
    another kite token: that refusal means nothing but that it is to be said again.

    Raises:
        KiteError: as `raise_for`; Unavailable for a token that is not known.
    """
    try:
        return raise_for(answer, url=url)
    except PeerError as refused:
        if refused.code != "unauthorized":
            raise
        raise Unavailable("not_ready", what="the registry") from None


def _without_new(value: Any, accepted: Any) -> Any:
    """Of what a name is to have in `POST /tokens` that which it has already."""
    if value == accepted:
        return value
    old = accepted if isinstance(accepted, list) else [accepted]
    kept = [grant for grant in (value if isinstance(value, list) else [value]) if grant in old]
    return [grant for grant in kept if grant is not None] or None
