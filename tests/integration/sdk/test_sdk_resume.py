"""A module whose connection is torn hears what it missed; one whose Hub is another is told."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from pathlib import Path

import pytest
from test_sdk_real_hub import System, insist, system

from kite import Module
from kite.sdk.life import Life

__all__ = ["system"]

SEED = secrets.randbits(32)


def life_of(module: Module) -> Life:
    life = module._life
    assert isinstance(life, Life)
    return life


async def test_module_torn_from_the_hub_hears_everything_once_and_in_order(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    dice = random.Random(SEED)
    worker, asker = Module(), Module()
    heard: list[int] = []
    shouted: list[int] = []
    ends = asyncio.Semaphore(0)

    @worker.on("number.said")
    async def note(event) -> None:
        heard.append(event.data)
        if event.data < 0:
            ends.release()

    @worker.on("number.*", echo=False)  # overlaps, and disagrees: on a connection of its own
    async def shout(event) -> None:
        shouted.append(event.data)
        if event.data < 0:
            ends.release()

    await system.run(worker, "worker")
    await system.run(asker, "asker")
    sent = 0
    for _ in range(20):
        for _ in range(dice.randrange(40)):
            sent += 1
            asker.publish("number.said", sent)
            if dice.random() < 0.2:
                await asker.drained()
        link = life_of(worker).link
        if link is not None:
            dice.choice(link._connections).abort()
        await asyncio.sleep(dice.uniform(0, 0.02))  # the moment is what is random
    async with asyncio.timeout(15):
        await worker.ready()
        asker.publish("number.said", -1)
        await ends.acquire()
        await ends.acquire()
    assert heard == [*range(1, sent + 1), -1], SEED
    assert shouted == heard, SEED
    assert "events.missed" not in caplog.text


async def test_module_is_told_that_another_hub_knows_nothing(
    system: System, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    worker = Module()

    @worker.handle("a.echo")
    async def echo(request):
        return request.data

    caught_up: list[str] = []

    @worker.on_missed
    async def catch_up() -> None:
        caught_up.append("once")
        raise ValueError("out of sorts")

    await system.run(worker, "worker")
    caplog.set_level(logging.WARNING)
    await system.restart_hub()
    await insist(worker, "a.echo", 1)  # the worker answers itself once it is back
    assert "events.missed reason=another_epoch" in caplog.text
    assert caught_up == ["once"]
    assert "out of sorts" in caplog.text
    assert await worker.request("a.echo", 2) == 2  # it goes on
