"""What the Launcher publishes while the Hub is away: kept, in order, and let go at the right moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from kite.launcher import hub_link
from kite.launcher.hub_link import HEARD, KEPT_EVENTS, HubLink
from kite.wire.frame import Event

from .test_hub_link import TOKEN, OtherHub


class HearingHub(OtherHub):
    """Tells when something has come, and remembers everything that did."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[dict[str, Any]] = []
        self.changed = asyncio.Condition()

    async def __call__(self, connection: ServerConnection) -> None:
        import json

        self.connections.append(connection)
        async for text in connection:
            frame: dict[str, Any] = json.loads(text)
            self.frames.append(frame)
            if frame["type"] == "event":
                self.events.append(frame["event"])
                answer = {"type": "ack", "event_id": frame["event_id"], "delivered": 0}
            else:
                answer = {"type": "ack", "id": frame["id"]}
            if frame["type"] != "event" or frame.get("ack"):
                await connection.send(json.dumps(answer))
            async with self.changed:
                self.changed.notify_all()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(is_so)


class Pair:
    """A hub and a link to it."""

    def __init__(self, hub: HearingHub, link: HubLink, url: str, heard: list[Event]) -> None:
        self.hub = hub
        self.link = link
        self.url = url
        self.heard = heard
        self.lost = asyncio.Event()

    async def connect(self) -> None:
        async with asyncio.timeout(10):
            await self.link.connect(self.url, TOKEN)

    async def lose(self) -> None:
        self.lost.clear()
        await self.hub.connections[-1].close()
        async with asyncio.timeout(10):
            await self.lost.wait()

    def publish(self, *subjects: str) -> None:
        for subject in subjects:
            self.link.publish(subject, {})

    async def arrived(self, *subjects: str) -> None:
        """These have come to the Hub, in this order, and nothing else."""
        await self.hub.until(lambda: len(self.hub.events) >= len(subjects))
        assert self.hub.events == list(subjects)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    hub, heard = HearingHub(), []
    async with serve(hub, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        lost = asyncio.Event()
        link = HubLink(on_event=heard.append, on_lost=lost.set, instance="t")
        found = Pair(hub, link, f"ws://127.0.0.1:{port}/ws", heard)
        found.lost = lost
        try:
            yield found
        finally:
            await link.close()


async def test_everything_waits_for_the_hubs_ready_and_keeps_its_order(pair: Pair) -> None:
    pair.publish("a", "b")
    await pair.connect()
    assert pair.hub.frames[0]["events"] == list(HEARD), "one frame opens the Hub to all"
    pair.publish("c")
    assert pair.hub.events == []
    pair.link.release()
    pair.publish("d")
    await pair.arrived("a", "b", "c", "d")


async def test_events_are_the_launchers_and_have_ids_of_their_own(pair: Pair) -> None:
    await pair.connect()
    pair.link.release()
    for _ in range(3):
        pair.link.publish("module.started", {"module_id": "m"})
    await pair.arrived("module.started", "module.started", "module.started")
    events = [frame for frame in pair.hub.frames if frame["type"] == "event"]
    assert {event["source"] for event in events} == {"launcher"}
    assert len({event["event_id"] for event in events}) == 3
    assert events[0]["data"] == {"module_id": "m"}
    assert events[0]["timestamp"].endswith("Z")


async def test_kept_ones_wait_for_every_module_that_was_connected(pair: Pair) -> None:
    await pair.connect()
    pair.link.release()
    await pair.lose()
    pair.publish("a", "b")
    await pair.connect()
    pair.link.missed({"one", "two"})
    pair.link.release()
    pair.link.wait_no_more("one")
    pair.link.wait_no_more("stranger")
    pair.link.publish("module.shutdown", {}, at_once=True)
    await pair.arrived("module.shutdown")
    pair.link.wait_no_more("two")
    pair.publish("c")
    await pair.arrived("module.shutdown", "a", "b", "c")


async def test_who_came_back_before_the_registry_did_is_not_waited_for(pair: Pair) -> None:
    await pair.connect()
    pair.link.release()
    await pair.lose()
    pair.publish("a")
    await pair.connect()
    pair.link.missed({"one", "two"})
    pair.link.wait_no_more("one")
    pair.link.release()
    pair.link.wait_no_more("two")
    async with asyncio.timeout(hub_link.RETURN_WITHIN / 2):
        await pair.arrived("a")


async def test_who_came_back_to_an_earlier_hub_has_to_come_again(pair: Pair) -> None:
    await pair.connect()
    pair.link.wait_no_more("one")
    await pair.lose()
    pair.publish("a")
    await pair.connect()
    pair.link.missed({"one"})
    pair.link.release()
    pair.link.publish("module.shutdown", {}, at_once=True)
    await pair.arrived("module.shutdown")
    pair.link.wait_no_more("one")
    await pair.arrived("module.shutdown", "a")


async def test_but_not_for_ever(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub_link.RETURN_WITHIN == 5.0
    monkeypatch.setattr(hub_link, "RETURN_WITHIN", 0.05)
    await pair.connect()
    pair.publish("a")
    pair.link.missed({"never"})
    pair.link.release()
    await pair.arrived("a")
    assert pair.link.awaited == set(), "the next time it is not waited for"


async def test_a_hub_that_is_lost_while_modules_return_starts_the_waiting_anew(pair: Pair) -> None:
    await pair.connect()
    pair.publish("a")
    pair.link.missed({"one", "two"})
    pair.link.release()
    pair.link.wait_no_more("two")
    await pair.lose()
    pair.link.missed({"two"})
    assert pair.link.awaited == {"one", "two"}
    await pair.connect()
    pair.link.wait_no_more("one")  # to the new Hub, which has not said ready yet
    pair.link.wait_no_more("two")
    assert pair.hub.events == []
    pair.publish("b")
    pair.link.release()
    await pair.arrived("a", "b")


async def test_what_was_asked_of_a_module_is_not_asked_later(pair: Pair) -> None:
    pair.link.publish("module.shutdown", {}, at_once=True)
    await pair.connect()
    pair.publish("a")
    pair.link.release()
    await pair.arrived("a")


async def test_the_oldest_beyond_a_thousand_are_counted(pair: Pair) -> None:
    for number in range(KEPT_EVENTS + 7):
        pair.publish(f"e.{number}")
    await pair.connect()
    pair.link.release()
    await pair.arrived("launcher.resync", *(f"e.{number}" for number in range(7, KEPT_EVENTS + 7)))
    [resync] = [frame for frame in pair.hub.frames if frame.get("event") == "launcher.resync"]
    assert resync["data"] == {"lost": 7}
    await pair.lose()
    await pair.connect()
    pair.publish("later")
    pair.link.release()
    await pair.hub.until(lambda: pair.hub.events[-1] == "later")
    assert pair.hub.events.count("launcher.resync") == 1, "it is said once"


async def test_it_hears_what_modules_say_and_nothing_else(pair: Pair) -> None:
    import json

    await pair.connect()
    for subject in ("module.ready", "docs.changed", "module.shutdown.ack"):
        event = {"type": "event", "event": subject, "source": "m", "event_id": subject, "data": {}}
        await pair.hub.connections[-1].send(json.dumps(event))
    pair.link.release()
    pair.publish("a")
    await pair.arrived("a")  # its ack comes after the events
    await pair.link.drained()
    assert [event.event for event in pair.heard] == ["module.ready", "module.shutdown.ack"]
