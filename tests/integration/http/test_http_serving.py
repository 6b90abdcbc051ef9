"""The server on a real socket: what is refused before a route, broken HTTP, and the end."""

from __future__ import annotations

import asyncio
import json
import resource
import time

import pytest
from starlette.routing import Route

from kite.errors import PeerError, RequestError, Unavailable
from kite.http import server
from kite.http.application import application, reply
from kite.http.body import read_json
from kite.http.client import call
from kite.http.guard import Guard, Identity
from kite.http.listen import listening_socket, port_of
from kite.http.server import serve
from kite.http.stream import Stream

TOKEN = "a" * 64
PAGE_PORT = 4711


class Site:
    """An application with a few routes, served on a free port."""

    def __init__(self):
        self.stop = asyncio.Event()
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.ended = asyncio.Event()
        self.failures = []

    async def __aenter__(self):
        sock = listening_socket({})
        self.port = port_of(sock)
        self.url = f"http://127.0.0.1:{self.port}"
        app = application(
            [
                Route("/health", self.health),
                Route("/echo", self.echo, methods=["POST"]),
                Route("/who", self.who),
                Route("/boom", self.boom),
                Route("/slow", self.slow),
                Route("/endless", self.endless),
            ],
            authenticate=self.authenticate,
            guard=Guard(port=self.port, ports=lambda: {PAGE_PORT}),
        )
        self.serving = asyncio.create_task(serve(app, sock, stop=self.stop, grace=0.3))
        return self

    async def __aexit__(self, *_exc):
        self.stop.set()
        await asyncio.wait_for(self.serving, 3)

    async def authenticate(self, token):
        if token == "later":
            raise Unavailable("not_ready", what="it")
        if token != TOKEN:
            raise PeerError("unauthorized")
        return Identity(name="alpha")

    async def health(self, request):
        assert request.state.identity is None
        return reply({"status": "ok"})

    async def echo(self, request):
        return reply(await read_json(request, dict))

    async def who(self, request):
        return reply({"name": request.state.identity.name})

    async def boom(self, request):
        raise ZeroDivisionError("the secret of the inside")

    async def slow(self, request):
        self.entered.set()
        await self.gate.wait()
        return reply({"slow": True})

    async def endless(self, request):
        async def parts():
            yield b"first"
            await self.gate.wait()

        return Stream(parts(), media_type="text/plain", until=self.stop, at_end=self.ended.set)

    async def call(self, method, path, token=TOKEN, **options):
        return await call(method, self.url + path, token=token, **options)

    async def raw(self, data, *, eof=False):
        """Everything that comes back for these bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            if eof:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), 5)
        finally:
            writer.transport.abort()

    def head(self, line, *more):
        lines = [line, f"Host: 127.0.0.1:{self.port}", f"Authorization: Bearer {TOKEN}", *more]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"


@pytest.fixture
async def site():
    async with Site() as site:
        yield site


def status_of(answer):
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12])


async def test_a_route_knows_who_speaks(site):
    assert (await site.call("GET", "/who")).json() == {"name": "alpha"}
    head = await site.call("HEAD", "/who")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [(None, 401, "unauthorized"), ("b" * 64, 401, "unauthorized"), ("later", 503, "not_ready")],
)
async def test_tokens(site, token, status, code):
    answer = await site.call("GET", "/who", token=token)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    wanted = "www-authenticate" if status == 401 else "retry-after"
    assert wanted in answer.headers


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}, Bearer {TOKEN}"],
)
async def test_other_authorizations_are_none(site, header):
    answer = await site.call("GET", "/who", token=None, headers={"authorization": header})
    assert answer.status == 401


async def test_two_authorizations_are_none(site):
    data = site.head("GET /who HTTP/1.1", f"Authorization: Bearer {TOKEN}", "Connection: close")
    assert status_of(await site.raw(data)) == 401


async def test_routing_answers_with_documents_too(site):
    missing = await site.call("GET", "/nowhere")
    assert (missing.status, missing.json()["code"]) == (404, "not_found")
    wrong = await site.call("PUT", "/echo", json={})
    assert (wrong.status, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"
    assert (await site.call("GET", "/who/")).status == 404  # no redirect


async def test_a_failure_inside_tells_nothing_of_the_inside(site, caplog):
    answer = await site.call("GET", "/boom")
    assert (answer.status, answer.json()["code"]) == (500, "internal_error")
    assert b"secret" not in answer.body
    assert "ZeroDivisionError" in caplog.text
    assert (await site.call("GET", "/who")).status == 200


async def test_a_page_of_a_module_may_ask(site):
    origin = f"http://localhost:{PAGE_PORT}"
    preflight = await site.call(
        "OPTIONS",
        "/echo",
        token=None,
        headers={"origin": origin, "access-control-request-method": "POST"},
    )
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    answer = await site.call("GET", "/who", headers={"origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    refused = await site.call("GET", "/who", token=None, headers={"origin": origin})
    assert refused.status == 401
    assert refused.headers["access-control-allow-origin"] == origin  # the page can read why


async def test_a_foreign_page_may_not_even_ask_whether(site):
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = await site.call("OPTIONS", "/echo", token=None, headers=headers)
    assert (answer.status, answer.json()["code"]) == (403, "bad_origin")
    assert "access-control-allow-origin" not in answer.headers


async def test_options_without_a_page_needs_a_token(site):
    headers = {"access-control-request-method": "POST"}
    assert (await site.call("OPTIONS", "/echo", token=None, headers=headers)).status == 401
    assert (await site.call("OPTIONS", "/echo")).status == 405


async def test_a_large_body_is_refused_and_the_answer_arrives(site):
    for size in ((1 << 20) + 1, 5 << 20):
        body = b'"' + b"x" * (size - 2) + b'"'
        head = site.head("POST /echo HTTP/1.1", f"Content-Length: {size}", "Connection: close")
        answer = await site.raw(head + body)
        assert status_of(answer) == 413
        assert b"body_too_large" in answer


async def test_a_large_chunked_body_is_refused(site):
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = site.head("POST /echo HTTP/1.1", "Transfer-Encoding: chunked", "Connection: close")
    assert status_of(await site.raw(head + chunk * 20 + b"0\r\n\r\n")) == 413


BROKEN = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "bad version": b"GET / HTTP/9.9\r\n\r\n",
    "space in header name": b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n",
    "nul in header": b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n",
    "duplicate length": b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
    "length and chunked": b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad length": b"POST /echo HTTP/1.1\r\nContent-Length: two\r\n\r\n{}",
    "negative length": b"POST /echo HTTP/1.1\r\nContent-Length: -2\r\n\r\n{}",
    "huge length": b"POST /echo HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
    "bad chunk": b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "raw bytes in path": b"GET /\xff HTTP/1.1\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
async def test_broken_http_is_400_and_disturbs_nobody(site, data):
    waiting = asyncio.create_task(site.call("GET", "/slow"))
    await asyncio.wait_for(site.entered.wait(), 3)
    head, _, body = data.partition(b"\r\n")
    answer = await site.raw(
        head
        + f"\r\nHost: 127.0.0.1:{site.port}\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
        + body,
        eof=True,
    )
    assert 400 <= status_of(answer) < 500
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert document["code"] in ("bad_request", "not_found", "body_too_large")
    site.gate.set()
    assert (await waiting).status == 200


async def test_without_host(site):
    assert status_of(await site.raw(b"GET /health HTTP/1.1\r\n\r\n", eof=True)) == 403
    assert status_of(await site.raw(b"GET /health HTTP/1.0\r\n\r\n", eof=True)) == 403


@pytest.mark.parametrize(
    "data",
    [
        b"GET /who HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"GET /who HTTP/1.1\r\nX: " + b"y" * 3_000_000,
        b"GET /" + b"y" * 3_000_000,
        b"GET /who HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    ],
    ids=["one large header", "an endless header", "an endless path", "many headers"],
)
async def test_a_huge_head_is_431(site, data):
    answer = await site.raw(data)
    assert status_of(answer) == 431
    assert b"head_too_large" in answer


async def test_who_asks_and_closes_his_side_is_answered(site):
    answer = await site.raw(site.head("GET /who HTTP/1.1"), eof=True)
    assert status_of(answer) == 200
    assert answer.endswith(b'{"name":"alpha"}')


@pytest.mark.parametrize(
    "rest", [b"", b"rubbish\r\n\r\n", b"GET /health HTTP/1.1\r\n\r\n", b"GET /health"]
)
@pytest.mark.parametrize("is_begun", [False, True])
async def test_who_asks_for_a_stream_and_closes_his_side_has_gone(site, rest, is_begun):
    """Whatever was asked behind it, which is never answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(site.head("GET /endless HTTP/1.1") + rest)
    try:
        begun = await asyncio.wait_for(reader.readuntil(b"first"), 5) if is_begun else b""
        writer.write_eof()
        await asyncio.wait_for(site.ended.wait(), 5)
        answer = begun + await asyncio.wait_for(reader.read(), 5)
        assert answer.count(b"HTTP/1.1 ") <= 1
    finally:
        writer.transport.abort()


