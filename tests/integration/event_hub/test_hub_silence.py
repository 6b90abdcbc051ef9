"""A real Hub asks quiet modules for a sign of life and tells who is silent, in both forms."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable
from typing import Any, Self

import pytest
from fake_registry import FakeRegistry
from hub_forms import FORMS
from hub_socket import Connect, HubSocket, masked

from kite import pulse_reader
from kite.testing.hub import HubProcess
from kite.wire import loop_thread
from kite.wire.loop_thread import LoopThread

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


class Thread:
    """A thread of this process that waits in one way until it is let go."""

    def __init__(self, wait: Callable[[int], object]) -> None:
        self._end, self._other_end = os.pipe()
        self._thread = threading.Thread(target=wait, args=(self._end,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._other_end, b".")
        self._thread.join()
        os.close(self._end)
        os.close(self._other_end)

    @property
    def headers(self) -> dict[str, str]:
        """What a client says whose connection this thread reads from."""
        here = pulse_reader.loop_thread()
        assert here is not None
        native = self._thread.native_id
        assert native is not None
        named = LoopThread(namespace=here.namespace, process=here.process, thread=native)
        return {"Kite-Answers-Pings": "yes", loop_thread.HEADER: str(named)}


def wait_for_events(end: int) -> None:
    with select.epoll() as poll:
        poll.register(end, select.EPOLLIN)
        poll.poll()


def block(end: int) -> None:
    os.read(end, 1)


async def test_who_is_seen_to_wait_for_events_is_let_sleep(
    connect: Connect, registry: FakeRegistry, hub: HubProcess
) -> None:
    witness = await connect("witness")
    token = await registry.add("alpha")
    with Thread(wait_for_events) as thread:
        async with await HubSocket.connect(hub.port, token, headers=thread.headers) as module:
            for _ in range(3):
                witness.send_bytes(masked(await pinged(witness), PONG))
            module.send({"type": "subscribe", "events": ["x.>"], "id": 1})
            opcode, _ = await module.frame()
            assert opcode == 1, "a ping came before the ack"
            await pinged(module)  # once in a while, all the same


async def test_who_blocks_in_its_loop_is_asked_and_told_of(
    connect: Connect, registry: FakeRegistry, hub: HubProcess
) -> None:
    ear = await watcher(connect)
    token = await registry.add("alpha")
    with Thread(block) as thread:
        async with await HubSocket.connect(hub.port, token, headers=thread.headers) as module:
            await pinged(module)
            assert (await told(ear))["data"]["module_id"] == "alpha"


async def test_the_registry_learns_who_is_there(connect: Connect, registry: FakeRegistry) -> None:
    """It may have begun after they came, and its leases hang on it."""
    await connect("alpha", life=3)
    client = await connect("registry")
    client.send({"type": "subscribe", "events": ["hub.client.connected"], "id": 1})
    names = set()
    while names != {"alpha", "registry"}:
        event = await told(client)
        if event["type"] == "event":
            names.add(event["data"]["module_id"])
            assert event["data"]["connections"] == 1
            assert event["data"]["silent_within"] == 1.0


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
