"""The Hub as a running service: sockets, timers and the Registry around the switch."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import socket
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import msgspec

from kite.audit.entry import NOBODY, is_refusal, why
from kite.audit.trail import Trail
from kite.clock import now_rfc3339
from kite.errors import KiteError, PeerError, RequestError, Unavailable
from kite.event_hub.authority import Authority
from kite.event_hub.client import Client
from kite.event_hub.compiled import choose
from kite.event_hub.connection import Connection, Listener
from kite.event_hub.core.admission import Request
from kite.event_hub.core.announcer import NAME
from kite.event_hub.core.rights import OPERATOR, Identity
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.jobs import Job
from kite.event_hub.core.switch import Switch
from kite.event_hub.core.tokens import TokenTable
from kite.event_hub.disk import Disk
from kite.event_hub.front import Admission, Answer, Doors
from kite.event_hub.limits import HubConfig
from kite.event_hub.rollcall import Rollcall
from kite.event_hub.roster import Roster
from kite.http.guard import Guard
from kite.http.listen import port_of
from kite.version import __version__
from kite.wire.endpoint import loopback_port
from kite.wire.token import digest, same

GOING_AWAY = 1001
PATHS = {"/ws": ("GET",), "/health": ("GET", "HEAD"), "/metrics": ("GET", "HEAD")}
"""Every path there is, with its methods; only `/health` is open to everybody."""
_BACKLOG = 1024
_LINE_WAIT = 0.5
"""Seconds that early connections wait for the Launcher's token to arrive."""

_FAREWELL = 0.8
"""Seconds that all clients together have to take what waits for them when the Hub ends."""

_ANSWERS = 0.25
"""Seconds within which who has taken everything may answer the close frame."""

_log = logging.getLogger("kite.event_hub")


