"""A client whose connection is torn at random moments, and one that comes back to another Hub."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from typing import Any

import pytest
from fake_registry import FakeRegistry
from hub_socket import Closed, Connect, HubSocket

from kite.testing.hub import HubProcess

SEED = secrets.randbits(32)


class Listener:
    """Hears numbers, and comes back for what it missed.

    Attributes:
        heard: every number that came.
        told: how often it was told that what it missed is not there.
    """

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.told = 0
        self.is_subscribed = asyncio.Event()
        self._resume: Any = True

    async def listen(self, client: HubSocket, until: int | None = None) -> None:
        """Subscribe, and hear what comes until the connection is torn or a number came."""
        client.send({"type": "subscribe", "events": ["n"], "id": "s", "resume": self._resume})
        with contextlib.suppress(Closed, ConnectionError):
            while not (until is not None and self.heard and self.heard[-1] >= until):
                frame = await client.read()
                if frame["type"] == "ack":
                    self.is_subscribed.set()
                    if frame.get("resumed") is False:
                        self.told += 1
                    if not isinstance(self._resume, dict) or not frame.get("resumed"):
                        self._resume = {key: frame[key] for key in ("epoch", "position")}
                else:
                    self.heard.append(frame["data"])
                    self._resume = {
                        "epoch": self._resume["epoch"],
                        "source": frame["source"],
                        "event_id": frame["event_id"],
                    }


async def torn(rounds: int, connect: Connect) -> None:
    dice, listener, writer = random.Random(SEED), Listener(), await connect("writer")
    sent = 0
    for _ in range(rounds):
        client = await connect("listener")
        task = asyncio.create_task(listener.listen(client))
        if not sent:  # what comes before the first subscription is nobody's
            await listener.is_subscribed.wait()
        for _ in range(dice.randrange(4)):
            for _ in range(dice.choice([1, 5, 60])):
                sent += 1
                writer.send(
                    {
                        "type": "event",
                        "event": "n",
                        "data": sent,
                        "body": "x" * dice.choice([9, 9000]),
                    }
                )
            await writer.publish("other", ack=True)
            await asyncio.sleep(dice.uniform(0, 0.005))  # the moment is what is random
        client.writer.transport.abort()
        await task
    client = await connect("listener")
    async with asyncio.timeout(30):
        await listener.listen(client, until=sent)
    assert listener.told == 0, SEED
    assert listener.heard == list(range(1, sent + 1)), SEED


async def test_a_client_that_is_torn_away_hears_everything_once(connect: Connect) -> None:
    await torn(30, connect)


@pytest.mark.long
async def test_a_client_that_is_torn_away_two_hundred_times(connect: Connect) -> None:
    await torn(200, connect)


async def test_who_comes_back_to_another_life_of_the_hub_is_told(registry: FakeRegistry) -> None:
    listener = Listener()
    for life in range(2):
        hub = HubProcess(registry.port, token=registry.hub_token)
        async with hub:
            await registry.registration()
            writer = await HubSocket.connect(hub.port, await registry.add("writer"))
            client = await HubSocket.connect(hub.port, await registry.add("listener"))
            async with writer, client:
                task = asyncio.create_task(listener.listen(client))
                await writer.publish("other")
                while not listener.heard:
                    await writer.publish("n", life)
                    await asyncio.sleep(0)
                await hub.kill()
                await task
        listener.heard.clear()
        assert listener.told == life
