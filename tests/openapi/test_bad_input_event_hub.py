"""What the Event Hub refuses before a connection is a WebSocket; for what it refuses afterwards see
`tests/integration/event_hub/test_hub_refusals.py`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from asking import Case, problems, untested
from kept import INTERFACES

from kite.testing.system import ECHO, System

HUB = INTERFACES["event_hub"]
UPGRADE: dict[str, str | None] = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


def ws(why: str, code: str, *, who: str | None = "operator", asks: str = "GET /ws",
       says: str = "", **more: str | None) -> Case:  # fmt: skip
    names = {name.replace("_", "-"): value for name, value in more.items()}
    return Case(why=why, asks=asks, code=code, who=who, headers=UPGRADE | names, says=says)


CASES = [
    ws("no token", "unauthorized", who=None),
    ws("a token with a slip", "unauthorized", who="slip"),
    ws("a token that is none", "unauthorized", who=None, asks="GET /ws?token=%ff"),
    ws("a token as a subprotocol", "unauthorized", who=None,
       **{"Sec-WebSocket-Protocol": "kite.v1, kite.token.abc"}),
    ws("a foreign host", "bad_host", Host="evil.example", says="evil.example"),
    ws("a foreign page", "bad_origin", Origin="http://evil.example", says="evil.example"),
    ws("a page of a port that nobody has", "bad_origin", Origin="http://127.0.0.1:1"),
    ws("another version", "upgrade_required", **{"Sec-WebSocket-Version": "8"}),
    ws("a key that is none", "bad_request", **{"Sec-WebSocket-Key": "short"}, says="Key"),
    ws("another path", "not_found", asks="GET /wss", says="/wss"),
    ws("what is no URL", "not_found", asks="GET //["),
    ws("another method", "method_not_allowed", asks="DELETE /ws"),
    ws("a large head", "head_too_large", X="y" * 40_000),
    Case(why="no upgrade", asks="GET /ws", code="upgrade_required"),
    Case(why="numbers for nobody", asks="GET /metrics", who=None, code="unauthorized"),
    Case(why="numbers for a slip", asks="GET /metrics", who="slip", code="unauthorized"),
]  # fmt: skip

FRONT = "integration/event_hub/test_hub_handshake.py::"
ELSEWHERE = {
    "not_ready": FRONT + "test_until_the_launcher_has_subscribed_everybody_else_gets_503",
    "request_slow": FRONT + "test_half_open_handshakes_are_few_and_short",
    "too_many_connections": FRONT + "test_connections_are_bounded",
    "internal_error": FRONT + "test_a_mistake_of_the_hub_is_said_and_ends_nothing",
}


def test_every_code_of_the_hubs_port_is_tried() -> None:
    assert untested(HUB, CASES, ELSEWHERE) == set()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("bad"), extensions=False) as made:
        made.module("echo", ECHO, runtime="python")
        made.up("--wait")
        yield made
        made.down()


def test_bad_input_is_named_and_disturbs_nobody(system: System) -> None:
    operator = system.api["token"]
    tokens = {"operator": operator, "slip": operator[:-1] + ("0" if operator[-1] != "0" else "1")}
    port = urlsplit(system.api["ws_endpoint"]).port
    assert port
    pid = system.pid("event_hub")
    found = [each for case in CASES for each in problems(HUB, port, case, tokens)]
    assert not found, "\n".join(found)
    assert system.pid("event_hub") == pid
    assert system.request("echo.echo", 1)["life"] == 1
    assert "Traceback" not in system.log("event_hub")
