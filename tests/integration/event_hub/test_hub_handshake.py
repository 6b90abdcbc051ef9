"""Who gets in, how it shows its token, and what everybody else is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
import websockets
from fake_registry import FakeRegistry
from hub_socket import KEY, HubSocket, Refusal, answer, http

from kite.event_hub.core.admission import Request
from kite.event_hub.front import Answer, Doors
from kite.testing.hub import HubProcess

UPGRADE = f"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"


async def test_a_token_in_the_header_the_query_or_the_subprotocols(
    hub: HubProcess, registry: FakeRegistry
) -> None:
    token = await registry.add("alpha")
    async with await HubSocket.connect(hub.port, token) as client:
        assert (await client.publish("a"))["type"] == "ack"
    async with await HubSocket.connect(hub.port, path=f"/ws?token={token}") as client:
        assert (await client.publish("a"))["type"] == "ack"
    protocols = {"Sec-WebSocket-Protocol": f"kite.v1, kite.token.{token}"}
    async with await HubSocket.connect(hub.port, headers=protocols) as client:
        assert client.headers["sec-websocket-protocol"] == "kite.v1"
        assert (await client.publish("a"))["type"] == "ack"
    assert not [line for line in hub.errors if token in line]


async def test_another_library_connects_in_each_of_the_ways(
    hub: HubProcess, registry: FakeRegistry
) -> None:
    token = await registry.add("alpha")
    bearer = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(hub.endpoint, additional_headers=bearer) as client:
        assert client.subprotocol is None
        await client.send('{"type":"subscribe","events":["a.>"],"id":1}')
        assert json.loads(await client.recv()) == {"type": "ack", "id": 1}
        await client.send('{"type":"event","event":"a.b","data":[1]}')
        assert json.loads(await client.recv())["data"] == [1]
        await (await client.ping("are you there"))
    async with websockets.connect(f"{hub.endpoint}?token={token}"):
        pass
    protocols = [websockets.Subprotocol("kite.v1"), websockets.Subprotocol(f"kite.token.{token}")]
    async with websockets.connect(hub.endpoint, subprotocols=protocols) as client:
        assert client.subprotocol == "kite.v1"


@pytest.mark.parametrize("token", [None, "f" * 64, "nonsense", "%00"])
async def test_no_or_an_unknown_token_is_401(hub: HubProcess, token: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        await HubSocket.connect(hub.port, token)
    refusal = caught.value
    assert (refusal.status, refusal.code) == (401, "unauthorized")
    assert refusal.headers["content-type"] == "application/problem+json"
    assert refusal.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 101),
        ("localhost:{port}", 101),
        ("evil.example", 403),
        ("evil.example:{port}", 403),
        ("127.0.0.1", 403),
        ("127.0.0.1:1", 403),
    ],
)
async def test_the_host_must_be_this_machine(
    hub: HubProcess, registry: FakeRegistry, host: str, status: int
) -> None:
    token = await registry.add("alpha")
    headers = {"Host": host.format(port=hub.port)}
    if status == 101:
        async with await HubSocket.connect(hub.port, token, headers=headers):
            return
    with pytest.raises(Refusal) as caught:
        await HubSocket.connect(hub.port, token, headers=headers)
    assert (caught.value.status, caught.value.code) == (status, "bad_host")


@pytest.mark.parametrize("hub", [{"origins": ["https://mine.example"]}], indirect=True)
async def test_pages_of_live_modules_and_named_origins_may_connect(
    hub: HubProcess, registry: FakeRegistry
) -> None:
    token = await registry.add("alpha")
    registry.ports = [8123]
    await registry.change()  # the very next request may be the page's
    good = [
        "http://127.0.0.1:8123",
        "https://localhost:8123",
        "http://[::1]:8123",
        "https://mine.example",
    ]
    for origin in good:
        async with await HubSocket.connect(hub.port, token, headers={"Origin": origin}):
            pass
    for origin in [
        "http://127.0.0.1:8124",
        "http://evil.example",
        "null",
        f"http://127.0.0.1:{hub.port}",
    ]:
        with pytest.raises(Refusal) as caught:
            await HubSocket.connect(hub.port, token, headers={"Origin": origin})
        assert (caught.value.status, caught.value.code) == (403, "bad_origin")
    registry.ports = []
    await registry.change()
    await registry.travelled()
    with pytest.raises(Refusal):
        await HubSocket.connect(hub.port, token, headers={"Origin": good[0]})


async def test_until_the_launcher_has_subscribed_everybody_else_gets_503(
    registry: FakeRegistry,
) -> None:
    token = await registry.add("alpha")
    async with HubProcess(registry.port, token=registry.hub_token, opens=False) as hub:
        await registry.registration()
        for shown in (token, "f" * 64):
            with pytest.raises(Refusal) as caught:
                await HubSocket.connect(hub.port, shown)
            assert (caught.value.status, caught.value.code) == (503, "not_ready")
            assert int(caught.value.headers["retry-after"]) >= 1
        status, _, body = await http(
            hub.port, f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\n\r\n".encode()
        )
        assert (status, json.loads(body)["status"]) == (200, "starting")
        async with await HubSocket.connect(hub.port, hub.launcher_token) as launcher:
            with pytest.raises(Refusal):  # connected is not subscribed
                await HubSocket.connect(hub.port, token)
            launcher.send({"type": "subscribe", "events": [">"], "id": 1})
            said = [await launcher.read() for _ in range(3)]
            assert said[0] == {"type": "ack", "id": 1}
            assert [frame.get("event") for frame in said[1:]] == ["hub.started", "module.ready"]
            assert said[2]["data"] == {"module_id": "event_hub", "life": 1}
            assert said[2]["source"] == "event_hub"
            async with await HubSocket.connect(hub.port, token):
                pass


async def test_the_life_is_said_and_the_registration_tells_the_endpoint(
    registry: FakeRegistry,
) -> None:
    async with HubProcess(registry.port, token=registry.hub_token, life=3, opens=False) as hub:
        async with await HubSocket.connect(hub.port, hub.launcher_token) as launcher:
            await launcher.subscribe("module.ready")
            assert (await launcher.read())["data"]["life"] == 3
        record = await registry.registration()
        assert record["module_id"] == "event_hub"
        assert record["metadata"]["ws_endpoint"] == hub.endpoint
        assert record["api_endpoint"] == f"http://127.0.0.1:{hub.port}"
        assert record["health_endpoint"] == "/health"


@pytest.mark.parametrize(
    ("request_line", "more", "status", "code"),
    [
        ("GET /ws HTTP/1.1", "", 426, "upgrade_required"),
        ("POST /ws HTTP/1.1", "", 405, "method_not_allowed"),
        ("POST /health HTTP/1.1", "Content-Length: 5\r\n", 405, "method_not_allowed"),
        ("GET /other HTTP/1.1", UPGRADE, 404, "not_found"),
        ("GET / HTTP/1.1", "", 404, "not_found"),
        ("GET /metrics HTTP/1.1", "", 401, "unauthorized"),
        ("GET /ws HTTP/1.1", UPGRADE.replace("13", "12"), 426, "upgrade_required"),
        ("GET /ws HTTP/1.1", UPGRADE.replace(KEY, "x"), 400, "bad_request"),
        ("GET //[ HTTP/1.1", UPGRADE, 404, "not_found"),
        ("GET //127.0.0.1/ws HTTP/1.1", UPGRADE, 404, "not_found"),
        ("nonsense", "", 400, "bad_request"),
        ("GET /ws HTTP/1.1", "X: " + "y" * 20_000 + "\r\n", 431, "head_too_large"),
    ],
)
async def test_what_is_no_websocket(
    hub: HubProcess, request_line: str, more: str, status: int, code: str
) -> None:
    raw = f"{request_line}\r\nHost: 127.0.0.1:{hub.port}\r\n{more}\r\n".encode()
    found, headers, body = await http(hub.port, raw)
    document = json.loads(body)
    assert (found, document["code"], document["status"]) == (status, code, status)
    assert headers["content-type"] == "application/problem+json"
    if status == 426:  # RFC 9110 and RFC 6455: to what, and in which version
        assert headers["upgrade"] == "websocket"
        assert headers["sec-websocket-version"] == "13"
        assert "upgrade" in headers["connection"]


async def test_health_is_open_and_metrics_are_not(hub: HubProcess, registry: FakeRegistry) -> None:
    host = f"Host: 127.0.0.1:{hub.port}\r\n"
    status, headers, body = await http(hub.port, f"GET /health HTTP/1.1\r\n{host}\r\n".encode())
    assert (status, set(json.loads(body))) == (200, {"status", "version"})
    assert json.loads(body)["status"] == "ok"
    head = f"HEAD /health HTTP/1.1\r\n{host}\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(head)
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    token = await registry.add("alpha")
    async with await HubSocket.connect(hub.port, token) as client:
        await client.subscribe("a.>")
        for n in range(3):
            await client.publish("b", n)
        await client.publish("a.x")
        await client.read()
        asked = f"GET /metrics HTTP/1.1\r\n{host}Authorization: Bearer {token}\r\n\r\n".encode()
        status, headers, body = await http(hub.port, asked)
        assert status == 200
        assert headers["content-type"].startswith("text/plain")
        lines = body.decode().splitlines()
        assert 'kite_hub_client_in_total{connection="2",module="alpha"} 4.0' in lines
        assert 'kite_hub_client_out_total{connection="2",module="alpha"} 1.0' in lines
        assert "kite_hub_connections 2.0" in lines


@pytest.mark.parametrize(
    "hub", [{"limits": {"handshake_seconds": 0.3, "handshakes": 4}}], indirect=True
)
async def test_half_open_handshakes_are_few_and_short(hub: HubProcess) -> None:
    """Who has begun to ask is told (`request_slow`); who has said nothing is closed."""
    idle = [await asyncio.open_connection("127.0.0.1", hub.port) for _ in range(4)]
    idle[0][1].write(b"GET /ws HT")
    extra, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    async with asyncio.timeout(5):
        status, _, body = await answer(extra)
        assert (status, json.loads(body)["code"]) == (503, "too_many_connections")
        status, _, body = await answer(idle[0][0])
        assert (status, json.loads(body)["code"]) == (408, "request_slow")
        for reader, _ in idle[1:]:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
    for _, each in [*idle, (extra, writer)]:
        each.close()
    status, _, _ = await http(
        hub.port, f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\n\r\n".encode()
    )
    assert status == 200


@pytest.mark.parametrize(
    "hub", [{"limits": {"connections": 4, "connections_per_module": 2}}], indirect=True
)
async def test_connections_are_bounded(hub: HubProcess, registry: FakeRegistry) -> None:
    alpha, beta = await registry.add("alpha"), await registry.add("beta")
    async with (
        await HubSocket.connect(hub.port, await registry.add("gamma")),
        await HubSocket.connect(hub.port, alpha),
        await HubSocket.connect(hub.port, alpha) as second,
    ):
        for token in (alpha, beta):
            with pytest.raises(Refusal) as caught:
                await HubSocket.connect(hub.port, token)
            assert (caught.value.status, caught.value.code) == (503, "too_many_connections")
        second.send_bytes(b"\x88\x80\0\0\0\0")
        assert (await second.closed()).code == 1005
        assert await second.reader.read() == b""
        async with await HubSocket.connect(hub.port, beta):
            pass


async def test_frames_that_come_with_the_handshake_are_not_lost(
    hub: HubProcess, registry: FakeRegistry
) -> None:
    from hub_socket import masked

    for listed in (True, False):  # asked of the table, asked of the Registry
        token = await registry.add("alpha", listed=listed)
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        head = f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\nAuthorization: Bearer {token}\r\n{UPGRADE}\r\n"
        event = b'{"type":"event","event":"a","event_id":"e","ack":true}'
        writer.write(head.encode() + masked(event) * 2)
        async with asyncio.timeout(5):
            await reader.readuntil(b'"duplicate":true}')
        writer.close()


@pytest.mark.parametrize("path", ["/health", "/metrics", "/nowhere", "/ws"])
async def test_head_is_answered_without_a_body(hub: HubProcess, path: str) -> None:
    """The refusals, too: a body behind a HEAD would be read as the next answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\n\r\n".encode())
    head, body = (await asyncio.wait_for(reader.read(), 5)).split(b"\r\n\r\n")
    writer.close()
    assert b"content-length" in head
    assert body == b""


@pytest.mark.parametrize("is_waited_for", [False, True])
async def test_a_mistake_of_the_hub_is_said_and_ends_nothing(
    is_waited_for: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """`internal_error`, nothing of the inside in it, and a traceback in the log."""

    class House:
        def check(self, request: Request) -> None:
            return None

        def answer(self, request: Request) -> Any:
            if is_waited_for:
                return self.later()
            raise ZeroDivisionError("the secret of the inside")

        async def later(self) -> Answer:
            raise ZeroDivisionError("the secret of the inside")

        def turned_away(self, *_: object) -> None:
            pass

        def admit(self, request: Request) -> Any:
            raise AssertionError

    doors = Doors(House(), limit=4, seconds=5, head_bytes=4096, frame_bytes=4096)
    server = await asyncio.get_running_loop().create_server(doors, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for _ in range(2):
        status, headers, body = await http(port, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        document = json.loads(body)
        assert (status, document["code"]) == (500, "internal_error")
        assert headers["content-type"] == "application/problem+json"
        assert b"secret" not in body
    assert "ZeroDivisionError" in caplog.text
    doors.close()
    server.close()
    await server.wait_closed()
