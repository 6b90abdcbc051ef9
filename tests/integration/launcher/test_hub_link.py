"""The Launcher's connection to a Hub of another make that lets it down."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from kite.launcher.hub_link import HubLink

TOKEN = "a" * 64


class OtherHub:
    """Acknowledges everything, and drops whoever it is told to drop."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []
        self.events: list[str] = []
        self.refuses_subscriptions = 0

    async def __call__(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        async for text in connection:
            frame: dict[str, Any] = json.loads(text)
            if frame["type"] == "subscribe" and self.refuses_subscriptions:
                self.refuses_subscriptions -= 1
                refusal = {"type": "error", "code": "limit_reached", "message": "no"}
                await connection.send(json.dumps({**refusal, "id": frame["id"]}))
                continue
            if frame["type"] == "event":
                self.events.append(frame["event"])
                frame = {"type": "event", "event_id": frame["event_id"], "delivered": 0}
            keys = {key: frame[key] for key in ("id", "event_id", "delivered") if key in frame}
            await connection.send(json.dumps({"type": "ack", **keys}))


async def _linked(hub: OtherHub, work: Any) -> None:
    lost = asyncio.Event()
    async with serve(hub, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link = HubLink(on_event=lambda event: None, on_lost=lost.set, instance="test")
        try:
            async with asyncio.timeout(10):
                await link.connect(f"ws://127.0.0.1:{port}/ws", TOKEN)
                await work(link, lost, f"ws://127.0.0.1:{port}/ws")
        finally:
            await link.close()


def test_a_connection_that_breaks_is_told_and_can_be_made_again() -> None:
    """What is published in between is kept, and goes out afterwards."""
    hub = OtherHub()

    async def work(link: HubLink, lost: asyncio.Event, url: str) -> None:
        link.release()
        await hub.connections[0].close()
        await lost.wait()
        assert not link.is_connected
        link.publish("module.started", {"module_id": "x"})
        await link.connect(url, TOKEN)
        link.release()
        await link.drained()
        assert hub.events == ["module.started"]

    asyncio.run(_linked(hub, work))


def test_a_connection_that_was_given_up_takes_nothing_with_it() -> None:
    """A refused subscription costs that connection; its late end is not the end of the next one."""
    hub = OtherHub()
    hub.refuses_subscriptions = 1

    async def work(link: HubLink, lost: asyncio.Event, url: str) -> None:
        assert len(hub.connections) == 2
        await hub.connections[0].wait_closed()
        assert link.is_connected
        assert not lost.is_set()

    asyncio.run(_linked(hub, work))


def test_closing_it_oneself_is_no_loss() -> None:
    hub = OtherHub()

    async def work(link: HubLink, lost: asyncio.Event, url: str) -> None:
        await link.close()
        await hub.connections[0].wait_closed()
        assert not link.is_connected
        assert not lost.is_set()

    asyncio.run(_linked(hub, work))
