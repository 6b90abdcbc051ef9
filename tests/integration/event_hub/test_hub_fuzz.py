"""Random bytes and random frames for a bounded time: the Hub stays, and so do the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import time

from fake_registry import FakeRegistry
from hub_socket import Closed, HubSocket, masked

from conftest import Connect
from kite.testing.hub import HubProcess

SECONDS = float(os.environ.get("KITE_FUZZ_SECONDS", "4"))
WORDS = [
    "type", "event", "subscribe", "unsubscribe", "events", "id", "ack", "data", "queue", "echo", "event_id",
    "source", "reply_to", "headers", "a", "a.b", ">", "*", "_reply.fuzz.1", "module.ready", "",
]  # fmt: skip


def value(chance: random.Random, depth: int = 0) -> object:
    kind = chance.randrange(8 if depth < 4 else 5)
    if kind < 2:
        return chance.choice(WORDS)
    if kind < 5:
        return chance.choice([None, True, False, 0, -1, 1e300, 2**70, "\ud800", "\u0000", "鸢"])
    if kind < 7:
        return {chance.choice(WORDS): value(chance, depth + 1) for _ in range(chance.randrange(5))}
    return [value(chance, depth + 1) for _ in range(chance.randrange(5))]


def text(chance: random.Random) -> bytes:
    found: object = value(chance)
    if chance.random() < 0.7:
        found = {
            "type": chance.choice(["event", "subscribe", "unsubscribe", "event"]),
            "event": chance.choice(WORDS), "events": [chance.choice(WORDS)], "id": chance.randrange(99),
            **(found if isinstance(found, dict) else {}),
        }  # fmt: skip
    data = bytearray(json.dumps(found).encode())
    for _ in range(chance.choice([0, 0, 0, 1, 3])):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def garbage(chance: random.Random) -> bytes:
    kind = chance.random()
    if kind < 0.75:
        return masked(text(chance))
    if kind < 0.85:
        return masked(text(chance), opcode=chance.randrange(16), fin=chance.random() < 0.5)
    if kind < 0.95:
        data = bytearray(masked(text(chance)))
        data[chance.randrange(min(len(data), 8))] = chance.randrange(256)
        return bytes(data)
    return chance.randbytes(chance.randrange(200))


async def test_random_frames_for_a_while(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    steady_reader, steady_writer = await connect("reader"), await connect("writer")
    await steady_reader.subscribe("steady")
    token = await registry.add("fuzz")
    until = time.monotonic() + SECONDS
    rounds = answers = 0

    async def one() -> None:
        nonlocal rounds, answers
        while time.monotonic() < until:
            rounds += 1
            async with await HubSocket.connect(hub.port, token) as client:
                with contextlib.suppress(Closed, ConnectionError, TimeoutError, UnicodeDecodeError):
                    for _ in range(40):
                        client.send_bytes(garbage(chance))
                    await client.writer.drain()
                    while True:
                        await client.read(timeout=0.05)
                        answers += 1

    async def steady() -> int:
        count = 0
        while time.monotonic() < until:
            count += 1
            ack = await steady_writer.publish("steady", count)
            assert ack["delivered"] >= 1, f"seed {seed}"  # somebody fuzzed may subscribe to `>`
            assert (await steady_reader.read())["data"] == count, f"seed {seed}"
            await asyncio.sleep(0.01)
        return count

    async with asyncio.TaskGroup() as tasks:
        steadily = tasks.create_task(steady())
        for work in (one(), one(), handshakes(hub.port, chance, until)):
            tasks.create_task(work)
    count = steadily.result()
    assert rounds > 5
    assert answers > 50
    assert count > 10
    assert hub.process.returncode is None, f"seed {seed}"
    assert not [line for line in hub.errors if "failed" in line], f"seed {seed}: {hub.errors}"


async def handshakes(port: int, chance: random.Random, until: float) -> None:
    """Half of a request, or one with bytes changed."""
    good = (
        f"GET /ws?token=x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()
    while time.monotonic() < until:
        data = bytearray(good)
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bytes(data[: chance.randrange(1, len(data) + 1)]))
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(0.05):
                await reader.read()
        writer.close()
