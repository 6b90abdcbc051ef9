"""The Registry's shell: it tells the cores what has been said and when, keeps what survives a
restart, announces what has changed, and wakes itself when the next lease ends."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from kite.clock import Clock
from kite.errors import KiteError, PeerError, RequestError, Unavailable
from kite.registry.config import RegistryConfig
from kite.registry.core.catalog import Catalog, Entry
from kite.registry.core.posted import Grant, Patterns, Posted
from kite.registry.core.registration import ModulesRequest, Registration
from kite.registry.core.tokens import TokenTable
from kite.registry.following import Following
from kite.registry.hearing import Hearing
from kite.registry.revision import Revision
from kite.registry.shown import listed_grant, told_entry
from kite.registry.speaker import Kind, Speaker
from kite.registry.store import Store, content_of, entry_of
from kite.wire.lookup import compile_glob, field_matches, resolve
from kite.wire.token import digest

STALL_SECONDS: Final = 2.0
"""A deadline noticed this late means that the Registry itself could not run meanwhile."""

_log = logging.getLogger("kite.registry")

Announce = Callable[[str, dict[str, Any]], None]


class Registry:
    """Who is here, and who is who.

    Args:
        kite_token: the Launcher's.
        epoch: names the lives that share what is kept.
        config: lease times and origins.
        clock: the time.
        directory: where to keep what survives; None: nowhere.
        announce: publishes an event: subject and data.
    """

    def __init__(
        self,
        *,
        kite_token: str,
        epoch: str,
        config: RegistryConfig,
        clock: Clock,
        directory: Path | None,
        announce: Announce,
    ) -> None:
        self.config = config
        self.catalog = Catalog()
        self.tokens = TokenTable(digest(kite_token))
        self.revision = Revision()
        self.following = Following(self.revision.epoch, self.catalog, self.tokens)
        self.ports: frozenset[int] = frozenset()
        self.counts: Counter[str] = Counter()
        self.own_token: tuple[str, int | None] | None = None
        self._kept_by = epoch
        self._clock = clock
        self._announce = announce
        self._store = Store(directory, self._content)
        self.hearing = Hearing(self.catalog, config, clock, before=self._expire, after=self._arm)
        self._is_stopping = False
        self._timer: asyncio.TimerHandle | None = None

    # --- who speaks

    async def authenticate(self, token: str) -> Speaker:
        """Who a token means, for `kite.http.application`.

        Raises:
            PeerError: `unauthorized`.
            Unavailable: `not_ready` before the first `POST /tokens`.
            RequestError: `session_token`.
        """
        shown = digest(token)
        if hmac.compare_digest(shown, self.tokens.kite_digest):
            return Speaker(kind=Kind.KITE)
        grant = self._grant(shown)
        if grant is None:
            raise PeerError("unauthorized")
        if grant.parent is not None:
            raise RequestError("session_token", who=grant.name)
        kind = Kind.OPERATOR if grant.name == "operator" else Kind.MODULE
        return Speaker(kind=kind, grant=grant)

    def verify(self, token: str) -> Grant:
        """What a token means. The kite token means nobody here: it is shown to nobody.

        Raises:
            RequestError: `unknown_token`.
            Unavailable: `not_ready` before the first `POST /tokens`.
        """
        grant = self._grant(digest(token))
        if grant is None:
            raise RequestError("unknown_token")
        return grant

    def _grant(self, shown: str) -> Grant | None:
        if not self.tokens.is_known:
            raise Unavailable("not_ready", what="the registry's table of tokens")
        self._expire()
        return self.tokens.grant_of(shown)

    # --- tokens

    async def post_tokens(self, posted: Posted, own_token: str | None) -> None:
        """Take over who is who; `own_token` is the Registry's own among them.

        Raises:
            RequestError: `malformed_body`.
        """
        had_sessions = bool(self.tokens.sessions())
        is_first = not self.tokens.is_known
        is_different = self.tokens.post(posted)
        self._expire()
        for name, grants in posted.items():
            lives = frozenset(grant.life for grant in grants if grant.life is not None)
            if len(lives) == len(grants):  # else some token may be of any life
                self._removed(self.catalog.keep_lives(name, lives), "deregistered")
        if own_token is not None:
            own = self.tokens.grants_of("registry")
            self.own_token = (own_token, own[-1].life if own else None)
        if is_first:
            _log.info("tokens.learned names=%d", len(posted))
        if is_different:
            self.revision.advance()
            self.following.review()
        if had_sessions:
            self._store.changed()
        await self._settle()

    async def open_session(
        self, parent: Grant, *, publish: Patterns, subscribe: Patterns, ttl: float
    ) -> tuple[str, Grant]:
        """A session token of the parent's module, and what it means.

        Raises:
            RequestError: `permission_denied`, `limit_reached`.
        """
        token = secrets.token_hex(32)
        session = self.tokens.open_session(
            parent,
            digest(token),
            publish=publish,
            subscribe=subscribe,
            ttl=ttl,
            now=self._clock.monotonic(),
            wall=self._clock.wall(),
        )
        self.counts["sessions_opened"] += 1
        self.revision.advance()
        self._store.changed()
        await self._settle()
        return token, session

    async def digests(self, *, epoch: str | None, revision: int, wait: float) -> Any:
        """The whole table, at once when it differs from (epoch, revision), else when it changes or
        after `wait` seconds.

        Raises:
            Unavailable: `not_ready` before the first `POST /tokens`.
        """
        if not self.tokens.is_known:
            raise Unavailable("not_ready", what="the registry's table of tokens")
        self._expire()
        if not await self.revision.beyond(epoch, revision, seconds=wait):
            self._expire()
        return {
            "epoch": self.revision.epoch,
            "revision": self.revision.number,
            "tokens": [listed_grant(grant) for grant in self.tokens.grants()],
            "ports": sorted(self.ports),
        }

    # --- entries

    async def handle(self, request: ModulesRequest, speaker: Speaker) -> dict[str, Any]:
        """What `POST /modules` asks for.

        Raises:
            RequestError: `permission_denied`, `not_registered`, `limit_reached`.
        """
        named = request.life if isinstance(request.life, int) else None
        life = speaker.life_for(request.module_id, named)
        is_own = speaker.kind is not Kind.KITE
        answer: dict[str, Any] = {"ok": True, "module_id": request.module_id}
        self._expire()
        is_kept = not is_own and self.catalog.has_own(request.module_id, life)
        match request.action:
            case "register" if is_kept and request.unless_own:
                answer["own"] = True
            case "register":
                wanted = request.ttl if isinstance(request.ttl, int | float) else None
                is_fixed = wanted is not None or not is_own
                ttl = (
                    self.config.lease(wanted)
                    if is_fixed
                    else self.hearing.lease(request.module_id, life)
                )
                answer["ttl"] = ttl
                said = request.registration()
                await self.register(
                    request.module_id, life, said, ttl=ttl, is_own=is_own, is_fixed=is_fixed
                )
            case "heartbeat":
                now = self._clock.monotonic()
                ttl = self.hearing.lease(request.module_id, life)
                answer["ttl"] = self.catalog.renew(request.module_id, life, now=now, ttl=ttl)
                if not is_own:
                    answer["own"] = is_kept
                self.counts["heartbeats"] += 1
                self._arm()
            case _:
                gone = self.catalog.deregister(request.module_id, life)
                self._removed(gone, "deregistered")
                await self._settle()
        return answer

    async def register(
        self,
        module_id: str,
        life: int | None,
        registration: Registration,
        *,
        ttl: float,
        is_own: bool = True,
        is_fixed: bool = True,
    ) -> None:
        """Put an entry in, and announce it.

        Raises:
            RequestError: `limit_reached`.
        """
        self._expire()
        entry = self.catalog.register(
            module_id,
            life,
            registration,
            ttl=ttl,
            now=self._clock.monotonic(),
            wall=self._clock.wall(),
            is_own=is_own,
            is_fixed=is_fixed,
        )
        self._changed("registered", entry)
        self._store.changed()
        await self._settle()

    def record(self, module_id: str) -> dict[str, Any]:
        """One record. Raises `not_found`."""
        self._expire()
        return self.catalog.record(module_id, **self._instant())

    def records(self, query: list[tuple[str, str]] | None = None) -> list[dict[str, Any]]:
        """The records that match every field and glob of the query."""
        self._expire()
        wanted = [(field, compile_glob(glob)) for field, glob in query or ()]
        return [
            record
            for record in self.catalog.records(**self._instant())
            if all(field_matches(record, field, glob) for field, glob in wanted)
        ]

    def get(self, path: str) -> Any:
        """What stands at a dotted path.

        Raises:
            RequestError: `not_found`.
            Unavailable: `not_ready` for the Event Hub before it has registered for the first time.
        """
        module_id, *rest = path.split(".")
        self._expire()
        if module_id == "event_hub" and not self.catalog.has(module_id):
            raise Unavailable("not_ready", what="the event hub")
        try:
            return resolve(self.record(module_id), rest)
        except KiteError:
            raise RequestError("not_found", path=path) from None

    def hub_endpoint(self) -> str | None:
        """Where the Event Hub says it is."""
        try:
            endpoint = self.get("event_hub.metadata.ws_endpoint")
        except KiteError:
            return None
        return endpoint if isinstance(endpoint, str) else None

    # --- beginning and end

    def restore(self) -> None:
        """Take over what the former life left behind."""
        kept = self._store.load(self._kept_by)
        instant = self._instant()
        try:
            for entry in kept.entries:
                said = entry_of(entry)
                if not entry.is_fixed:
                    # It may have been heard; until the Hub tells, it is believed.
                    said["ttl"] = self.config.max_ttl
                self.catalog.register(**said, now=instant["now"])
        except RequestError as full:
            _log.warning("entries.dropped reason=%r", str(full))
        for session in kept.sessions:
            self.tokens.restore(session, **instant)
        self.ports = self.catalog.ports()
        if kept.entries:
            _log.info(
                "entries.restored count=%d sessions=%d", len(kept.entries), len(kept.sessions)
            )
        self._arm()

    def stop(self) -> None:
        """Answer everybody who waits, and write what is not written."""
        self._is_stopping = True
        self.revision.end()
        self.following.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._store.close()

    # --- inside

    def _instant(self) -> dict[str, float]:
        return {"now": self._clock.monotonic(), "wall": self._clock.wall()}

    def _content(self) -> Any:
        return content_of(self._kept_by, self.catalog.entries(), self.tokens.sessions())

    def _removed(self, gone: list[Entry], kind: str) -> None:
        for entry in gone:
            self._changed(kind, entry)
        if gone:
            self._store.changed()

    def _changed(self, kind: str, entry: Entry) -> None:
        self.counts[kind] += 1
        self.following.changed(kind, entry)
        self._announce(f"registry.{kind}", told_entry(entry) | self.following.position())

    async def _settle(self) -> None:
        """After a change: tell about ports, set the timer, and answer only what is kept."""
        self._tell_ports()
        self._arm()
        await self._store.written()

    def _tell_ports(self) -> None:
        ports = self.catalog.ports()
        if ports != self.ports:
            self.ports = ports
            self.revision.advance()

    def _expire(self) -> None:
        """Take out what is over at this instant."""
        now = self._clock.monotonic()
        deadline = self.catalog.next_deadline()
        if deadline is not None and now - deadline > STALL_SECONDS:
            # Heartbeats were not heard while this process could not run.
            _log.warning("leases.renewed reason=stalled seconds=%.1f", now - deadline)
            self.catalog.renew_all(now)
        gone = self.catalog.expire(now)
        self._removed(gone, "expired")
        if gone:
            self._tell_ports()
        if self.tokens.expire(now):
            self.revision.advance()
            self._store.changed()

    def _arm(self) -> None:
        """Wake up at the next deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadlines = [
            each
            for each in (self.catalog.next_deadline(), self.tokens.next_deadline())
            if each is not None
        ]
        if deadlines and not self._is_stopping:
            delay = max(min(deadlines) - self._clock.monotonic(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(delay, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self._expire()
        self._arm()