async def test_requests_in_one_piece_are_answered_in_order(site):
    data = site.head("GET /who HTTP/1.1") + site.head("GET /health HTTP/1.1", "Connection: close")
    answer = await site.raw(data)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b"alpha") < answer.index(b"status")


async def test_rubbish_after_a_request_does_not_spoil_its_answer(site):
    answer = await site.raw(site.head("GET /who HTTP/1.1") + b"rubbish\r\n\r\n")
    assert status_of(answer) == 200
    assert b"alpha" in answer


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    "behind",
    ["rubbish", "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nz", "POST /echo HTT"],
)
@pytest.mark.parametrize("eof", [False, True])
async def test_what_is_wrong_behind_requests_spoils_none_of_their_answers(
    site, count, behind, eof, caplog
):
    """Nor does it take the place of one, nor is anything written behind the last."""
    slow = site.head("GET /slow HTTP/1.1")
    asked = slow + site.head("GET /who HTTP/1.1") * count + behind.encode()
    answer = asyncio.create_task(site.raw(asked + b"\0\r\n\r\n", eof=eof))
    await asyncio.wait_for(site.entered.wait(), 5)
    site.gate.set()
    parts = (await answer).split(b"HTTP/1.1 ")[1:]
    assert [part[:3] for part in parts[: count + 1]] == [b"200"] * (count + 1)
    assert b"slow" in parts[0]
    assert all(b"alpha" in part for part in parts[1 : count + 1])
    assert "request.failed" not in caplog.text


