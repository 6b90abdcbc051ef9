"""Broken frames of every kind for a bounded time: the Hub stays, and other clients' streams stay exact."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import json
import os
import random
import time
from collections import Counter

from fake_registry import FakeRegistry
from fuzzing import garbage, half_a_request, pieces, plain, whole
from hub_forms import in_both_forms
from hub_socket import Closed, Connect, HubSocket, masked

from kite.testing.hub import HubProcess

SECONDS = float(os.environ.get("KITE_FUZZ_SECONDS", "3"))
FUZZERS = 3
ROUND = 60
"""Frames that one hostile connection sends."""


class Attack:
    """Hostile clients of one module, each on one connection after the other.

    Attributes:
        rounds: connections that were made.
        heard: what the Hub said to them, by the code of the error, or by type.
    """

    def __init__(self, port: int, token: str, seed: int) -> None:
        self.port = port
        self.token = token
        self.seed = seed
        self.until = time.monotonic() + SECONDS
        self.rounds = 0
        self.heard: Counter[str] = Counter()

    async def frames(self, number: int) -> None:
        chance = random.Random(f"{self.seed} {number}")
        while time.monotonic() < self.until:
            self.rounds += 1
            async with (
                await HubSocket.connect(self.port, self.token) as client,
                asyncio.TaskGroup() as tasks,
            ):
                hearing = tasks.create_task(self._hear(client))
                await self._send(client, chance)
                if chance.random() < 0.5:  # the others leave in the middle of it all
                    await hearing
                hearing.cancel()

    async def _send(self, client: HubSocket, chance: random.Random) -> None:
        with contextlib.suppress(ConnectionError):
            for _ in range(ROUND):
                for piece in pieces(chance, garbage(chance)):
                    client.send_bytes(piece)
                    await client.writer.drain()
            try:
                client.writer.write_eof()
            except OSError as gone:
                if gone.errno != errno.ENOTCONN:  # the Hub has ended the connection already
                    raise

    async def _hear(self, client: HubSocket) -> None:
        with contextlib.suppress(Closed, ConnectionError):
            while True:
                frame = await client.read(timeout=60)
                self.heard[frame.get("code", frame["type"])] += 1

    async def handshakes(self) -> None:
        chance = random.Random(f"{self.seed} handshakes")
        while time.monotonic() < self.until:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(half_a_request(chance, self.port))
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(0.05):
                    await reader.read()
            writer.close()


async def odd(client: HubSocket, chance: random.Random, until: float) -> int:
    """Publish numbers in valid frames of any framing and spelling; every ping has its answer."""
    for count in itertools.count(1):
        frame = {
            "type": "event",
            "event": "steady.odd",
            "data": count,
            "ack": True,
            "x": "鸢\n" * 9,
        }
        keys = chance.sample(list(frame), len(frame))
        spelt = json.dumps(
            {key: frame[key] for key in keys},
            indent=chance.choice([None, 1]),
            ensure_ascii=chance.random() < 0.5,
        )
        mark = str(count).encode()
        ping = masked(mark, opcode=9)
        for piece in pieces(
            chance, ping + whole(chance, spelt.encode(), between=masked(b"", opcode=10)) + ping
        ):
            client.send_bytes(piece)
            await client.writer.drain()
        heard: list[tuple[int, bytes]] = []
        while len(heard) < 3:
            if (frame_heard := await client.frame())[0] != 9:  # the Hub asks who is quiet for long
                heard.append(frame_heard)
        assert [each for each in heard if each[0] == 10] == [(10, mark), (10, mark)]
        [ack] = [json.loads(payload) for opcode, payload in heard if opcode == 1]
        assert ack["type"] == "ack", ack
        if time.monotonic() > until:
            return count
    raise AssertionError


async def fast(client: HubSocket, chance: random.Random, until: float) -> int:
    """Publish numbers in runs such as pass on the compiled lane, each followed by an ack."""
    count = 0
    while time.monotonic() < until:
        run = range(count, count + chance.randint(1, 60))
        data = b"".join(masked(plain("fast", "steady.fast", n, n + 1)) for n in run)
        for piece in pieces(chance, data):
            client.send_bytes(piece)
        count += len(run)
        assert (await client.publish("elsewhere"))["type"] == "ack"
    return count


@in_both_forms
async def test_broken_frames_for_a_while(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    reader = await connect("reader")
    await reader.subscribe("steady.*")
    # They may not speak on the subject that is watched; everything else is theirs to try.
    token = await registry.add("fuzz", publish=["a", "a.>", "fuzz.>", "module.>", "launcher.>"])
    attack = Attack(hub.port, token, seed)
    writers = {"odd": odd, "fast": fast}
    expected: dict[str, int] = {}
    seen: dict[str, list[int]] = {name: [] for name in writers}

    async def write(name: str) -> None:
        client = await connect(name)
        expected[name] = await writers[name](client, random.Random(f"{seed} {name}"), attack.until)
        assert (await client.publish("steady.end"))["type"] == "ack"

    async def read() -> None:
        ended = 0
        while ended < len(writers):
            event = await reader.read(timeout=60)
            if event["event"] == "steady.end":
                ended += 1
            else:
                assert event["event"] == f"steady.{event['source']}"
                seen[event["source"]].append(event["data"])

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            for name in writers:
                tasks.create_task(write(name))
            for number in range(FUZZERS):
                tasks.create_task(attack.frames(number))
            tasks.create_task(attack.handshakes())
        assert seen == {name: list(range(1, count + 1)) for name, count in expected.items()}
        assert min(expected.values()) > 10
        assert attack.rounds >= FUZZERS
        assert {"ack", "malformed_json"} <= set(attack.heard)
        assert hub.process.returncode is None
        assert not [line for line in hub.errors if "failed" in line]
    except BaseException as failure:
        failure.add_note(
            f"seed {seed}, the attackers heard {attack.heard}, the hub said {hub.errors}"
        )
        raise
