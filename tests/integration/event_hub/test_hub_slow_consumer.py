"""Backpressure over real sockets: who is held, who is cut, and that nobody else suffers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from flooding import collect, flood
from hub_socket import Closed, Connect, HubSocket, masked

from kite.testing.hub import HubProcess

SMALL = 8 << 10
CONFIG = {"limits": {"outbox_bytes": 256 << 10}}


@pytest.mark.parametrize("hub", [CONFIG], indirect=True)
async def test_a_stuck_reader_is_cut_alone_and_told_how_much_it_missed(
    hub: HubProcess, connect: Connect
) -> None:
    count = 3000
    stuck = await connect("stuck", receive_buffer=SMALL)
    fine, observer, writer = [await connect(name) for name in ("fine", "observer", "writer")]
    await stuck.subscribe("a")
    await fine.subscribe("a")
    await observer.subscribe("hub.slow_consumer")
    stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
    started = time.monotonic()
    flooding = asyncio.create_task(flood(writer, "a", range(count)))
    assert await collect(fine, count) == list(range(count))
    assert 1.9 < time.monotonic() - started < 6  # held back for two seconds, then no more
    await flooding
    told = await observer.read()
    assert (told["event"], told["source"]) == ("hub.slow_consumer", "event_hub")
    assert told["data"]["module_id"] == "stuck"
    # It wakes up: what had been written, then why it is out, with the exact count.
    stuck.writer.transport.resume_reading()  # type: ignore[attr-defined]
    got: list[int] = []
    error: dict[str, Any] = {}
    while error.get("code") != "slow_consumer":
        error = await stuck.read()
        if error["type"] == "event":
            got.append(error["data"])
    with pytest.raises(Closed) as caught:
        await stuck.read()
    assert caught.value.code == 1013
    assert error["code"] == "slow_consumer"
    assert got == list(range(len(got)))
    # What came after the cut was not meant for it any more.
    assert 0 < error["missed"] <= count - len(got)
    assert told["data"]["missed"] == error["missed"]
    assert (await writer.publish("a", "after"))["delivered"] == 1


@pytest.mark.parametrize("hub", [CONFIG], indirect=True)
async def test_a_reader_that_pauses_for_a_moment_loses_nothing(
    hub: HubProcess, connect: Connect
) -> None:
    count = 1500
    bursty = await connect("bursty", receive_buffer=SMALL)
    writer = await connect("writer")
    await bursty.subscribe("a")
    flooding = asyncio.create_task(flood(writer, "a", range(count)))
    got = await collect(bursty, 100)
    await asyncio.sleep(1.2)  # what is tested: a pause that is shorter than allowed
    got += await collect(bursty, count - 100)
    assert got == list(range(count))
    await flooding


@pytest.mark.parametrize("hub", [CONFIG], indirect=True)
async def test_who_does_not_feed_the_stuck_reader_is_not_held(
    hub: HubProcess, connect: Connect
) -> None:
    stuck = await connect("stuck", receive_buffer=SMALL)
    await stuck.subscribe("a")
    stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer, innocent, reader = [await connect(name) for name in ("writer", "innocent", "reader")]
    await reader.subscribe("b")
    flooding = asyncio.create_task(flood(writer, "a", range(20_000)))
    latencies = []
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        started = time.monotonic()
        await innocent.publish("b")
        await reader.read()
        latencies.append(time.monotonic() - started)
    assert sorted(latencies)[len(latencies) // 2] < 0.1
    assert not flooding.done()
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)


@pytest.mark.parametrize("hub", [CONFIG], indirect=True)
async def test_a_held_publisher_goes_on_when_the_reader_reads_again(
    hub: HubProcess, connect: Connect
) -> None:
    reader, writer = await connect("reader", receive_buffer=SMALL), await connect("writer")
    await reader.subscribe("a")
    flooding = asyncio.create_task(flood(writer, "a", range(1000)))
    assert await collect(reader, 1000) == list(range(1000))
    await flooding
    assert (await writer.publish("b"))["type"] == "ack"


@pytest.mark.parametrize("hub", [CONFIG], indirect=True)
async def test_a_ping_flood_without_reading_is_bounded(hub: HubProcess, connect: Connect) -> None:
    rude, other = await connect("rude", receive_buffer=SMALL), await connect("other")
    rude.writer.transport.pause_reading()  # type: ignore[attr-defined]
    ping = masked(b"x" * 125, opcode=9, mask=b"\0\0\0\0") * 500
    before = memory(hub.pid)

    async def flooding() -> None:
        while True:
            rude.send_bytes(ping)
            await rude.writer.drain()

    task = asyncio.create_task(flooding())
    for _ in range(20):
        assert (await other.publish("a"))["type"] == "ack"
        await asyncio.sleep(0.05)
    assert memory(hub.pid) - before < 16 << 20
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def memory(pid: int) -> int:
    """Resident bytes."""
    import psutil

    return int(psutil.Process(pid).memory_info().rss)


async def test_an_idle_hub_is_small(hub: HubProcess, connect: Connect) -> None:
    clients = [await connect("many") for _ in range(50)]
    await clients[0].publish("a")
    assert memory(hub.pid) < 48 << 20


@pytest.mark.parametrize(
    "hub",
    [{"limits": {"outbox_bytes": 32 << 10, "slow_rate": 1000, "slow_seconds": 25}}],
    indirect=True,
)
async def test_eight_readers_of_a_flood_each_get_everything_in_order(
    hub: HubProcess, connect: Connect
) -> None:
    """With an outbox this small the publishers are held and let go all the time."""
    count = 1500
    readers = [await connect(f"reader{n}", receive_buffer=SMALL) for n in range(8)]
    writers = [await connect("writer") for _ in range(2)]
    for reader in readers:
        await reader.subscribe("a.*")
    floods = [asyncio.create_task(flood(w, f"a.{n}", range(count))) for n, w in enumerate(writers)]

    async def check(reader: HubSocket) -> None:
        got: dict[str, list[int]] = {"a.0": [], "a.1": []}
        for _ in range(2 * count):
            event = await reader.read(timeout=30)
            got[event["event"]].append(event["data"])
        assert got == {"a.0": list(range(count)), "a.1": list(range(count))}

    await asyncio.gather(*floods, *map(check, readers))
    assert (await writers[0].publish("a.2"))["delivered"] == 8
