"""How long it takes: events at a steady rate, and questions until their answers are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from kite.extensions.event_hub_bench.flow import PATIENCE
from kite.extensions.event_hub_bench.hub import PREFIX, Hub, within
from kite.extensions.event_hub_bench.result import Row, percentile
from kite.wire.frame import Event

OPEN_QUESTIONS = 32
_MICRO = 1e6


async def latency(hub: Hub, *, rate: int, size: int, seconds: float) -> list[Row]:
    """From before publishing until the subscriber's handler has it, undisturbed by other load."""
    count = max(10, int(rate * seconds))
    sent = [0.0] * count
    taken: list[float] = []
    all_there = asyncio.Event()

    def received(event: Event) -> None:
        taken.append(time.perf_counter() - sent[event.data["n"]])
        if len(taken) == count:
            all_there.set()

    await hub.connect(received, f"{PREFIX}.latency")
    publisher = await hub.connect()
    loop = asyncio.get_running_loop()
    began = loop.time()
    filling = "x" * size
    for number in range(count):
        event = hub.event("latency", {"n": number, "filling": filling})
        await asyncio.sleep(began + number / rate - loop.time())
        sent[number] = time.perf_counter()
        publisher.publish(event)
    await within(PATIENCE, all_there.wait())
    await hub.close()
    detail = f"{rate} events/s, {count} events, {size} bytes of data"
    return _rows("latency", taken, detail)


async def requests(hub: Hub, *, seconds: float) -> list[Row]:
    """Question and answer between two connections."""
    answers: dict[str, asyncio.Future[None]] = {}

    def answered(event: Event) -> None:
        if (future := answers.pop(event.event, None)) is not None and not future.done():
            future.set_result(None)

    def asked(event: Event) -> None:
        assert isinstance(event.reply_to, str)
        answerer.publish(hub.event(event.reply_to, event.data))

    asker = await hub.connect(answered, f"_reply.{PREFIX}.>")
    answerer = await hub.connect(asked, f"{PREFIX}.request")

    async def ask(number: int) -> float:
        reply_to = f"_reply.{PREFIX}.{number}"
        future = answers[reply_to] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        asker.publish(hub.event("request", {"n": number}, reply_to))
        await within(PATIENCE, future)
        return time.perf_counter() - began

    taken: list[float] = []
    deadline = time.perf_counter() + seconds / 2
    while time.perf_counter() < deadline or not taken:
        taken.append(await ask(len(taken)))
    rate = await _many(ask, seconds / 2, first=len(taken))
    await hub.close()
    detail = f"one after the other, {len(taken)} questions"
    unit, many = "answers/s", f"{OPEN_QUESTIONS} questions open at a time"
    return [
        *_rows("request", taken, detail),
        Row(name="requests", value=round(rate, 1), unit=unit, detail=many),
    ]


async def _many(ask: Callable[[int], Awaitable[float]], seconds: float, *, first: int) -> float:
    """Answers per second with many questions open."""
    began = time.perf_counter()
    done = 0

    async def one_after_the_other() -> None:
        nonlocal done, first
        while time.perf_counter() - began < seconds:
            first += 1
            await ask(first)
            done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(OPEN_QUESTIONS):
            group.create_task(one_after_the_other())
    return done / (time.perf_counter() - began)


def _rows(name: str, taken: list[float], detail: str) -> list[Row]:
    return [
        Row(
            name=f"{name} p{share * 100:.0f}",
            value=round(percentile(taken, share) * _MICRO, 1),
            unit="microseconds",
            detail=detail,
        )
        for share in (0.5, 0.99)
    ]
