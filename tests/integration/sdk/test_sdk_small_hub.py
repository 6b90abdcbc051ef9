"""The SDK against a hub of another make: order of the conversation, losses, refusals."""

from __future__ import annotations

import asyncio

import pytest
from small_hub import SmallHub, SmallRegistry

from kite import Module
from kite.errors import PeerError, RequestError, Unavailable
from kite.sdk.connection import HubConnection, Lost
from kite.wire.frame import Event

TOKEN = "a" * 64


async def test_the_conversation_has_the_order_of_the_contract(hub, registry, start) -> None:
    module = Module()
    module.handle("work")(lambda request: request.data)
    await start(module)
    await hub.hear("module.ready")
    assert [frame["type"] for frame in hub.frames] == ["subscribe", "subscribe", "event"]
    assert hub.frames[0]["events"][0] == "module.shutdown"
    assert hub.frames[1]["events"] == ["work"]
    assert hub.frames[1]["queue"] == "worker"
    ready = hub.frames[2]
    assert (ready["event"], ready["data"]) == ("module.ready", {"module_id": "worker", "life": 3})
    assert [call for call, _ in registry.calls] == [
        "GET /get/event_hub.metadata.ws_endpoint",
        "POST /modules",
    ]
    assert registry.entries["worker"]["events_subscribe"] == ["work"]


async def test_module_that_offers_nothing_does_not_register(hub, registry, start) -> None:
    module = Module()
    module.on("tick")(lambda event: None)
    await start(module)
    assert registry.entries == {}


async def test_fifty_modules_are_back_soon_after_the_hub(hub, registry, start) -> None:
    modules = [Module() for _ in range(50)]
    seen: list[int] = []
    for number, module in enumerate(modules):
        module.on("roll.call", queue=f"own-{number}")(lambda event, n=number: seen.append(n))
    for module in modules:
        await start(module)
    await hub.stop()
    hub.heard.clear()
    await hub.start()
    await hub.hear("module.ready", count=50)
    assert await hub.publish("roll.call") == 50
    async with asyncio.timeout(5):
        while len(seen) < 50:  # noqa: ASYNC110  (fifty handlers, one list)
            await asyncio.sleep(0.01)
    assert sorted(seen) == list(range(50))


async def test_events_published_while_the_hub_is_away_arrive_in_order(hub, registry, start) -> None:
    module = Module()
    await start(module)
    await hub.stop()
    async with asyncio.timeout(5):
        while module._running.link.connection.is_open:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for number in range(100):
        module.publish("count", number)
    acked = asyncio.create_task(module.publish_acked("fact", timeout=10))
    asked = asyncio.create_task(module.request("nobody.home", timeout=10))
    await hub.start()
    assert (await acked).duplicate is False
    with pytest.raises(RequestError) as nobody:
        await asked
    assert nobody.value.code == "no_responders"
    counted = await hub.hear("count", count=100)
    assert [event["data"] for event in counted] == list(range(100))
    assert len({event["event_id"] for event in hub.heard}) == len(hub.heard)


async def test_ack_lost_with_the_connection_is_asked_for_again_under_the_same_id(
    hub, registry, start
) -> None:
    module = Module()
    await start(module)
    hub.silent_acks = True
    acked = asyncio.create_task(module.publish_acked("fact", timeout=10))
    (fact,) = await hub.hear("fact")
    hub.silent_acks = False
    for connection in list(hub.connections):
        connection.transport.abort()
    published = await acked
    assert published.duplicate
    assert published.event_id == fact["event_id"]
    assert len([one for one in hub.heard if one["event"] == "fact"]) == 1


async def test_registry_that_forgot_is_told_again(hub, registry: SmallRegistry, start) -> None:
    registry.ttl = 0.3
    module = Module()
    module.register(type="agent", tools=[{"name": "look"}])
    await start(module)
    await registry.until(lambda: registry.count("heartbeat") >= 2)
    await registry.stop()
    registry.entries.clear()
    await asyncio.sleep(0.25)
    await registry.start()
    await registry.until(lambda: "worker" in registry.entries)
    assert registry.entries["worker"]["tools"] == [{"name": "look"}]
    beats = registry.count("heartbeat")
    await registry.until(lambda: registry.count("heartbeat") > beats)
    assert len([one for one in hub.heard if one["event"] == "module.ready"]) == 1


async def test_503_is_tried_again_and_401_is_final(hub: SmallHub, registry, start, caplog) -> None:
    module = Module()
    stopped = []
    module.on_stop(lambda: stopped.append(True))
    hub.answer = 503
    task = await start(module, wait=False)
    async with asyncio.timeout(10):
        while hub.handshakes < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not task.done()
    hub.answer = None
    await hub.hear("module.ready")
    hub.tokens.clear()
    for connection in list(hub.connections):
        await connection.close(4401, "token is dead")
    async with asyncio.timeout(10):
        assert await task == 6
    assert stopped == [True]
    assert "the token is missing or not known" in caplog.text
    assert TOKEN not in caplog.text


