"""Durable handlers as their author tests them, without a Hub: what fails comes again, what keeps
failing becomes a dead letter, what a lost connection had is not lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kite import Module
from kite.testing.module import running


@pytest.fixture
def module() -> Module:
    return Module()


async def test_a_failure_brings_the_event_again_and_then_a_dead_letter(
    module: Module, tmp_path: Path
) -> None:
    seen: list[tuple[object, object, object]] = []

    @module.on("docs.>", durable="index", max_deliver=2)
    async def index(event):
        seen.append((event.data, event.seq, event.attempt))
        if event.data == "broken" or (event.data == "moody" and event.attempt == 1):
            raise ValueError(f"cannot read {event.data}")

    async with running(module, data_dir=tmp_path) as bench:
        for data in ("good", "moody", "broken"):
            await bench.publish("docs.new", data)
        [letter] = await bench.heard("_dead.index")
    assert sorted(seen, key=lambda each: (each[1], each[2])) == [
        ("good", 1, 1), ("moody", 2, 1), ("moody", 2, 2), ("broken", 3, 1), ("broken", 3, 2),
    ]  # fmt: skip
    assert letter.data["reason"] == "ValueError: cannot read broken"
    assert (letter.data["seq"], letter.data["attempts"]) == (3, 2)
    assert letter.data["event"]["data"] == "broken"


async def test_what_a_lost_connection_had_comes_again_to_the_next(
    module: Module, tmp_path: Path
) -> None:
    attempts: list[int] = []
    began, came_again = asyncio.Event(), asyncio.Event()

    @module.on("docs.>", durable="index", concurrency=2)
    async def index(event):
        attempts.append(event.attempt)
        if event.attempt == 1:
            began.set()
            await came_again.wait()
        else:
            came_again.set()

    async with running(module, data_dir=tmp_path) as bench, asyncio.timeout(20):
        await bench.publish("docs.new", 1)
        await began.wait()
        bench.hub.drop()
        await came_again.wait()
    assert attempts == [1, 2]


async def test_a_durable_gets_only_what_matches_and_a_plain_handler_its_own_copy(
    module: Module, tmp_path: Path
) -> None:
    worked: list[object] = []
    heard: list[object] = []
    done = asyncio.Event()

    @module.on("docs.>", durable="index")
    def index(event):
        worked.append((event.data, event.seq))
        if event.data == "last":
            done.set()

    @module.on("docs.>")
    def live(event):
        heard.append((event.data, event.seq))

    async with running(module, data_dir=tmp_path) as bench:
        await bench.publish("docs.new", "first")
        await bench.publish("other.new", "no")
        await bench.publish("docs.new", "last")
        async with asyncio.timeout(20):
            await done.wait()
    assert worked == [("first", 1), ("last", 3)]
    assert heard == [("first", None), ("last", None)]
