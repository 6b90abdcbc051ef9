"""How much goes through: one publisher as fast as the subscribers take it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from kite.clock import now_rfc3339
from kite.extensions.event_hub_bench.hub import PREFIX, Hub, Tap, within
from kite.extensions.event_hub_bench.result import Row

PATIENCE = 20.0
BATCH = 256
IN_FLIGHT_BYTES = 1 << 20
"""What is under way at most: enough to keep everybody busy, far from any limit of the Hub."""


async def flow(hub: Hub, *, subscribers: int, size: int, seconds: float, name: str) -> float:
    """Deliveries per second, to all subscribers together.

    Args:
        size: bytes of data in an event.
        seconds: for which is published.
        name: last token of the subject, and part of the ids.
    """
    subject = f"{PREFIX}.{name}"
    taps = [await hub.connect(lambda _: None, subject) for _ in range(subscribers)]
    publisher = await hub.connect()
    frames = _Frames(subject, size)
    window = max(BATCH, IN_FLIGHT_BYTES // (size + 160))
    batch = min(BATCH, window // 2) or 1
    flood = _Flood(publisher=publisher, taps=taps, frames=frames, batch=batch, window=window)
    # A tenth of the time to get going is not counted.
    await flood.pour(seconds / 10)
    began = time.perf_counter()
    published = await flood.pour(seconds)
    elapsed = time.perf_counter() - began
    await hub.close()
    return published * subscribers / elapsed


class _Frames:
    """Prepared frames: only the id changes from one to the next."""

    def __init__(self, subject: str, size: int) -> None:
        head = f'{{"type":"event","event":"{subject}","event_id":"{time.time_ns():x}-'
        tail = f'","source":"{PREFIX}","timestamp":"{now_rfc3339()}","data":"{"x" * size}"}}'
        self._head, self._tail = head.encode(), tail.encode()
        self._number = 0

    def next(self) -> bytes:
        self._number += 1
        return b"%b%d%b" % (self._head, self._number, self._tail)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flood:
    """Who publishes what to whom.

    Args:
        batch: frames between two looks at the others.
        window: frames that the publisher may be ahead of the slowest.
    """

    publisher: Tap
    taps: list[Tap]
    frames: _Frames
    batch: int
    window: int

    async def pour(self, seconds: float) -> int:
        """Publish for so long; how many, when all have come everywhere."""
        for tap in self.taps:
            tap.count(0)
        published = 0
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            for _ in range(self.batch):
                self.publisher.send(self.frames.next())
            published += self.batch
            await self.publisher.drained()
            await asyncio.sleep(0)
            for tap in self.taps:
                await _reach(tap, published - self.window)
        for tap in self.taps:
            await _reach(tap, published)
        return published


async def _reach(tap: Tap, wanted: int) -> None:
    if tap.counted >= wanted:
        return
    tap.wanted = wanted
    tap.reached.clear()
    await within(PATIENCE, tap.reached.wait())


async def measure(hub: Hub, *, subscribers: int, size: int, seconds: float) -> list[Row]:
    """One to one, one to many, and large events."""
    each = seconds / 3
    single = await flow(hub, subscribers=1, size=size, seconds=each, name="throughput")
    many = await flow(hub, subscribers=subscribers, size=size, seconds=each, name="fanout")
    large = 64 << 10
    bulk = await flow(hub, subscribers=1, size=large, seconds=each, name="large")
    return [
        Row(
            name="throughput",
            value=round(single, 1),
            unit="events/s",
            detail=f"1 publisher, 1 subscriber, {size} bytes of data",
        ),
        Row(
            name="fan-out",
            value=round(many, 1),
            unit="deliveries/s",
            detail=f"1 publisher, {subscribers} subscribers, {size} bytes of data",
        ),
        Row(
            name="large events",
            value=round(bulk * large / (1 << 20), 2),
            unit="MiB/s",
            detail="1 publisher, 1 subscriber, 64 KiB of data",
        ),
    ]
