"""How many connections a port has, and how many requests one client may have open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kite.errors import PeerError, RequestError
from kite.http import open_requests, server
from kite.http.application import application, reply
from kite.http.guard import Guard, Identity
from kite.http.listen import listening_socket, port_of
from kite.http.open_requests import OpenRequests
from kite.http.server import serve

PATIENCE = 20.0


class Town:
    """A server whose requests stay open for as long as the test wants."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.waiting = 0
        self.changed = asyncio.Condition()
        self.turned_away = 0
        self.port = 0

    async def wait(self, _request: Request) -> Response:
        async with self.changed:
            self.waiting += 1
            self.changed.notify_all()
        await self.gate.wait()
        return reply({"ok": True})

    async def authenticate(self, token: str) -> Identity:
        if token == "nobody":
            raise PeerError("unauthorized")
        return Identity(name=token)

    def full(self) -> None:
        self.turned_away += 1

    async def until_waiting(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self.changed:
            await self.changed.wait_for(lambda: self.waiting == count)


@contextlib.asynccontextmanager
async def town() -> AsyncIterator[Town]:
    made = Town()
    sock: socket.socket = listening_socket()
    made.port = port_of(sock)
    app = application(
        [Route("/wait", made.wait)],
        authenticate=made.authenticate,
        guard=Guard(port=made.port),
    )
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(app, sock, stop=stop, grace=0.1, on_full=made.full))
    try:
        yield made
    finally:
        made.gate.set()
        stop.set()
        await serving


async def ask(port: int, token: str) -> tuple[int, dict[str, Any]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"GET /wait HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()
    first, _, body = answer.partition(b"\r\n\r\n")
    return int(first.split()[1]), json.loads(body)


async def test_one_client_cannot_take_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one who has too many open is told; others, and the operator, get in all the same."""
    monkeypatch.setattr(open_requests, "MOST_OF_ONE", 3)
    async with town() as here:
        held = [asyncio.create_task(ask(here.port, "greedy")) for _ in range(3)]
        await here.until_waiting(3)
        status, body = await ask(here.port, "greedy")
        assert (status, body["code"]) == (429, "limit_reached")
        others = [asyncio.create_task(ask(here.port, name)) for name in ("modest", "operator")]
        await here.until_waiting(5)
        here.gate.set()
        assert [status for status, _ in await asyncio.gather(*held, *others)] == [200] * 5
        assert (await ask(here.port, "greedy"))[0] == 200, "what was given back is free"


async def test_more_connections_than_there_may_be_are_turned_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a word, at once; those that are there stay, and whoever leaves makes room."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    async with town() as here:
        held = [asyncio.create_task(ask(here.port, "a")) for _ in range(4)]
        await here.until_waiting(4)
        status, body = await ask(here.port, "a")
        assert (status, body["code"]) == (503, "too_many_open")
        assert body["params"]["limit"] == 4
        assert here.turned_away == 1
        here.gate.set()
        assert [status for status, _ in await asyncio.gather(*held)] == [200] * 4

        async def has_room() -> bool:
            return (await ask(here.port, "a"))[0] == 200

        async with asyncio.timeout(PATIENCE):
            # A closed connection is forgotten in a later turn, of which nobody tells.
            while not await has_room():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def test_open_requests_are_forgotten_when_they_end() -> None:
    """Names of clients that are gone leave nothing."""
    opened = OpenRequests()
    for number in range(1000):
        with opened.one(f"m{number}"), contextlib.suppress(RequestError), opened.one("m"):
            pass
    assert len(opened) == 0
    with pytest.raises(ValueError, match="it broke"), opened.one("web"):
        raise ValueError("it broke")
    assert len(opened) == 0
