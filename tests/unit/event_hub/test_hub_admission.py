"""What an HTTP request asks for and how it shows its token."""

from __future__ import annotations

import pytest

from kite.errors import RequestError
from kite.event_hub.core.admission import Request
from kite.wire.loop_thread import LoopThread

KEY = ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
UPGRADE = (("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-version", "13"))


def request(target: str = "/ws", *headers: tuple[str, str]) -> Request:
    return Request(method="GET", target=target, headers=headers)


@pytest.mark.parametrize(
    ("asked", "token"),
    [
        (request(), None),
        (request("/ws", ("authorization", "Bearer abc")), "abc"),
        (request("/ws", ("authorization", "bearer  abc ")), "abc"),
        (request("/ws", ("authorization", "Basic abc")), None),
        (request("/ws?token=abc"), "abc"),
        (request("/ws?x=1&token=abc"), "abc"),
        (request("/ws?token="), None),
        (request("/ws", ("sec-websocket-protocol", "kite.v1, kite.token.abc")), "abc"),
        (
            request(
                "/ws",
                ("sec-websocket-protocol", "kite.v1"),
                ("sec-websocket-protocol", "kite.token.abc"),
            ),
            "abc",
        ),
        (request("/ws?token=query", ("authorization", "Bearer header")), "header"),
    ],
)
def test_the_token(asked: Request, token: str | None) -> None:
    assert asked.token() == token


@pytest.mark.parametrize(
    ("said", "thread"),
    [
        ("4026531836/7/8", LoopThread(namespace=4026531836, process=7, thread=8)),
        ("", None),
        ("7/8", None),
        ("../7/8", None),
    ],
)
def test_the_thread_that_reads(said: str, thread: LoopThread | None) -> None:
    assert request("/ws", ("kite-loop-thread", said)).loop_thread() == thread
    assert request("/ws").loop_thread() is None


def test_the_path_is_without_the_query_that_may_hold_a_token() -> None:
    assert request("/ws?token=secret").path == "/ws"
    assert request("http://evil/ws").path == "http://evil/ws"
    assert request("//evil/ws?token=secret").path == "//evil/ws"
    assert request("//[").path == "//["  # no URL, and still a path that is not there
    assert request("/ws?token=a?b").query == "token=a?b"


def test_kite_v1_is_selected_where_it_is_offered() -> None:
    offered = request("/ws", ("sec-websocket-protocol", "chat, kite.token.x, kite.v1"))
    assert offered.subprotocol() == "kite.v1"
    assert request("/ws", ("sec-websocket-protocol", "kite.token.x")).subprotocol() is None


@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive, Upgrade", "upgrade"])
def test_a_handshake_as_any_browser_sends_it(connection: str) -> None:
    headers = (("upgrade", "WebSocket"), ("connection", connection), UPGRADE[2], KEY)
    assert request("/ws", *headers).check_upgrade() == KEY[1]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ((), "upgrade_required"),
        ((UPGRADE[0], UPGRADE[2], KEY), "upgrade_required"),
        ((UPGRADE[0], UPGRADE[1], ("sec-websocket-version", "8"), KEY), "upgrade_required"),
        ((*UPGRADE,), "bad_request"),
        ((*UPGRADE, ("sec-websocket-key", "short")), "bad_request"),
        ((*UPGRADE, ("sec-websocket-key", "AAAA")), "bad_request"),
        ((*UPGRADE, KEY, KEY), "bad_request"),
    ],
)
def test_a_handshake_that_is_none(headers: tuple[tuple[str, str], ...], code: str) -> None:
    with pytest.raises(RequestError) as caught:
        request("/ws", *headers).check_upgrade()
    assert caught.value.code == code
