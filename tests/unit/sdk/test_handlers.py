"""Who gets an event when: at once where nothing runs, in order, without keeping the loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from typing import Any

from kite.sdk.core.patience import Patience
from kite.sdk.core.subscriptions import Subscription
from kite.sdk.handlers import Handle, Handler
from kite.sdk.trace import carried
from kite.wire.frame import Event

_LOG = logging.getLogger(__name__)


def handler(handle: Handle, concurrency: int = 1) -> Handler:
    """One that has begun to handle."""
    made = Handler(
        Subscription(pattern="news"),
        handle,
        concurrency=concurrency,
        log=_LOG,
        leave=lambda status: None,
    )
    made.start()
    return made


def events(count: int) -> list[Event]:
    return [Event(event="news", data=number) for number in range(count)]


async def test_a_plain_function_has_its_event_before_put_returns() -> None:
    seen: list[Any] = []
    plain = handler(lambda event: seen.append(event.data))
    for number, event in enumerate(events(3)):
        plain.put(event)
        assert seen == list(range(number + 1))
    assert not plain.is_busy


async def test_a_coroutine_keeps_the_order_of_what_comes_meanwhile() -> None:
    seen: list[Any] = []

    async def slow(event: Event) -> None:
        await asyncio.sleep(0)
        seen.append(event.data)

    one = handler(slow)
    for event in events(50):
        one.put(event)
    assert one.is_busy
    assert seen == []
    await one.idle()
    assert seen == list(range(50))


async def test_a_function_that_only_sometimes_waits_keeps_the_order() -> None:
    seen: list[Any] = []

    async def later(event: Event) -> None:
        await asyncio.sleep(0)
        seen.append(event.data)

    def handle(event: Event) -> Any:
        if event.data % 3 == 0:
            return later(event)
        seen.append(event.data)
        return None

    one = handler(handle)
    for event in events(30):
        one.put(event)
        if event.data % 7 == 0:
            await asyncio.sleep(0)
    await one.idle()
    assert seen == list(range(30))


async def test_what_is_slow_lets_the_loop_have_its_turn() -> None:
    """A hundred events that are read at once and take a millisecond each."""
    turns = 0
    seen: list[Any] = []

    def busy(event: Event) -> None:
        until = time.monotonic() + 0.001
        while time.monotonic() < until:
            pass
        seen.append(event.data)

    def turn() -> None:
        nonlocal turns
        turns += 1
        if len(seen) < 100:
            asyncio.get_running_loop().call_soon(turn)

    asyncio.get_running_loop().call_soon(turn)
    one = handler(busy)
    for event in events(100):
        one.put(event)
    assert one.is_busy, "not all of it was handled within this one turn"
    await one.idle()
    assert seen == list(range(100))
    assert turns > 1


async def test_what_was_begun_and_had_no_step_is_given_back_when_all_is_cancelled() -> None:
    seen: list[Any] = []

    async def work(event: Event) -> None:
        seen.append(event.data)

    one = handler(work, concurrency=2)
    for event in events(4):
        one.put(event)
    rest = await one.cancel(1.0)
    assert [event.data for event in rest] == [0, 1, 2, 3]
    assert seen == []
    assert not one.is_busy


async def test_a_trace_is_followed_for_as_long_as_its_event_is_handled() -> None:
    """However an event comes to its handler: at once, in a task, or behind others."""
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    traced = Event(event="news", data="traced", headers={"traceparent": parent})
    bare, empty = Event(event="news", data="bare"), Event(event="news", data="", headers={})
    seen: list[tuple[Any, Any]] = []

    def note(event: Event) -> None:
        seen.append((event.data, carried(None)))

    async def slow(event: Event) -> None:
        await asyncio.sleep(0)
        note(event)

    for handle in (note, slow):
        first, second = handler(handle), handler(handle)
        for event in (traced, bare, traced, empty, bare):
            first.put(event)
            second.put(bare)
        await first.idle()
        await second.idle()
    assert carried(None) is None
    assert len(seen) == 20
    for said, trace in seen:
        assert trace == ({"traceparent": parent} if said == "traced" else None)


async def test_a_turn_that_reads_more_than_is_handled_in_it_does_not_pile_up() -> None:
    """Each turn brings what takes about 15 ms, forty times; two thirds of it would be left each time."""
    seen: list[Any] = []
    loop = asyncio.get_running_loop()
    all_read = asyncio.Event()

    def busy(event: Event) -> None:
        until = time.monotonic() + 0.00005
        while time.monotonic() < until:
            pass
        seen.append(event.data)

    one = handler(busy)
    one._max_backlog = 300 * 20 * 100
    coming = iter(events(300 * 40))

    def read() -> None:
        for event in itertools.islice(coming, 300):
            one.put(event, 100)
        if len(seen) + one.dropped < 300 * 40:
            loop.call_soon(read)
        else:
            all_read.set()

    read()
    await all_read.wait()
    assert one.dropped == 0
    assert seen == list(range(300 * 40))


def test_patience_lasts_longer_for_what_is_quick_and_where_more_and_more_is_left() -> None:
    slow = Patience(0.0)
    assert not slow.is_over(0.004, 10)
    assert slow.is_over(0.006, 10)
    slow.begins(1.0)
    assert not slow.is_over(1.009, 20), "more was left than before: twice as long"
    assert slow.is_over(1.011, 20)
    for turn in range(2, 12):
        slow.begins(float(turn))
        assert slow.is_over(turn + 0.09, 20 + turn), "and there is an end to it"
    quick = Patience(0.0)
    assert not any(quick.is_over(0.0004 * number, 0) for number in range(1, 600))
    assert not quick.is_over(0.245, 0), "once it took long: somebody else had the processor"
    assert quick.is_over(0.249, 0)
    quick.begins(1.0)
    assert not any(quick.is_over(1.0 + 0.0004 * number, 0) for number in range(1, 600))
    assert quick.is_over(1.2504, 0), "but not for ever"