class Hub:
    """One life of the Event Hub.

    Args:
        sock: the listening socket.
        config: the `hub:` section of `kite.yaml`.
        token: the Hub's own.
        life: which process of the Hub this is.
        registry_url: of the Registry.
        data_dir: where streams are kept; None only where there are none.
    """

    def __init__(
        self,
        sock: socket.socket,
        config: HubConfig,
        *,
        token: str,
        life: int = 1,
        registry_url: str,
        data_dir: Path | None = None,
    ) -> None:
        self.port = port_of(sock)
        self.config = config
        self.table = TokenTable()
        self.epoch = secrets.token_hex(8)
        self.started_at = time.time()
        self.is_ready = False
        self._sock = sock
        self._life = life
        self._loop = asyncio.get_running_loop()
        ids = itertools.count(1)
        self.parts, self._listener, why = choose(config.hot_path)
        if why:
            _log.warning("hub.not_compiled why=%s", why)
        self.switch = Switch(
            config,
            self,
            epoch=self.epoch,
            new_id=lambda: f"{self.epoch}-{next(ids)}",
            instant=now_rfc3339,
            parts=self.parts,
        )
        self.rollcall = Rollcall(config.limits.silence_seconds, self.switch.announce)
        self.switch.greet_with(self.rollcall.silences, self._presences)
        self._launcher: Identity | None = None
        self._has_launcher = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._doors = Doors(
            self,
            limit=config.limits.handshakes,
            seconds=config.limits.handshake_seconds,
            head_bytes=config.limits.head_bytes,
            frame_bytes=config.limits.frame_bytes,
            input_bytes=config.limits.input_bytes,
        )
        self._guard = Guard(
            port=self.port, ports=lambda: self.table.ports, origins=tuple(config.origins)
        )
        self._authority = Authority(
            registry_url, token, self.table, self._registration(), self._table_changed
        )
        self._roster = Roster(self.table, self._authority.ask)
        self._disk = Disk(self.switch, config, data_dir)
        self._trail = Trail(data_dir, "event_hub")
        self._server: asyncio.Server | None = None
        self._closed: asyncio.Event | None = None

    @property
    def endpoint(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}/ws"

    async def listen(self) -> None:
        """Open the streams, then accept connections."""
        await self._disk.open()
        self._server = await self._loop.create_server(
            self._doors, sock=self._sock, backlog=_BACKLOG
        )

    def refused(self, session: Session, code: str, what: str) -> None:
        """A client was refused something."""
        identity = session.identity
        self._trail.refused(identity.module, what, code, life=identity.life)

    def store(self, job: Job) -> None:
        """Do this on the disk."""
        self._disk.submit(job)

    async def follow_registry(self) -> None:
        """Keep what the Registry knows current, for ever."""
        await self._authority.follow()

    def expect_launcher(self, token: str) -> None:
        """The token that means `launcher` in this life of the Hub."""
        self._launcher = Identity("launcher", digest=digest(token))
        self._has_launcher.set()

    async def stop(self) -> None:
        """Close every connection with 1001 when what waits for it has gone out, for a moment."""
        if self._server is not None:
            self._server.close()
        self._doors.close()
        self._roster.stop()
        self.rollcall.stop()
        await self._disk.close()
        self.switch.flush()
        for session in list(self.switch.sessions.values()):
            if not session.is_leaving:
                self.switch.leave(session)
                session.wire.finish(GOING_AWAY, "the event hub ends")
        now = self._loop.time()
        await self._all_closed(now + _ANSWERS)
        if any(not session.outbox.is_empty for session in self.switch.sessions.values()):
            await self._all_closed(now + _FAREWELL)
        for client in self._roster.clients():
            client.abort()
        if self._alarm is not None:
            self._alarm.cancel()
        self._trail.close()

    async def _all_closed(self, deadline: float) -> None:
        while len(self._roster) and self._loop.time() < deadline:
            self._closed = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._closed.wait()

    # ── House ───────────────────────────────────────────────────────────────────────────────

    def check(self, request: Request) -> Awaitable[None] | None:
        """Raise `bad_host` or `bad_origin`.

        A page of this machine whose port the table lacks may belong to a module that registered a
        moment ago: the Registry is asked before it is turned away.
        """
        self._guard.check_host(request.all("host"))
        origins = request.all("origin")
        try:
            self._guard.check_origin(origins)
        except RequestError:
            if len(origins) == 1 and loopback_port(origins[0]) is not None:
                return self._check_page(origins)
            raise
        return None

    async def _check_page(self, origins: list[str]) -> None:
        with contextlib.suppress(KiteError):
            await self._authority.refresh()
        self._guard.check_origin(origins)

    def answer(self, request: Request) -> Answer | Awaitable[Answer] | None:
        """`/health` and `/metrics`; None for `/ws`."""
        methods = PATHS.get(request.path)
        if methods is None:
            raise RequestError("not_found", path=request.path[:200])
        if request.method not in methods:
            allow = ", ".join(methods)
            raise RequestError(
                "method_not_allowed", method=request.method, path=request.path, allow=allow
            )
        if request.path == "/ws":
            return None
        if request.path == "/health":
            status = "ok" if self.is_ready else "starting"
            body = msgspec.json.encode({"status": status, "version": __version__})
            return 200, "application/json", body
        return self._metrics(request.bearer())

    def turned_away(self, request: Request | None, error: KiteError, peer: int | None) -> None:
        """A request was refused."""
        if not is_refusal(error):
            return
        what = "connect" if request is None else f"{request.method} {request.path}"
        who = error.params.get("who", NOBODY)
        self._trail.refused(who, what, error.code, reason=why(error), peer=peer)

    def admit(self, request: Request) -> Admission | Awaitable[Admission]:
        """Whose connection it is: at once where the table knows the token."""
        token = request.token()
        if token is None:
            raise PeerError("unauthorized")
        if self._launcher is None:
            return self._admit_early(token)
        identity = self._find(token)
        if identity is not None:
            return self._admission(identity)
        return self._admit_unknown(token)

    async def _admit_early(self, token: str) -> Admission:
        """It may be the Launcher, whose token stands in standard input, not read yet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINE_WAIT):
                await self._has_launcher.wait()
        identity = self._find(token)
        return self._admission(identity or await self._ask(token))

    async def _admit_unknown(self, token: str) -> Admission:
        return self._admission(await self._ask(token))

    def _find(self, token: str) -> Identity | None:
        """The identity where it is known here.

        Raises:
            Unavailable: the Launcher has not come yet, and this is not it.
        """
        found = digest(token)
        if self._launcher is not None and same(found, self._launcher.digest):
            return self._launcher
        if not self.is_ready:
            raise Unavailable("not_ready", what="the event hub")
        return self.table.find(found, time.time())

    async def _ask(self, token: str) -> Identity:
        identity = await self._authority.ask(token)
        if identity is None:
            raise PeerError("unauthorized")
        # The table may have come in the meantime; its rows are shared and kept current.
        listed = self._find(token)
        if listed is None:
            self._roster.expect(identity.digest, token)
        return listed or identity

    async def _metrics(self, token: str | None) -> Answer:
        if token is None:
            raise PeerError("unauthorized")
        if self._find(token) is None and await self._authority.ask(token) is None:
            raise PeerError("unauthorized")
        from kite.event_hub.metrics import CONTENT_TYPE, exposition  # noqa: PLC0415 (first scrape)

        return 200, CONTENT_TYPE, exposition(self)

    def _admission(self, identity: Identity) -> Admission:
        limits = self.config.limits
        if len(self._roster) >= limits.connections and not identity.is_core:
            raise _full(limits.connections, identity)
        if self._roster.of_module(identity.module) >= limits.connections_per_module:
            raise _full(limits.connections_per_module, identity)

        def make(tcp: asyncio.Transport) -> Connection:
            client = Client(self, identity)
            connection = Connection(
                tcp,
                client,
                max_bytes=limits.frame_bytes,
                farewell=limits.farewell_seconds,
                listener=self._listener or Listener,
            )
            client.connection = connection
            return connection

        return make

    # ── clients ─────────────────────────────────────────────────────────────────────────────

    def opened(self, client: Client) -> None:
        """A client's handshake is done."""
        self._roster.add(client)
        if self._is_module(client.identity):
            self.rollcall.add(client)
            self._tell_presence("hub.client.connected", client)
        _log.debug("client.connected module=%s", client.identity.module)

    def closed(self, client: Client) -> None:
        """A client is gone."""
        if not self._roster.remove(client):
            return
        if self._is_module(client.identity):
            self.rollcall.remove(client)
            self._tell_presence("hub.client.disconnected", client)
        if self._closed is not None:
            self._closed.set()

    def _is_module(self, identity: Identity) -> bool:
        """Whether it is a module itself. The operator comes and goes with each command, which is no
        news to anybody."""
        is_page = identity.is_session
        return not (is_page or identity is self._launcher or identity.module == OPERATOR)

    def _tell_presence(self, subject: str, client: Client) -> None:
        """Who of the modules is there: the Launcher asks nobody to stop who cannot hear it."""
        self.switch.announce(subject, self._presence(client))

    def _presences(self) -> list[dict[str, Any]]:
        """Of every life once."""
        lives = {
            client.identity.digest: client
            for client in self._roster.clients()
            if self._is_module(client.identity)
        }
        return [self._presence(client) for client in lives.values()]

    def _presence(self, client: Client) -> dict[str, Any]:
        identity = client.identity
        return {
            "module_id": identity.module,
            "life": identity.life,
            "connections": self._roster.of_token(identity.digest),
            "answering": self.rollcall.answering(client),
            "silent": self.rollcall.silent(client),
            "silent_within": self.rollcall.within(),
        }

    # ── Effects ─────────────────────────────────────────────────────────────────────────────

    def wake(self) -> None:
        """Flush once everything that has arrived by now has been handed in."""
        self._loop.call_soon(self.switch.flush)

    def alarm(self, at: float) -> None:
        """Advance the switch at this time."""
        if self._alarm is not None:
            if self._alarm_at <= at:
                return
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.switch.advance(self._loop.time())

    def subscribed(self, session: Session) -> None:
        """The Launcher's first subscription opens the doors."""
        if self.is_ready or session.identity is not self._launcher:
            return
        session.outbox.flush()
        self.is_ready = True
        _log.info("hub.ready port=%d hot_path=%s", self.port, self.parts.name)
        self.switch.announce("module.ready", {"module_id": NAME, "life": self._life})

    def _table_changed(self) -> None:
        self._roster.review(but=self._launcher)

    # ── the Registry ────────────────────────────────────────────────────────────────────────

    def _registration(self) -> dict[str, Any]:
        return {
            "action": "register",
            "module_id": NAME,
            "module_type": "infrastructure",
            "name": "Event Hub",
            "api_endpoint": f"http://127.0.0.1:{self.port}",
            "health_endpoint": "/health",
            "events_publish": {
                "hub.started": "a life of the Hub has begun: its epoch",
                "hub.client.connected": "a module has a connection more: how many now",
                "hub.client.disconnected": "a module has a connection less: how many now",
                "hub.client.silent": "a module's connection owes the answer to a ping",
                "hub.client.responsive": "a silent connection is heard again",
                "hub.stream_repaired": "a stream's file was damaged: what was saved, what is lost",
                "hub.slow_consumer": "a subscriber was cut: who, and how much it missed",
                "module.ready": "the Hub is ready",
            },
            "metadata": {"ws_endpoint": self.endpoint, "epoch": self.epoch, "life": self._life},
        }


def _full(limit: int, identity: Identity) -> Unavailable:
    return Unavailable("too_many_connections", limit=limit, who=identity.module)
