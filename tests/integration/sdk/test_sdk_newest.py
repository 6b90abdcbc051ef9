"""A handler with `drop_oldest` and a Hub that has to drop: what comes and what is told make up all."""

from __future__ import annotations

import asyncio

from test_sdk_real_hub import System, system

from kite import Module
from kite.sdk.life import Life
from kite.wire.frame import Gap

__all__ = ["system"]

COUNT = 300
FILLER = "x" * 100_000  # of all together, more than the Hub's outbox and any socket's buffers hold


async def test_what_the_hub_drops_is_told_in_its_place(system: System) -> None:
    worker, asker = Module(), Module()
    heard: list[int | Gap] = []
    held: list[int] = []
    done = asyncio.Event()

    @worker.on("tick", overflow="drop_oldest", on_gap=heard.append)
    def tick(event) -> None:
        heard.append(event.data[0])
        if event.data[0] == COUNT:
            done.set()

    @worker.on("tick.held")
    def hold(event) -> None:
        held.append(event.data)

    await system.run(worker, "worker")
    await system.run(asker, "asker")
    life = worker._life
    assert isinstance(life, Life)
    assert life.link is not None
    control, ticking = life.link._connections
    ticking._transport.underlying_transport.pause_reading()
    for number in range(1, COUNT + 1):
        published = await asker.publish_acked("tick", [number, FILLER], timeout=20)
        assert published.delivered == 1
    await asker.publish_acked("tick.held", 1)
    ticking._transport.underlying_transport.resume_reading()
    async with asyncio.timeout(20):
        await done.wait()
    at = 0
    for each in heard:
        if isinstance(each, Gap):
            assert each.since
            at += each.missed
        else:
            at += 1
            assert each == at
    assert at == COUNT
    assert any(isinstance(each, Gap) for each in heard)
    assert held == [1]
    assert control.missed == 0
