"""The front door: one HTTP request per connection, answered, or turned into a WebSocket.

Nothing of a client is believed before its request is whole, its `Host` and `Origin` are this
machine's own and its token is known; only then does picows get the connection. The asking of the
Registry takes time, which is why picows' own (synchronous) handshake cannot be the first to look.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

import httptools
from picows import WSAutoPingStrategy, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # what its own server makes

from kite.errors import InternalError, KiteError, RequestError, Unavailable
from kite.event_hub.connection import Connection
from kite.event_hub.core.admission import Request, switching_protocols
from kite.event_hub.core.cloudevents import SUBPROTOCOL as CLOUDEVENTS
from kite.event_hub.drain import Drain
from kite.event_hub.intake import Intake, Intakes
from kite.event_hub.interpreted import Interpreted
from kite.event_hub.way import Way
from kite.http.problem import problem_bytes, problem_headers

_CHUNK: Final = 16 << 10
_READ_BUFFER: Final = 16 << 10
_HANDSHAKE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)

# picows reports every connection and every broken frame; the Hub counts them itself. An adapter
# keeps picows from making a logger of its own for each connection.
_quiet = logging.LoggerAdapter(logging.getLogger("kite.event_hub.picows"), {})
_quiet.logger.setLevel(logging.CRITICAL)
_log = logging.getLogger("kite.event_hub")


class House(Protocol):
    """What the front door belongs to."""

    def check(self, request: Request) -> Awaitable[None] | None:
        """Raise what `Host` or `Origin` deserve, perhaps after asking."""
        ...

    def answer(self, request: Request) -> Answer | Awaitable[Answer] | None:
        """The answer to a request that is no WebSocket's; None where `admit` is to be asked."""
        ...

    def admit(self, request: Request) -> Admission | Awaitable[Admission]:
        """Who may come in as a WebSocket: makes the connection, or raises."""
        ...

    def turned_away(self, request: Request | None, error: KiteError, peer: int | None) -> None:
        """A request was refused.

        Args:
            request: None where it was not even read.
            peer: the port that it came from.
        """
        ...


Answer = tuple[int, str, bytes]
"""Status, content type and body."""

Admission = Callable[[asyncio.Transport], Connection]
"""Makes the connection on a transport."""

_Verdict = Answer | Admission


class Doors:
    """All connections whose request is not answered yet.

    Args:
        house: who decides.
        limit: how many there may be.
        seconds: how long each may take.
        head_bytes: how much each may send.
        frame_bytes: what picows takes as one frame.
        input_bytes: what may have been read from all WebSockets and not be worked through.
    """

    def __init__(
        self,
        house: House,
        *,
        limit: int,
        seconds: float,
        head_bytes: int,
        frame_bytes: int,
        input_bytes: int = 256 << 20,
    ) -> None:
        self.house = house
        self.limit = limit
        self.seconds = seconds
        self.head_bytes = head_bytes
        self.frame_bytes = frame_bytes
        self.open: set[Door] = set()
        self.intakes = Intakes(asyncio.get_running_loop(), input_bytes)

    def __call__(self) -> Door:
        """The protocol for a new connection."""
        return Door(self)

    def close(self) -> None:
        """Nobody comes in any more."""
        for door in list(self.open):
            door.abort()
        self.intakes.stop()


