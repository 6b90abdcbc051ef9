"""Whatever clients do, the Hub's memory stays bounded; afterwards it serves everybody else as before.

What is measured is the process's proportional set size. The bounds are several times what was
measured, and a fraction of what the same load would take if nothing held it back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hub_socket import Closed, Connect, HubSocket, masked

from kite.testing.hub import HubProcess

MIB = 1 << 20
ZERO = b"\0\0\0\0"


def pss(pid: int) -> int:
    """Bytes of memory that the process has for itself."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    raise AssertionError("the kernel says nothing about the process's memory")


async def falls_below(pid: int, limit: int) -> None:
    """Wait until the process has given memory back."""
    async with asyncio.timeout(20):
        while pss(pid) >= limit:  # noqa: ASYNC110  (another process's memory: nobody tells)
            await asyncio.sleep(0.1)


@pytest.fixture
async def growth(hub: HubProcess, connect: Connect) -> AsyncIterator[Any]:
    """How much the Hub has grown; at the end it must serve a newcomer."""
    warm = await connect("warm")
    await warm.subscribe("warm")
    warm.send({"type": "event", "event": "warm", "data": "x" * 1000})
    await warm.read()
    before = pss(hub.pid)
    yield lambda: pss(hub.pid) - before
    newcomer = await connect("newcomer")
    assert (await newcomer.publish("warm"))["delivered"] == 1


def event(subject: str, number: int, body: str = "") -> bytes:
    text = json.dumps({"type": "event", "event": subject, "data": number, "body": body})
    return masked(text.encode(), mask=ZERO)


async def send(client: HubSocket, *frames: bytes) -> None:
    for frame in frames:
        client.send_bytes(frame)
    await client.writer.drain()


async def barrier(client: HubSocket) -> None:
    """What was sent has been worked through."""
    client.send({"type": "unsubscribe", "events": ["never.was"], "id": "barrier"})
    while (await client.read(timeout=30)).get("id") != "barrier":
        pass


@pytest.mark.parametrize("overflow", ["hold", "drop_oldest"])
async def test_readers_that_never_read(
    hub: HubProcess, connect: Connect, growth: Any, overflow: str
) -> None:
    readers = [await connect(f"r{n}", receive_buffer=8192) for n in range(10)]
    for reader in readers:
        await reader.subscribe("a", overflow=overflow)
        reader.writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer = await connect("writer")
    await send(writer, *(event("a", n, "x" * 16_000) for n in range(4000)))
    await barrier(writer)
    assert growth() < 10 * 4 * MIB + 32 * MIB
    if overflow == "drop_oldest":
        for reader in readers:
            reader.writer.transport.resume_reading()  # type: ignore[attr-defined]
            frames = [await reader.read()]
            while frames[-1].get("data") != 3999:
                frames.append(await reader.read())
            missed = sum(frame["missed"] for frame in frames if frame["type"] == "gap")
            got = [frame["data"] for frame in frames if frame["type"] == "event"]
            assert missed > 0
            assert len(got) + missed == 4000
            assert got == sorted(got)


async def test_handshakes_that_never_end(hub: HubProcess, growth: Any) -> None:
    head = b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Filler: " + b"x" * 14_000
    opened = []
    for _ in range(600):
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(head)
        opened.append((reader, writer))
    assert growth() < 64 * MIB
    for reader, writer in opened:
        async with asyncio.timeout(20):  # each ends by itself: refused, or out of time
            try:
                while await reader.read(65536):
                    pass
            except ConnectionError:
                pass
        writer.close()
    assert growth() < 64 * MIB


async def test_big_messages_leave_no_big_buffers(
    hub: HubProcess, connect: Connect, growth: Any
) -> None:
    """A hundred connections that each once sent a message as long as may be, and stay."""
    big = event("nobody.listens", 1, "x" * (MIB - 200))
    clients = []
    for _ in range(100):
        client = await connect("big")
        await send(client, big)
        await barrier(client)
        clients.append(client)
    await falls_below(hub.pid, pss(hub.pid) - growth() + 48 * MIB)
    for client in clients[:5]:
        await send(client, big)
        assert (await client.publish("after"))["delivered"] == 0


async def test_a_new_parser_loses_nothing(connect: Connect) -> None:
    """Long messages, silences, halves and controls in turn: every one arrives, in order."""
    reader, writer = await connect("reader"), await connect("writer")
    await reader.subscribe("a")
    bodies = ["x" * size for size in (100, 300_000, 10, 1_000_000, 70_000, 20)]
    for number, body in enumerate(bodies * 2):
        frame = event("a", number, body)
        half = len(frame) // 2
        await send(writer, frame[:half])
        if number in (1, 3):
            await asyncio.sleep(1.2)  # what is tested: a silence in the middle of a message
        await send(writer, frame[half:], masked(b"ping", opcode=9))
        got = await reader.read()
        assert (got["data"], got["body"]) == (number, body)
        if number % 3 == 0:
            await asyncio.sleep(2.2)  # and one between two, after which the buffer is taken back
    for _ in bodies * 2:
        while (frame := await writer.frame())[0] == 9:
            pass  # the Hub's own, as the writer was silent for long
        assert frame == (10, b"ping")


