"""A real Hub asks quiet modules for a sign of life and tells who is silent, in both forms."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fake_registry import FakeRegistry
from hub_forms import FORMS
from hub_socket import Connect, HubSocket, masked

from kite.testing.hub import HubProcess

QUICK = [{"limits": {"silence_seconds": 0.6}, "hot_path": form} for form in FORMS]
PING, PONG = 9, 10

pytestmark = pytest.mark.parametrize("hub", QUICK, indirect=True, ids=FORMS)


async def pinged(client: HubSocket) -> bytes:
    """Wait for a ping; its payload."""
    while True:
        opcode, payload = await client.frame()
        if opcode == PING:
            return payload


async def watcher(connect: Connect) -> HubSocket:
    """Somebody who hears who is silent, and answers pings."""
    client = await connect("watcher")
    await client.subscribe("hub.client.silent", "hub.client.responsive")
    return client


async def told(client: HubSocket) -> dict[str, Any]:
    """The next event; pings are answered meanwhile."""
    import json

    while True:
        opcode, payload = await client.frame()
        if opcode == PING:
            client.send_bytes(masked(payload, PONG))
        elif opcode == 1:
            found: dict[str, Any] = json.loads(payload)
            return found


async def test_who_falls_silent_is_told_and_not_cut(connect: Connect) -> None:
    ear = await watcher(connect)
    module = await connect("alpha", life=3)
    module.send_bytes(masked(await pinged(module), PONG))
    await pinged(module)
    event = await told(ear)
    assert event["event"] == "hub.client.silent"
    assert event["source"] == "event_hub"
    seconds = event["data"].pop("seconds")
    assert seconds >= 0.5
    assert event["data"].pop("connection") > 0
    assert event["data"] == {
        "module_id": "alpha",
        "life": 3,
        "connections": 1,
        "answering": 1,
        "silent": 1,
        "silent_within": 1.0,
    }
    module.send_bytes(masked(b"", PONG))
    event = await told(ear)
    assert event["event"] == "hub.client.responsive"
    assert event["data"]["silent"] == 0
    await module.publish("alpha.lives")


async def test_any_word_of_a_silent_module_makes_it_responsive(connect: Connect) -> None:
    ear = await watcher(connect)
    module = await connect("alpha")
    module.send_bytes(masked(await pinged(module), PONG))
    assert (await told(ear))["event"] == "hub.client.silent"
    module.send({"type": "event", "event": "alpha.lives", "data": 1})
    assert (await told(ear))["event"] == "hub.client.responsive"


async def test_who_subscribes_later_hears_who_is_silent_already(connect: Connect) -> None:
    ear = await watcher(connect)
    module = await connect("alpha")
    module.send_bytes(masked(await pinged(module), PONG))
    first = await told(ear)
    late = await connect("late")
    late.send({"type": "subscribe", "events": ["hub.client.silent"], "id": 1})
    again = await told(late)
    if again["type"] == "ack":
        again = await told(late)
    assert again["event"] == "hub.client.silent"
    assert again["data"]["connection"] == first["data"]["connection"]


async def test_who_answers_and_who_never_has_are_not_told_of(connect: Connect) -> None:
    ear = await watcher(connect)
    mute = await connect("mute")  # a client that knows no pings
    await pinged(mute)
    module = await connect("alpha")
    for _ in range(6):
        module.send_bytes(masked(await pinged(module), PONG))
    other = await connect("zulu")  # the first who may be told of
    other.send_bytes(masked(await pinged(other), PONG))
    stays = asyncio.create_task(_answers(module))
    assert (await told(ear))["data"]["module_id"] == "zulu"
    stays.cancel()


async def _answers(client: HubSocket) -> None:
    while True:
        client.send_bytes(masked(await pinged(client), PONG))


async def test_a_client_that_says_so_is_believed(
    connect: Connect, registry: FakeRegistry, hub: HubProcess
) -> None:
    """It hangs before it has answered anything."""
    ear = await watcher(connect)
    token = await registry.add("alpha")
    headers = {"Kite-Answers-Pings": "yes"}
    async with await HubSocket.connect(hub.port, token, headers=headers) as _:
        assert (await told(ear))["data"]["module_id"] == "alpha"


async def test_pages_and_the_operator_are_not_asked(
    connect: Connect, registry: FakeRegistry, hub: HubProcess
) -> None:
    operator = await connect("operator")
    module = await connect("alpha")
    for _ in range(4):
        module.send_bytes(masked(await pinged(module), PONG))
    operator.send({"type": "subscribe", "events": ["x.>"], "id": 1})
    opcode, _ = await operator.frame()
    assert opcode == 1, "a ping came before the ack"