class Door(asyncio.BufferedProtocol):
    """One connection until its request is answered."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(_CHUNK)
        self._received = 0
        self._parser: Any = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._is_whole = False
        self._is_head = False
        self._is_done = False
        self._rest = b""
        self._tcp: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    # ── the transport ───────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = cast("asyncio.Transport", transport)  # uvloop's derives from nothing
        doors = self._doors
        doors.open.add(self)
        self._timer = self._loop.call_later(doors.seconds, self._is_late)
        if len(doors.open) > doors.limit:
            self._refuse(RequestError("too_many_connections", limit=doors.limit))

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._is_done or self._task is not None:
            return
        data = bytes(memoryview(self._buffer)[:nbytes])
        self._received += nbytes
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as wrong:
            if not self._is_whole:
                self._refuse(RequestError("bad_request", detail=str(wrong)[:200]))
                return
        limit = self._doors.head_bytes
        if self._is_whole and self._head_size <= limit:
            self._decide()
        elif self._is_whole or self._received > limit:
            self._refuse(RequestError("head_too_large", limit=limit), has_body=True)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._forget()
        if self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        """The Hub ends, or has nobody to answer."""
        if self._tcp is not None:
            self._tcp.abort()

    def _is_late(self) -> None:
        """Time is up: who has begun to ask is told, who has said nothing is not there."""
        if self._task is not None:
            self._refuse(Unavailable("not_ready", what="the event hub"))
        elif self._received:
            limit = f"{self._doors.seconds:g}"
            self._refuse(RequestError("request_slow", limit=limit), has_body=True)
        else:
            self.abort()

    # ── the parser ──────────────────────────────────────────────────────────────────────────

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    @property
    def _head_size(self) -> int:
        return len(self._url) + sum(len(name) + len(value) for name, value in self._headers)

    def on_headers_complete(self) -> None:
        self._is_whole = True

    # ── the answer ──────────────────────────────────────────────────────────────────────────

    def _decide(self) -> None:
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            target=self._url.decode("latin-1"),
            headers=tuple(self._headers),
        )
        self._is_head = request.method == "HEAD"
        try:
            waited: Awaitable[_Verdict | None] | None = self._doors.house.check(request)
            if waited is None:
                found = self._ask_house(request)
                if not isinstance(found, Awaitable):
                    self._settle(found, request)
                    return
                waited = found
        except KiteError as error:
            self._refuse(error, request, has_body=request.method not in ("GET", "HEAD"))
            return
        except Exception as failed:  # noqa: BLE001 (a connection's edge: nothing ends the Hub)
            self._fail(failed)
            return
        assert self._tcp is not None
        self._tcp.pause_reading()
        self._task = self._loop.create_task(self._wait(request, waited))

    def _ask_house(self, request: Request) -> _Verdict | Awaitable[_Verdict]:
        house = self._doors.house
        answer = house.answer(request)
        if answer is not None:
            return answer
        request.check_upgrade()
        return house.admit(request)

    async def _wait(self, request: Request, waited: Awaitable[_Verdict | None]) -> None:
        """Wait for whoever is asked: first whether the page may, then what it gets."""
        try:
            found = await waited
            if found is None:
                verdict = self._ask_house(request)
                found = await verdict if isinstance(verdict, Awaitable) else verdict
            if self._tcp is not None and not self._tcp.is_closing():
                self._settle(found, request)
        except KiteError as error:
            self._refuse(error, request)
        except Exception as failed:  # noqa: BLE001 (a connection's edge: nothing ends the Hub)
            self._fail(failed)

    def _fail(self, failed: Exception) -> None:
        """A mistake of the Hub's own."""
        _log.error("door.failed", exc_info=failed)
        self._refuse(InternalError("internal_error", detail=type(failed).__name__), has_body=True)

    def _settle(self, found: _Verdict, request: Request) -> None:
        if callable(found):
            self._hand_over(found, request)
        else:
            status, kind, body = found
            headers = {"content-type": kind, "cache-control": "no-store"}
            self._respond(status, headers, body)

    def _refuse(
        self, error: KiteError, request: Request | None = None, *, has_body: bool = False
    ) -> None:
        peer = None if self._tcp is None else self._tcp.get_extra_info("peername")
        self._doors.house.turned_away(request, error, peer[1] if peer else None)
        self._respond(error.status, problem_headers(error), problem_bytes(error), drains=has_body)

    def _respond(
        self,
        status: int,
        headers: dict[str, str],
        body: bytes,
        *,
        drains: bool = False,
    ) -> None:
        if self._is_done or self._tcp is None:
            return
        self._forget()
        ending = "upgrade, close" if "upgrade" in headers else "close"
        fields = {**headers, "content-length": str(len(body)), "connection": ending}
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        self._tcp.write(head if self._is_head else head + body)
        if drains:
            self._tcp.set_protocol(Drain(self._loop, self._tcp, lambda: None))
            self._tcp.resume_reading()
        else:
            self._tcp.close()

    def _hand_over(self, admission: Admission, request: Request) -> None:
        """Let picows have the connection, with a request that holds only what it must know."""
        tcp = self._tcp
        assert tcp is not None
        self._forget()
        connection = admission(tcp)
        connection.answers_pings = request.answers_pings()
        connection.loop = request.loop_thread()
        if request.subprotocol() == CLOUDEVENTS:
            connection.interpose(lambda inner: Interpreted(inner, request.patterns()))
        tcp.write(switching_protocols(request))
        make = functools.partial(_parser, tcp, connection, self._doors.frame_bytes)
        intake = connection.intake = Intake(tcp, connection, make, self._doors.intakes)
        tcp.set_protocol(intake)
        if self._rest and not tcp.is_closing():
            _feed(intake, self._rest)
        if self._task is not None and not tcp.is_closing():
            tcp.resume_reading()

    def _forget(self) -> None:
        self._is_done = True
        self._doors.open.discard(self)
        if self._timer is not None:
            self._timer.cancel()


def _parser(tcp: asyncio.Transport, connection: Connection, frame_bytes: int) -> Any:
    """A picows parser that believes it has just shaken hands; the door has, in truth."""
    way = Way(tcp, lambda: connection)
    answer = WSUpgradeResponseWithListener(
        WSUpgradeResponse.create_101_response(), connection.listener
    )
    parser = WSProtocol(
        None,
        None,
        False,  # not the client's side
        lambda _: answer,
        _quiet,
        True,  # an exception ends the connection
        None,  # no handshake timeout: the handshake is here already
        False,  # no pings: nobody is cut for being silent
        1.0,
        1.0,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,  # pongs go through the outbox
        frame_bytes,
        None,
        _READ_BUFFER,
    )
    parser.connection_made(way)
    _feed(parser, _HANDSHAKE)
    way.is_mute = False
    return parser


def _feed(protocol: Any, data: bytes) -> None:
    """Hand bytes to picows as if they had just arrived."""
    while data:
        buffer = protocol.get_buffer(-1)
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
