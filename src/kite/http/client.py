"""A small HTTP client: one connection a call, bounded bodies, errors that say who did not answer.

It is what the SDK, the Hub, the Launcher and the command line call the Registry and the Launcher
with, so it starts fast: httptools over a socket and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httptools
import msgspec

from kite.errors import KiteError, PeerError, RequestError, Unavailable

MAX_RESPONSE_BYTES: Final = 64 << 20
"""A response's body may have this many bytes at most; a larger one is `bad_response`."""

MAX_HEAD_BYTES: Final = 64 << 10
_CHUNK: Final = 64 << 10
_FIRST_FAILURE: Final = 400
# Framing is this module's own: what a caller says about it is not sent.
_FRAMING: Final = frozenset({"connection", "content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back.

    Args:
        status: the HTTP status.
        headers: lower-case names; of a repeated one the last value.
        body: all of it.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as Python objects.

        Raises:
            PeerError: `bad_response` when it is no JSON.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError) as wrong:
            raise PeerError("bad_response", url="", detail=str(wrong)) from None


async def call(
    method: str,
    url: str,
    *,
    token: str | None = None,
    json: Any = msgspec.UNSET,
    timeout: float = 10.0,
    headers: dict[str, str] | None = None,
) -> Response:
    """Ask once and return the whole answer, whatever its status.

    Args:
        method: `GET`, `POST` …
        url: `http://host:port/path?query`.
        token: sent as `Authorization: Bearer …`.
        json: sent as the body; left out, there is none.
        timeout: seconds for everything together.
        headers: further ones; they win over those made here, but for framing.

    Raises:
        Unavailable: `unreachable` when nobody answers, or not in time.
        PeerError: `bad_response` when what comes back is no HTTP or too large.
        ValueError: the URL is no http URL.
    """
    ask = _ask(method, url, token=token, json=json, headers=headers)
    with _unreachable(ask.shown, f"no answer within {timeout:g} s"):
        async with asyncio.timeout(timeout):
            return await _exchange(ask, bodiless=method == "HEAD")


@contextlib.asynccontextmanager
async def stream(
    url: str, *, token: str | None = None, timeout: float = 10.0
) -> AsyncIterator[AsyncIterator[bytes]]:
    """GET an answer that goes on, and hand on its body as it comes.

    Args:
        timeout: seconds until it begins.

    Raises:
        Unavailable: `unreachable`; from the body too, where the connection ends before it does.
        KiteError: what any answer but a success means, as `raise_for`.
    """
    ask = _ask("GET", url, token=token, headers={"accept": "*/*"})
    late = f"no answer within {timeout:g} s"
    with contextlib.ExitStack() as opened:
        with _unreachable(ask.shown, late):
            async with asyncio.timeout(timeout):
                dialled = opened.enter_context(await _dial(ask.host, ask.port))
                await asyncio.get_running_loop().sock_sendall(dialled, ask.request)
                reception = _Reception(dialled, ask.shown)
                while not reception.answer.status:
                    await reception.more()
                if reception.answer.status >= _FIRST_FAILURE:
                    raise_for(await reception.whole(), url=url)
        yield reception.body()


def raise_for(response: Response, *, url: str = "") -> Response:
    """Return a 2xx response, and raise what any other one means.

    Raises:
        PeerError: `unauthorized` (401, final for the token), or `bad_status` when the answer is no
            problem document of Kite's.
        Unavailable: 503, with the code it carries (`not_ready`).
        RequestError: any other problem document, with its code and params.
    """
    status = response.status
    if 200 <= status < 300:
        return response
    raise error_of(response, url=url)


def error_of(response: Response, *, url: str = "") -> KiteError:
    """The error that a response which is no success stands for; see `raise_for`."""
    status = response.status
    code, params = _problem(response)
    if status == 401:
        return PeerError("unauthorized", **params)
    if status == 503:
        what = params.pop("what", url or "it")
        return Unavailable(code or "not_ready", what=what, **params)
    if code is None:
        return PeerError("bad_status", url=url, status=status)
    return RequestError(code, **params)


def _problem(response: Response) -> tuple[str | None, dict[str, Any]]:
    """The code and the params of a problem document; None when it is none."""
    if response.status < _FIRST_FAILURE or not response.body:
        return None, {}
    try:
        document = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, RecursionError):
        return None, {}
    if not isinstance(document, dict) or not isinstance(document.get("code"), str):
        return None, {}
    found = document.get("params")
    params = dict(found) if isinstance(found, dict) else {}
    for name in ("self", "code", "location"):  # names of KiteError's own arguments
        params.pop(name, None)
    if isinstance(document.get("detail"), str):
        params.setdefault("detail", document["detail"])
    return document["code"], params


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _request(method: str, target: str, given: dict[str, str], json: Any) -> bytes:
    body = b"" if json is msgspec.UNSET else msgspec.json.encode(json)
    fields = {"accept": "application/json"}
    if json is not msgspec.UNSET:
        fields["content-type"] = "application/json"
    fields |= {name: value for name, value in given.items() if name not in _FRAMING}
    fields["connection"] = "close"
    if body or method not in ("GET", "HEAD"):
        fields["content-length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
    head = "\r\n".join(lines)
    if head.count("\r") + head.count("\n") != 2 * (len(lines) - 1) or " " in method + target:
        raise ValueError("a header or the URL holds a line break or a space")
    return head.encode("latin-1") + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """A request, and where it goes; `shown` is the URL without its query, for errors."""

    host: str
    port: int
    request: bytes
    shown: str


def _ask(
    method: str,
    url: str,
    *,
    token: str | None,
    json: Any = msgspec.UNSET,
    headers: dict[str, str] | None = None,
) -> _Ask:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"not an http URL: {url!r}")
    host, port = parts.hostname, parts.port or 80
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {"host": f"{_bracketed(host)}:{port}"}
    if token is not None:
        fields["authorization"] = f"Bearer {token}"
    fields |= {name.lower(): value for name, value in (headers or {}).items()}
    request = _request(method, target, fields, json)
    return _Ask(host=host, port=port, request=request, shown=f"http://{parts.netloc}{parts.path}")


