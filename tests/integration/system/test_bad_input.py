"""Wrong words, wrong bodies, wrong frames: a clear refusal, and nobody is disturbed."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kite.testing.system import ECHO, System


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("input"), extensions=False) as system:
        system.module("echo", ECHO, runtime="python")
        system.module("off", state="disabled")
        system.up("--wait")
        yield system


def undisturbed(system: System) -> None:
    assert system.request("echo.echo", "still here")["life"] == 1
    assert {r["life"] for r in system.records().values()} <= {0, 1}


# -- the command line -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (["strat", "echo"], 2, "strat"),
        (["start"], 2, "start"),
        (["ps", "--jsn"], 2, "--jsn"),
        (["start", "nobody"], 1, "nobody"),
        (["start", "off"], 6, "off"),
        (["stop", "registry"], 6, "registry"),
        (["pub", "a..b"], 2, "a..b"),
        (["pub", "a.b", "{no json"], 2, "JSON"),
        (["pub", "module.ready"], 6, "module.ready"),
        (["request", "nobody.there"], 1, "nobody.there"),
        (["registry", "get", "no.such.path"], 1, "no.such.path"),
        (["up", "--wait", "--timeout", "soon"], 2, "soon"),
        (["logs", "nobody"], 1, "nobody"),
        (["up", "-d"], 5, "already"),
        (["-C", "/no/such/folder", "ps"], 2, "/no/such/folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_words(running: System, words: list[str], status: int, named: str) -> None:
    outcome = running.kite(*words, status=None)
    assert outcome.status == status, outcome
    assert named in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_wrong_words_have_disturbed_nobody(running: System) -> None:
    undisturbed(running)


def test_not_running(tmp_path: Path) -> None:
    with System(tmp_path) as system:
        for words in (["ps"], ["down"], ["start", "echo"], ["events"], ["request", "a.b"]):
            outcome = system.kite(*words, status=3)
            assert "kite up" in outcome.err


# -- bodies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b"[]", b'"x"', b'{"reason": 5}', b"[" * 100_000]
)
def test_body_of_the_launcher_is_no_json(running: System, body: bytes) -> None:
    answer = running.call("POST", "/launcher/modules/echo/restart", body)
    assert answer.status in (400, 422)
    assert answer.body["code"]
    assert answer.body["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[]", b'{"action": "register"}', b"{}"])
def test_body_of_the_registry_is_no_json(running: System, body: bytes) -> None:
    url = f"http://127.0.0.1:{running.api['registry_port']}"
    answer = running.call("POST", "/modules", body, url=url)
    assert answer.status in (400, 403, 422)
    assert answer.body["code"]


def test_body_is_too_large(running: System) -> None:
    registry = f"http://127.0.0.1:{running.api['registry_port']}"
    body = b'{"reason": "' + b"x" * (2 << 20) + b'"}'
    for path, url in (("/launcher/modules/echo/stop", None), ("/modules", registry)):
        assert running.call("POST", path, body, url=url).status == 413


def test_bodies_have_disturbed_nobody(running: System) -> None:
    undisturbed(running)


# -- frames and bytes -------------------------------------------------------------------------------


def handshake(system: System) -> socket.socket:
    api = system.api
    port = urlsplit(api["ws_endpoint"]).port
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    key = base64.b64encode(os.urandom(16)).decode()
    client.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {api['token']}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    assert b" 101 " in head.split(b"\r\n")[0]
    return client


def masked(payload: bytes, opcode: int = 1) -> bytes:
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + size + b"\0\0\0\0" + payload


def read_frame(client: socket.socket) -> tuple[int, bytes]:
    def exactly(count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = client.recv(count - len(found))
            assert more, "the connection was closed"
            found += more
        return found

    first, length = exactly(2)
    if length == 126:
        length = int.from_bytes(exactly(2), "big")
    return first & 15, exactly(length)


@pytest.mark.parametrize(
    "payload", [b"{", b"[]", b"null", b'"x"', b"{}", b'{"type": "nonsense"}', b'{"type": 5}']
)
def test_frame_is_no_json(running: System, payload: bytes) -> None:
    """An error frame, and the connection goes on."""
    with handshake(running) as client:
        client.sendall(masked(payload))
        opcode, text = read_frame(client)
        assert opcode == 1
        assert b'"type":"error"' in text.replace(b" ", b"")
        client.sendall(masked(b'{"type":"subscribe","events":["a.b"],"id":1}'))
        assert b"ack" in read_frame(client)[1]


def test_frame_is_not_utf8(running: System) -> None:
    with handshake(running) as client:
        client.sendall(masked(b'{"type": "event", "event": "\xff\xfe"}'))
        opcode, text = read_frame(client)
        while opcode == 1:
            opcode, text = read_frame(client)
        assert opcode == 8
        assert int.from_bytes(text[:2], "big") == 1007


@pytest.mark.parametrize("garbage", [b"\0" * 4096, b"GET", os.urandom(4096), b"\x16\x03\x01" * 99])
def test_bytes_that_are_no_http(running: System, garbage: bytes) -> None:
    api = running.api
    ports = [api["registry_port"], urlsplit(api["url"]).port, urlsplit(api["ws_endpoint"]).port]
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)


def test_frames_and_bytes_have_disturbed_nobody(running: System) -> None:
    undisturbed(running)
    assert running.steps(event="core_crash") == []
    for name in ("registry", "event_hub", "launcher"):
        assert "Traceback" not in running.log(name)
