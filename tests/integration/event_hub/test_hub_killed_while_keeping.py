"""The Hub is killed at random moments while events are kept and worked on: every event whose
publisher was told so is there, in order and once, and comes to its durable subscription; what was
settled and confirmed does not come again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fake_registry import FakeRegistry
from hub_socket import Closed, HubSocket

from kite.event_hub.store.chunk import checksum, unpack
from kite.event_hub.store.file import FILE
from kite.testing.hub import HubProcess

STREAMS = {"streams": {"docs": {"subjects": ["docs.>"]}}}
SEED = secrets.randbits(32)


class World:
    """What publisher and worker know for certain, over all lives of the Hub."""

    def __init__(self) -> None:
        self.sent = 0
        self.acked: dict[str, int] = {}
        self.confirmed: set[int] = set()
        self.seen: Counter[int] = Counter()
        self.came_again: list[int] = []
        self.ids: dict[int, str] = {}
        self.wanted: set[int] = set()
        self.has_all = asyncio.Event()

    async def publish(self, client: HubSocket, dice: random.Random) -> None:
        """Publish with acks until the connection breaks, some of it in one go."""
        with contextlib.suppress(Closed, ConnectionError):
            while True:
                burst = dice.choice([1, 1, 2, 10, 50])
                size = dice.choice([10, 300, 3_000])
                for _ in range(burst):
                    self.sent += 1
                    client.send(
                        {
                            "type": "event", "event": f"docs.{self.sent % 3}",
                            "event_id": f"e{self.sent}", "data": "x" * size, "ack": True,
                        }
                    )  # fmt: skip
                await client.writer.drain()
                for _ in range(burst):
                    frame = await client.read()
                    assert frame["type"] == "ack", frame
                    self.acked[frame["event_id"]] = frame["seq"]

    async def work(self, client: HubSocket) -> None:
        """Settle what comes, and believe it only once the Hub has said so."""
        with contextlib.suppress(Closed, ConnectionError):
            client.send(
                {"type": "subscribe", "events": [">"], "durable": "work", "start": "all", "id": "d"}
            )
            while True:
                frame = await client.read()
                if frame["type"] == "event":
                    seq = frame["seq"]
                    if seq in self.confirmed:
                        self.came_again.append(seq)
                    self.seen[seq] += 1
                    self.wanted.discard(seq)
                    if not self.wanted:
                        self.has_all.set()
                    self.ids[seq] = frame["event_id"]
                    client.send({"type": "ack", "durable": "work", "seq": seq, "id": seq})
                elif frame.get("id") != "d":
                    assert frame["type"] == "ack", frame
                    self.confirmed.add(frame["id"])


def kept(directory: Path) -> list[tuple[int, str]]:
    """The events in the file, read without a line of the Hub's own."""
    db = sqlite3.connect(directory / FILE)
    try:
        found = []
        for key, count, crc, data in db.execute("SELECT key, count, crc, data FROM chunks"):
            assert checksum(data) == crc
            first = key & ((1 << 44) - 1)
            for seq, payload in enumerate(unpack(data, count), first):
                found.append((seq, json.loads(payload)["event_id"]))
        return found
    finally:
        db.close()


def hub_in(directory: Path, registry: FakeRegistry) -> HubProcess:
    return HubProcess(
        registry.port,
        token=registry.hub_token,
        config=STREAMS,
        env={"KITE_MODULE_DATA": str(directory)},
    )


async def one_life(
    world: World, registry: FakeRegistry, directory: Path, dice: random.Random
) -> list[str]:
    hub = hub_in(directory, registry)
    async with contextlib.AsyncExitStack() as stack:
        await hub.__aenter__()
        try:
            clients = []
            for name in ("writer", "worker"):
                token = await registry.add(name)
                clients.append(
                    await stack.enter_async_context(await HubSocket.connect(hub.port, token))
                )
            writer, worker = clients
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(world.publish(writer, dice))
                tasks.create_task(world.work(worker))
                await asyncio.sleep(dice.uniform(0.0, 0.25))  # the moment is what is random
                await hub.kill()
        finally:
            await hub.__aexit__(None, None, None)
    return hub.errors


async def rounds(count: int, registry: FakeRegistry, directory: Path) -> World:
    dice, world = random.Random(SEED), World()
    for _ in range(count):
        said = await one_life(world, registry, directory, dice)
        assert not [line for line in said if "Traceback" in line], said
        found = kept(directory)
        assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
        by_id = {event_id: seq for seq, event_id in found}
        assert len(by_id) == len(found), "an event is kept twice"
        lost = {name: seq for name, seq in world.acked.items() if by_id.get(name) != seq}
        assert not lost, f"acknowledged and gone: {lost} (seed {SEED})"
        assert not world.came_again, (world.came_again, SEED)
    return world


async def finish(world: World, registry: FakeRegistry, directory: Path) -> None:
    """A last life in which the worker gets the rest."""
    last = max(seq for seq, _ in kept(directory))
    hub = hub_in(directory, registry)
    world.wanted, world.has_all = set(range(1, last + 1)) - world.seen.keys(), asyncio.Event()
    async with hub, await HubSocket.connect(hub.port, await registry.add("worker")) as client:
        task = asyncio.create_task(world.work(client))
        if world.wanted:
            async with asyncio.timeout(60):
                await world.has_all.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not world.came_again
    known: dict[str, Any] = dict(kept(directory))  # type: ignore[arg-type]
    assert all(known[seq] == event_id for seq, event_id in world.ids.items())


async def test_hub_killed_while_keeping(registry: FakeRegistry, tmp_path: Path) -> None:
    world = await rounds(8, registry, tmp_path)
    assert world.acked
    await finish(world, registry, tmp_path)


@pytest.mark.long
async def test_hub_killed_while_keeping_two_hundred_times(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    world = await rounds(200, registry, tmp_path)
    assert len(world.acked) > 1000
    await finish(world, registry, tmp_path)