async def test_an_upgrade_is_not_made(site):
    head = site.head("GET /who HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket")
    answer = await site.raw(head + b"\x81\x05hello")
    assert status_of(answer) == 200


async def test_expect_continue(site):
    head = site.head(
        "POST /echo HTTP/1.1", "Content-Length: 2", "Expect: 100-continue", "Connection: close"
    )
    answer = await site.raw(head + b"{}")
    assert b"HTTP/1.1 200" in answer


async def test_a_slow_head_is_given_up(site, monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    began = time.monotonic()
    answer = await site.raw(b"GET /who HT")
    assert status_of(answer) == 408
    assert b'"code":"request_slow"' in answer
    assert await site.raw(b"") == b""  # nothing said: closed without a word
    assert time.monotonic() - began < 3


async def test_a_slow_body_is_given_up(site, monkeypatch):
    monkeypatch.setattr("kite.http.body.BODY_SECONDS", 0.2)
    answer = await site.raw(
        site.head("POST /echo HTTP/1.1", "Content-Length: 9", "Connection: close") + b"{"
    )
    assert status_of(answer) == 408


async def test_who_vanishes_in_the_middle_leaves_nothing(site):
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(site.head("POST /echo HTTP/1.1", "Content-Length: 100") + b"{")
    await writer.drain()
    writer.transport.abort()
    assert (await site.call("GET", "/who")).status == 200


async def test_the_end_closes_the_idle_at_once_and_the_busy_in_time():
    async with Site() as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(site.head("GET /who HTTP/1.1"))
        await reader.readuntil(b"}")
        slow = asyncio.create_task(site.call("GET", "/slow"))
        await asyncio.wait_for(site.entered.wait(), 3)
        site.stop.set()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert not slow.done()
        answer = await slow
        assert (answer.status, answer.json()["code"]) == (503, "going_away")
        await asyncio.wait_for(site.serving, 10)
        writer.transport.abort()


async def test_the_end_lets_a_quick_answer_out():
    async with Site() as site:
        slow = asyncio.create_task(site.call("GET", "/slow"))
        await asyncio.wait_for(site.entered.wait(), 3)
        site.stop.set()
        await asyncio.sleep(0)
        site.gate.set()
        assert (await slow).json() == {"slow": True}


async def test_nobody_wakes_an_idle_server(site):
    await site.call("GET", "/who")
    loop = asyncio.get_running_loop()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    waited = loop.create_future()
    loop.call_later(1.0, waited.set_result, None)  # one wake-up of our own
    await waited
    assert resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before <= 3


class Talker:
    """A server that says what it is told."""

    def __init__(self, answer, *, hang=False):
        self.answer, self.hang, self.heard = answer, hang, b""

    async def __aenter__(self):
        self.ended = asyncio.Event()
        self.server = await asyncio.start_server(self.talk, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/x"
        return self

    async def __aexit__(self, *_exc):
        self.ended.set()
        self.server.close()
        await self.server.wait_closed()

    async def talk(self, reader, writer):
        self.heard = await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer)
        if self.hang:
            await self.ended.wait()
        writer.close()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "unreachable"),
        (b"SSH-2.0-OpenSSH\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", "bad_response"),
    ],
)
async def test_the_client_names_who_did_not_answer(answer, code):
    async with Talker(answer) as talker:
        with pytest.raises((Unavailable, PeerError)) as raised:
            await call("GET", talker.url + "?token=secret", token=TOKEN)
        assert raised.value.code == code
        assert talker.url in str(raised.value)
        assert "secret" not in str(raised.value)


