"""Publishing many: order, room, pace, refusals, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from kite.cli.hub.publishing import IN_FLIGHT, Pace, Publishing, Tally
from kite.errors import ConfigError, RequestError, Unavailable
from kite.wire.frame import Ack, Event


class Outlet:
    """Acknowledges what it is told to, when it is told to."""

    is_writable = True

    def __init__(self, *, refuses: int | None = None, holds: bool = False) -> None:
        self.sent: list[str] = []
        self.waiting = 0
        self.most_waiting = 0
        self.expected = 0
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        self.refuses = refuses
        if not holds:
            self.gate.set()

    async def publish_acked(self, event: Event, *, timeout: float) -> Ack:
        assert timeout > 0
        self.sent.append(event.event)
        number = len(self.sent)
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        if self.waiting == self.expected:
            self.reached.set()
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            if self.refuses is not None and number >= self.refuses:
                raise RequestError("permission_denied", who="operator", what="do it")
            return Ack(delivered=2)
        finally:
            self.waiting -= 1

    async def drained(self) -> None:
        pass


class Numbers:
    """So many events; then the end, or what is wrong."""

    def __init__(self, count: int, failure: ConfigError | None = None) -> None:
        self._numbers: Iterator[int] = iter(range(count))
        self._failure = failure

    async def next(self) -> Event | None:
        number = next(self._numbers, None)
        if number is not None:
            return Event(event=f"n.{number}")
        if self._failure:
            raise self._failure
        return None


def publish(outlet: Outlet, source: Numbers, pace: Pace | None = None) -> Publishing:
    return Publishing(outlet, source, stamp=lambda event: event, pace=pace)


async def test_all_in_order_and_only_so_many_at_once() -> None:
    outlet = Outlet(holds=True)
    outlet.expected = IN_FLIGHT
    running = asyncio.create_task(publish(outlet, Numbers(1000)).run())
    await outlet.reached.wait()
    outlet.gate.set()
    tally = await running
    assert outlet.sent == [f"n.{number}" for number in range(1000)]
    assert outlet.most_waiting == IN_FLIGHT
    assert (tally.sent, tally.accepted, tally.delivered, tally.unknown) == (1000, 1000, 2000, 0)
    assert tally.rate > 0


async def test_a_refusal_ends_it_and_every_one_is_counted() -> None:
    outlet = Outlet(refuses=4)
    tally = await publish(outlet, Numbers(10_000)).run()
    assert tally.accepted == 3
    assert tally.refusals == len(outlet.sent) - 3 > 0
    assert len(outlet.sent) < 10_000
    assert tally.unknown == 0
    ((first, count),) = tally.refused.values()
    assert (first.code, count) == ("permission_denied", tally.refusals)


async def test_a_wrong_event_ends_it_and_what_was_sent_is_waited_for() -> None:
    wrong = ConfigError("line_not_json", line=6, value="x", detail="y")
    tally = await publish(Outlet(), Numbers(5, wrong)).run()
    assert tally.failure is wrong
    assert tally.accepted == 5


async def test_a_lost_connection_ends_it() -> None:
    class Gone(Outlet):
        async def publish_acked(self, event: Event, *, timeout: float) -> Ack:
            self.sent.append(event.event)
            raise Unavailable("connection_lost")

    outlet = Gone()
    tally = await publish(outlet, Numbers(10_000)).run()
    assert tally.failure is not None
    assert tally.failure.code == "connection_lost"
    assert tally.unknown == tally.sent == len(outlet.sent) < 10_000


async def test_an_interrupt_waits_for_acknowledgements_a_little_and_a_second_one_does_not() -> None:
    outlet = Outlet(holds=True)
    outlet.expected = 10
    publishing = publish(outlet, Numbers(10))
    running = asyncio.create_task(publishing.run())
    await outlet.reached.wait()
    publishing.interrupt()
    await asyncio.sleep(0)
    assert not running.done()
    publishing.interrupt()
    tally = await running
    assert tally.was_interrupted
    assert (tally.accepted, tally.unknown) == (0, 10)


async def test_while_the_connection_is_full_nothing_is_taken() -> None:
    class Full(Outlet):
        def __init__(self) -> None:
            super().__init__()
            self.room = asyncio.Event()
            self.asked = asyncio.Event()

        @property
        def is_writable(self) -> bool:  # type: ignore[override]
            return self.room.is_set()

        async def drained(self) -> None:
            self.asked.set()
            await self.room.wait()

    outlet = Full()
    running = asyncio.create_task(publish(outlet, Numbers(3)).run())
    await outlet.asked.wait()
    assert outlet.sent == []
    outlet.room.set()
    assert (await running).accepted == 3


async def test_an_interrupt_ends_waiting_for_the_next_event() -> None:
    class Endless(Numbers):
        async def next(self) -> Event | None:
            await asyncio.Event().wait()
            raise AssertionError

    publishing = publish(Outlet(), Endless(0))
    running = asyncio.create_task(publishing.run())
    await asyncio.sleep(0)
    publishing.interrupt()
    assert (await running).sent == 0


def test_a_mean_rate_catches_up_and_a_pause_does_not() -> None:
    assert Pace(0.5).next_due(due=10.0, now=12.0) == 10.5
    assert Pace(0.5, catches_up=False).next_due(due=10.0, now=12.0) == 12.5


async def test_a_pace_is_kept() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    tally = await publish(Outlet(), Numbers(5), Pace(0.02)).run()
    assert loop.time() - began >= 0.08
    assert tally.accepted == 5


def test_an_empty_tally_has_no_rate() -> None:
    assert Tally().rate == pytest.approx(0)