async def test_refused_subscription_ends_the_module_and_says_why(
    hub, registry, start, caplog
) -> None:
    hub.refused_patterns.add("secrets.>")
    module = Module()
    module.on("secrets.>")(lambda event: None)
    task = await start(module)
    async with asyncio.timeout(5):
        assert await task == 2
    assert "worker may not subscribe to that" in caplog.text


async def test_connection_is_told_apart_by_status_and_close_code(hub: SmallHub) -> None:
    lost: list[Lost] = []
    events: list[Event] = []
    gone = asyncio.Event()

    def on_lost(how: Lost) -> None:
        lost.append(how)
        gone.set()

    async def opened() -> HubConnection:
        gone.clear()
        return await HubConnection.open(
            hub.endpoint, TOKEN, on_event=events.append, on_lost=on_lost, timeout=5
        )

    for answer, kind, code in (
        (401, PeerError, "unauthorized"),
        (403, PeerError, "handshake_failed"),
        (404, PeerError, "handshake_failed"),
        (503, Unavailable, "not_ready"),
    ):
        hub.answer = answer
        with pytest.raises(kind) as refused:
            await opened()
        assert refused.value.code == code
    hub.answer = None
    connection = await opened()
    (peer,) = hub.connections
    await connection.subscribe(["a.>"])
    # Fragments, whatever the cuts, are one event; a ping is answered; nonsense is passed over.
    text = '{"type":"event","event":"a.ö","data":"' + "ü" * 5000 + '"}'
    await peer.send([text[:3], text[3:4000], text[4000:]])
    await peer.send("no json")
    await peer.send('{"type":"of tomorrow"}')
    await peer.send(b"\x00binary")
    await (await peer.ping())
    await peer.send('{"type":"event","event":"a.b","data":1}')
    acked = await connection.publish_acked(Event(event="x", source="worker", event_id="1"))
    assert acked.delivered == 0
    assert [event.event for event in events] == ["a.ö", "a.b"]
    assert len(events[0].data) == 5000
    assert connection.ignored == 2
    await peer.send('{"type":"error","code":"slow_consumer","message":"m","missed":7}')
    await peer.close(1013, "too slow")
    await asyncio.wait_for(gone.wait(), 5)
    assert (lost[-1].code, lost[-1].reason) == (1013, "too slow")
    assert lost[-1].error is not None
    assert lost[-1].error.missed == 7
    with pytest.raises(Unavailable) as closed:
        connection.publish(Event(event="x"))
    assert closed.value.code == "connection_lost"

    connection = await opened()
    waiting = asyncio.create_task(connection.publish_acked(Event(event="x", event_id="2")))
    hub.silent_acks = True
    await hub.hear("x", count=2)
    for peer in list(hub.connections):
        peer.transport.abort()
    with pytest.raises(Unavailable) as cut:
        await waiting
    assert cut.value.code == "connection_lost"
    await asyncio.wait_for(gone.wait(), 5)
    assert lost[-1].code == 1006

    connection = await opened()
    await connection.close()
    assert lost[-1].code == 1000
    assert not connection.is_open


async def test_opening_can_be_given_up() -> None:
    held: list[asyncio.StreamWriter] = []
    closed = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        closed.set()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    endpoint = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
    with pytest.raises(Unavailable) as slow:
        await HubConnection.open(endpoint, TOKEN, on_event=print, timeout=0.2)
    assert slow.value.code == "unreachable"
    await asyncio.wait_for(closed.wait(), 5)
    closed.clear()
    opening = asyncio.create_task(HubConnection.open(endpoint, TOKEN, on_event=print))
    async with asyncio.timeout(5):
        while len(held) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.wait_for(closed.wait(), 5)
    server.close()
    await server.wait_closed()
    with pytest.raises(Unavailable) as nobody:
        await HubConnection.open(endpoint, TOKEN, on_event=print)
    assert nobody.value.code == "unreachable"
    with pytest.raises(PeerError) as wrong:
        await HubConnection.open(endpoint, "no token", on_event=print)
    assert wrong.value.code == "unauthorized"


async def test_publishing_more_than_the_hub_takes_waits_in_drained(hub, registry, start) -> None:
    module = Module()
    await start(module)
    (peer,) = hub.connections
    peer.transport.pause_reading()
    text = "x" * 10_000

    def publish_until_refused() -> None:
        for _ in range(20_000):
            module.publish("much", text)

    with pytest.raises(Unavailable) as full:
        publish_until_refused()
    assert full.value.code == "publish_queue_full"
    drained = asyncio.create_task(module.drained())
    await asyncio.sleep(0)
    assert not drained.done()
    peer.transport.resume_reading()
    async with asyncio.timeout(30):
        await drained
    module.publish("more")
    await hub.hear("more", seconds=30)
