"""Serving an ASGI application on a socket that is already there, without a tick.

uvicorn does the work with httptools. Its own main loop looks ten times a second whether it should
end, and its shutdown looks ten times a second whether it has; here both wait for what they wait
for. It installs no signal handlers, writes no access log and bounds what a client can send before
its request is understood.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from starlette.types import ASGIApp

from kite.errors import KiteError, RequestError, Unavailable
from kite.http import lean_uvicorn
from kite.http.lean_uvicorn import Config, HttpToolsProtocol, RequestResponseCycle
from kite.http.problem import problem_bytes, problem_headers, title

MAX_HEAD_BYTES: Final = 64 << 10
"""Request line and headers together."""

HEAD_SECONDS: Final = 20.0
"""From the connection (or a request's first byte) to the end of the request's head."""

KEEP_ALIVE_SECONDS: Final = 30
"""An idle connection is closed after this."""

ENDLESS: Final = "kite.endless"
"""Of a request's scope: what an answer without an end calls before it begins. What the client says from
then on means nothing, but that it has closed its direction: then it is gone. False: it is already."""

MAX_CONNECTIONS: Final = 2048
"""Open connections of one port; fewer where the process may not have so many files. An idle one is
closed before long, so that whoever only holds them open has to come again and again."""

BACKLOG: Final = 1024
_CANCEL_SECONDS: Final = 0.2
_LINGER_SECONDS: Final = 0.5


async def serve(
    app: ASGIApp,
    sock: socket.socket,
    *,
    stop: asyncio.Event,
    grace: float = 1.0,
    on_full: Callable[[], None] | None = None,
) -> None:
    """Serve until `stop` is set, then end: idle connections at once, requests under way within
    `grace` seconds (those that are not done by then are cancelled).

    Args:
        app: what `kite.http.application.application` returned.
        sock: bound; it is closed at the end (of a socket that was passed in, this process's copy).
        stop: set it to end.
        grace: seconds for requests under way.
        on_full: called for each connection that is turned away because there are too many.
    """
    config = Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    # The application reports what fails in it; what is left for uvicorn to say is about clients.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config.kite_room = Room(most_connections(), on_full)  # type: ignore[attr-defined]
    await Server(config, stop=stop, grace=grace).serve_on(sock)


def most_connections() -> int:
    """How many connections this process can bear on one port."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAX_CONNECTIONS if files < 0 else min(MAX_CONNECTIONS, files // 2)


class Room:
    """How many connections there may be.

    Args:
        limit: the number.
        on_full: called for each that is one too many.
    """

    def __init__(self, limit: int, on_full: Callable[[], None] | None = None) -> None:
        self.limit = limit
        self._on_full = on_full

    def check(self, count: int) -> None:
        """Raise `too_many_open` when there are more.

        Raises:
            Unavailable: `too_many_open`.
        """
        if count > self.limit:
            if self._on_full is not None:
                self._on_full()
            raise Unavailable("too_many_open", limit=self.limit)


class Server(lean_uvicorn.Server):
    """uvicorn's server, waiting for an event instead of ticking."""

    def __init__(self, config: Config, *, stop: asyncio.Event, grace: float) -> None:
        super().__init__(config)
        self._stop = stop
        self._grace = grace

    async def serve_on(self, sock: socket.socket) -> None:
        """Serve on one socket until the event is set."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets=[sock])
        try:
            await self.main_loop()
        finally:
            await self.shutdown(sockets=[sock])

    async def main_loop(self) -> None:
        """Wait for the end."""
        await self._stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what is idle, wait for what is under way, cancel what takes too long."""
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._finish(self._grace)
        for task in self.server_state.tasks:
            task.cancel()
        await self._finish(_CANCEL_SECONDS)
        for connection in list(self.server_state.connections):
            # A plain close would wait for a client that does not read what is left for it.
            connection.transport.abort()

    async def _finish(self, seconds: float) -> None:
        if self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=seconds)
        # Closing transports say so in the next round of the loop.
        await asyncio.sleep(0)


class Protocol(HttpToolsProtocol):
    """uvicorn's connection, with limits on a request's head, problem documents for bad HTTP, and
    an answer for clients that close their own direction when they have asked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._refusal: KiteError | None = None
        self._deaf = False
        self._has_ended = False
        self._is_endless = False
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        try:
            self.config.kite_room.check(len(self.connections))  # type: ignore[attr-defined]
        except Unavailable as full:
            self._refuse(full)
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and what was asked on it and has not begun."""
        self._deaf = True
        self._forget_timer()
        self.pipeline.clear()
        self.cycle = self._running or self.cycle
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the way out open for the answer to a request that is here whole, if it has an end."""
        self._has_ended = True
        if (last := self._last_whole()) is not None:
            last.keep_alive = False
            return not self._is_endless
        return False

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and count what has come for a head that is not complete."""
        if self._deaf:
            return
        was_in_head = self._in_head
        super().data_received(data)
        if self._in_head and not self._deaf:
            # Of a chunk that ended one request and began another the beginning is counted too:
            # generous by one chunk at most.
            self._head_bytes = (self._head_bytes if was_in_head else 0) + len(data)
            if self._head_bytes > 2 * MAX_HEAD_BYTES:
                self._refuse(RequestError("head_too_large", limit=MAX_HEAD_BYTES))

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The end of a request's head."""
        self._in_head = False
        self._forget_timer()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            self._refusal = RequestError("head_too_large", limit=MAX_HEAD_BYTES)
            raise ValueError("head too large")
        super().on_headers_complete()
        if not self.pipeline:
            self._running = self.cycle
        scope = cast("dict[str, Any]", self.cycle.scope)
        scope[ENDLESS] = partial(self._begin_endless, self.cycle)

    def on_response_complete(self) -> None:
        """The end of an answer: the next of the requests that came behind it begins."""
        if self.pipeline:
            self._running = self.pipeline[-1][0]
        super().on_response_complete()

    def _begin_endless(self, cycle: RequestResponseCycle) -> bool:
        """The answer to this request has no end; whether its client still listens."""
        # What was asked behind it is never answered; waiting for its turn it would keep the
        # connection from being read, and nobody would see the client go.
        self.pipeline.clear()
        self.cycle = cycle
        cycle.keep_alive = False
        self._is_endless = self._deaf = True
        self.flow.resume_reading()
        return not self._has_ended

    def on_message_complete(self) -> None:
        """The end of a request. An upgrade that it asked for is not made."""
        super().on_message_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  (uvicorn's words say nothing)
        """What uvicorn calls for bytes that are no HTTP."""
        self._refuse(self._refusal or RequestError("bad_request", detail="its syntax is wrong"))

    def _unsupported_upgrade_warning(self) -> None:
        """A request to upgrade is answered as the plain request that it is too."""
        self._deaf = True

    def _last_whole(self) -> RequestResponseCycle | None:
        """The newest request that is here whole and has no complete answer yet. One behind it that
        is not whole will never be."""
        cycle = self._current
        if cycle is not None and cycle.more_body and self.pipeline:
            self.pipeline.popleft()
            cycle = self.pipeline[0][0] if self.pipeline else self._running
            self.cycle = cast("RequestResponseCycle", cycle)
        if cycle is None or cycle.response_complete or cycle.more_body:
            return None
        return cycle

    @property
    def _current(self) -> RequestResponseCycle | None:
        return self.cycle  # None until the first request's head is complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self._in_head or self._deaf:
            return
        if self._head_bytes:
            self._refuse(RequestError("request_slow", limit=f"{HEAD_SECONDS:g}"))
        else:
            self.transport.close()

    def _forget_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, error: KiteError) -> None:
        """Answer in place of the application; then hear no more, and close."""
        self._deaf = True
        self._forget_timer()
        if (last := self._last_whole()) is not None:
            # The bytes came after requests that are being answered: those answers go first.
            last.keep_alive = False
            return
        cycle = self._current
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started:
                self.transport.close()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        body = problem_bytes(error)
        headers = problem_headers(error)
        headers |= {"content-length": str(len(body)), "connection": "close"}
        lines = [f"HTTP/1.1 {error.status} {title(error.status)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        self._linger()

    def _linger(self) -> None:
        """Close in a moment: closed on unread bytes, the connection would be reset and the client
        would not see the answer."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._head_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)