@pytest.mark.parametrize("hub", [{"limits": {"input_bytes": 8 * MIB}}], indirect=True)
@pytest.mark.parametrize("fragmented", [False, True])
async def test_messages_that_never_end(
    hub: HubProcess, connect: Connect, growth: Any, fragmented: bool
) -> None:
    """The beginnings of all messages together are bounded; the oldest give way to newer ones."""
    if fragmented:
        piece = masked(b"x" * 60_000, opcode=0, fin=False, mask=ZERO)
        beginning = masked(b'{"type":', fin=False, mask=ZERO) + piece * 15
    else:
        beginning = masked(b"x" * 900_000, mask=ZERO)[:-1]
    clients = []
    for _ in range(60):
        client = await connect("endless")
        await send(client, beginning)
        clients.append(client)
    # A message that is whole at once needs no more than a moment.
    fine = await connect("fine")
    await send(fine, event("a", 1, "x" * 900_000))
    await barrier(fine)
    assert growth() < 48 * MIB
    first = await clients[0].closed()
    assert (first.code, first.reason) == (1013, "too many unfinished messages")


async def test_frames_that_promise_too_much_and_fragments_of_a_byte(
    hub: HubProcess, connect: Connect, growth: Any
) -> None:
    for size in (MIB + 1, 1 << 31, 1 << 62):
        client = await connect("liar")
        client.send_bytes(b"\x81\xff" + size.to_bytes(8, "big") + ZERO)
        assert (await client.closed()).code == 1009
    crumbs = await connect("crumbs")
    crumb = masked(b"x", opcode=0, fin=False, mask=ZERO)
    crumbs.send_bytes(masked(b"", fin=False))
    for _ in range(40):
        await send(crumbs, crumb * 5000)
    crumbs.send_bytes(masked(b"", opcode=9))
    assert await crumbs.frame(timeout=30) == (10, b"")
    assert growth() < 16 * MIB


async def test_floods_of_subscriptions(hub: HubProcess, connect: Connect, growth: Any) -> None:
    refused = 0
    for n in range(20):
        client = await connect(f"c{n}")
        for start in range(0, 6000, 1000):
            patterns = [f"flood.{n}.*.{i}.a.b.c.d.>" for i in range(start, start + 1000)]
            answer = await client.call({"type": "subscribe", "events": patterns, "id": start})
            refused += answer.get("code") == "too_many_subscriptions"
    assert refused
    assert growth() < 256 * MIB


async def test_a_hundred_thousand_subjects(hub: HubProcess, connect: Connect, growth: Any) -> None:
    reader, writer = await connect("reader"), await connect("writer")
    await reader.subscribe("s.>")
    for start in range(0, 100_000, 1000):
        numbers = range(start, start + 1000)
        await send(writer, *(event(f"s.{n}.{n * 7}", n) for n in numbers))
        # In step: a reader that falls behind on a slow machine would be cut, as it should.
        assert [(await reader.read(timeout=30))["data"] for _ in numbers] == list(numbers)
    assert growth() < 48 * MIB


async def test_requests_that_nobody_answers(hub: HubProcess, connect: Connect, growth: Any) -> None:
    deaf = await connect("deaf")
    await deaf.subscribe("do", overflow="drop_oldest")
    deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
    askers = [await connect(f"a{n}") for n in range(5)]
    for asker in askers:
        name = f"a{askers.index(asker)}"
        for start in range(0, 20_000, 1000):
            frames = (
                {"type": "event", "event": "do", "reply_to": f"_reply.{name}.{n}"}
                for n in range(start, start + 1000)
            )
            await send(asker, *(masked(json.dumps(f).encode(), mask=ZERO) for f in frames))
        await barrier(asker)
    assert growth() < 64 * MIB
    deaf.writer.transport.abort()
    error = await askers[-1].read()
    assert error["code"] == "responder_lost"


async def test_closed_connections_leave_nothing_but_their_figures(
    hub: HubProcess, connect: Connect, growth: Any
) -> None:
    for _ in range(300):
        client = await connect("passer")
        await client.subscribe("a.b", "c.*", "d.>", queue="q")
        await client.publish("e")
        client.send_bytes(masked((1000).to_bytes(2, "big"), opcode=8))
        with pytest.raises(Closed):
            await client.read()
    assert growth() < 16 * MIB
