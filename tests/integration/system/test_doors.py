"""No door is open but `/health`: every route of every interface, as the applications list them."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from kite.event_hub.service import PATHS
from kite.launcher.routes import launcher_application
from kite.registry.routes import registry_app
from kite.testing.system import System

OPEN = "/health"
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One method of one path of one interface."""

    house: str
    method: str
    path: str


def doors() -> list[Door]:
    """All there are. A new route is in it without anybody's doing."""
    nothing: Any = SimpleNamespace()
    around = SimpleNamespace(authority=None, registry=SimpleNamespace(ports=()), trail=None)
    project = SimpleNamespace(hub={})
    launcher = SimpleNamespace(around=around, catalog=SimpleNamespace(project=project))
    registry = SimpleNamespace(
        authenticate=None, ports=(), config=SimpleNamespace(origins=()), launcher=None
    )
    applications = {
        "launcher": launcher_application(
            cast("Any", launcher), nothing, port=1, ws_endpoint="ws://127.0.0.1:1/ws"
        ),
        "registry": registry_app(cast("Any", registry), nothing, port=1, life=1),
    }
    found = [
        Door(house=house, method=method, path=re.sub(r"\{[^}]*\}", "launcher", route.path))
        for house, application in applications.items()
        for route in cast("Any", application.routes)
        for method in sorted(route.methods)
    ]
    found += [
        Door(house="event_hub", method=method, path=path)
        for path, methods in PATHS.items()
        for method in methods
    ]
    return found


DOORS = doors()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("doors"), extensions=False) as made:
        made.module("one")
        made.up("--wait")
        yield made
        made.down()


def knock(system: System, door: Door, **headers: str) -> int:
    """The status of the answer."""
    api = system.api
    urls = {"launcher": api["url"], "event_hub": api["ws_endpoint"]}
    port = urlsplit(urls[door.house]).port if door.house in urls else api["registry_port"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    if door.path == "/ws":
        headers = {**WEBSOCKET, **headers}
    host = headers.pop("Host", f"127.0.0.1:{port}")
    try:
        connection.putrequest(door.method, door.path, skip_host=True)
        for name, value in {"Host": host, "Content-Length": "0", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def names(door: Door) -> str:
    return f"{door.house} {door.method} {door.path}"


@pytest.mark.parametrize("door", DOORS, ids=names)
def test_nobody_comes_in_without_a_token_or_from_elsewhere(system: System, door: Door) -> None:
    """401 without a token and with a wrong one, 403 with a foreign `Host` or `Origin`."""
    right = {"Authorization": f"Bearer {system.api['token']}"}
    wrong = {"Authorization": f"Bearer {'ab' * 32}"}
    expected = 200 if door.path == OPEN else 401
    assert knock(system, door) == expected
    assert knock(system, door, **wrong) == expected
    assert knock(system, door, **right, Host="evil.example") == 403
    if door.path != OPEN:
        assert knock(system, door, **right, Origin="http://evil.example") == 403


def test_there_are_doors_to_knock_at() -> None:
    assert len(DOORS) > 25
    assert {door.house for door in DOORS} == {"launcher", "registry", "event_hub"}
    assert {door.house for door in DOORS if door.path == OPEN} == {door.house for door in DOORS}


def test_after_all_that_everything_is_as_it_was(system: System) -> None:
    """No refused request has done anything: no restart, no rescan, no shutdown."""
    assert system.record("one")["life"] == 1
    assert system.record("registry")["life"] == 1
    assert not system.steps("one", "requested")
    assert not system.steps("launcher", "requested")