@contextlib.contextmanager
def _unreachable(url: str, late: str) -> Iterator[None]:
    """Whoever does not answer is `unreachable`; `late` says so of who takes too long."""
    try:
        yield
    except TimeoutError:
        raise Unavailable("unreachable", url=url, detail=late) from None
    except OSError as failed:
        detail = failed.strerror or str(failed)
        raise Unavailable("unreachable", url=url, detail=detail) from None


async def _exchange(ask: _Ask, *, bodiless: bool) -> Response:
    with await _dial(ask.host, ask.port) as dialled:
        # The server may have answered (413) and closed before it read everything.
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(dialled, ask.request)
        reception = _Reception(dialled, ask.shown)
        while bodiless and not reception.answer.status:
            await reception.more()
        return reception.response() if bodiless else await reception.whole()


async def _dial(host: str, port: int) -> socket.socket:
    """A socket that is connected; of a name with several addresses, to the first that answers.

    Sockets, not asyncio's streams: a process that was forked copies what it runs, and streams,
    their protocols and transports are three times as much.
    """
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    for family, address in await _addresses(host, port):
        dialled = socket.socket(family, socket.SOCK_STREAM)
        try:
            dialled.setblocking(False)
            dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(dialled, address)
        except OSError as refused:
            dialled.close()
            failure = refused
        except BaseException:
            dialled.close()
            raise
        else:
            return dialled
    raise failure


async def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """Families and addresses, in the order in which to try them."""
    if ":" in host:
        return [(socket.AF_INET6, (host, port))]
    if host.replace(".", "").isdigit():
        return [(socket.AF_INET, (host, port))]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


class _Reception:
    """An answer on its way in."""

    def __init__(self, dialled: socket.socket, url: str) -> None:
        self.answer = _Answer()
        self._dialled = dialled
        self._url = url
        self._parser = httptools.HttpResponseParser(self.answer)

    async def more(self) -> None:
        """Read once; what came is in `answer`.

        Raises:
            Unavailable, PeerError: as `call`.
        """
        answer = self.answer
        chunk = await asyncio.get_running_loop().sock_recv(self._dialled, _CHUNK)
        if not chunk:
            # A body without a length ends with the connection; anything else is cut short.
            if answer.has_head and answer.ends_with_connection:
                answer.complete = True
                return
            detail = "the connection was closed early"
            raise Unavailable("unreachable", url=self._url, detail=detail)
        try:
            self._parser.feed_data(chunk)
        except httptools.HttpParserError as wrong:
            raise PeerError("bad_response", url=self._url, detail=str(wrong)) from None
        if answer.has_head and answer.status == 0:
            answer.status = self._parser.get_status_code()
        if answer.size > MAX_RESPONSE_BYTES or answer.head_size > MAX_HEAD_BYTES:
            raise PeerError("bad_response", url=self._url, detail="it is too large")

    async def whole(self) -> Response:
        """Read to the end."""
        while not self.answer.complete:
            await self.more()
        return self.response()

    def response(self) -> Response:
        """What has come."""
        answer = self.answer
        body = b"".join(answer.chunks)
        return Response(status=answer.status, headers=answer.headers, body=body)

    async def body(self) -> AsyncIterator[bytes]:
        """The body, piece by piece, of which nothing is kept."""
        answer = self.answer
        while True:
            pieces, answer.chunks, answer.size = answer.chunks, [], 0
            if pieces:
                yield b"".join(pieces)
            elif answer.complete:
                return
            else:
                with _unreachable(self._url, "the connection timed out"):
                    await self.more()


@dataclass(slots=True)
class _Answer:
    """What the parser has told so far (its callbacks)."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0
    head_size: int = 0
    has_head: bool = False
    complete: bool = False

    @property
    def ends_with_connection(self) -> bool:
        return not {"content-length", "transfer-encoding"} & self.headers.keys()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.head_size += len(name) + len(value) + 4
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.has_head = True

    def on_body(self, body: bytes) -> None:
        self.size += len(body)
        self.chunks.append(body)

    def on_message_complete(self) -> None:
        self.complete = True