async def test_the_client_waits_no_longer_than_told():
    async with Talker(b"HTTP/1.1 200 OK\r\n", hang=True) as talker:
        began = time.monotonic()
        with pytest.raises(Unavailable) as raised:
            await call("GET", talker.url, timeout=0.2)
        assert time.monotonic() - began < 2
        assert "0.2 s" in str(raised.value)


async def test_the_client_reads_a_body_without_a_length():
    async with Talker(b"HTTP/1.1 200 OK\r\nX-One: a\r\nX-One: b\r\n\r\nall of it") as talker:
        response = await call("GET", talker.url)
        assert response.body == b"all of it"
        assert response.headers["x-one"] == "b"


async def test_the_client_refuses_to_be_used_for_smuggling():
    with pytest.raises(ValueError):
        await call("GET", "http://127.0.0.1:1/", headers={"x": "a\r\ny: b"})
    with pytest.raises(ValueError):
        await call("GET", "http://127.0.0.1:1/a b")
    with pytest.raises(ValueError):
        await call("GET", "https://127.0.0.1:1/")


async def test_the_clients_own_framing_wins():
    async with Talker(b"HTTP/1.1 204 No Content\r\n\r\n") as talker:
        await call("POST", talker.url, json={}, headers={"Content-Length": "999", "X-A": "b"})
        assert b"content-length: 2\r\n" in talker.heard
        assert b"x-a: b" in talker.heard


async def test_a_refused_request_error_is_raised_as_such(site):
    from kite.http.client import raise_for

    with pytest.raises(RequestError) as raised:
        raise_for(await site.call("GET", "/nowhere"))
    assert raised.value.code == "not_found"
