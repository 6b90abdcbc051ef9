"""Publishing many events: as fast as the Hub acknowledges them, or at a pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from kite.errors import KiteError, Unavailable
from kite.wire.frame import Ack, Event

IN_FLIGHT = 256
"""So many events may wait for their acknowledgements."""
ACK_SECONDS = 60.0
"""Seconds an acknowledgement may take: a subscriber that does not keep up holds who publishes."""
LAST_ACKS_SECONDS = 1.0
"""Seconds that acknowledgements under way have at Ctrl-C."""


class Outlet(Protocol):
    """What is needed of a connection."""

    @property
    def is_writable(self) -> bool: ...

    async def publish_acked(self, event: Event, *, timeout: float) -> Ack: ...

    async def drained(self) -> None: ...


class Source(Protocol):
    """Where events come from."""

    async def next(self) -> Event | None:
        """The next one, None when there is none any more; a `KiteError` when it is wrong."""
        ...


@dataclass(slots=True)
class Tally:
    """How it went.

    Attributes:
        sent: events that left, whatever became of them.
        accepted: those that the Hub acknowledged.
        delivered: connections that they were queued for, all together.
        refused: how often each refusal came, with the first of its kind: code and message → those.
        failure: what ended it early: a source that is wrong, or the connection.
        seconds: from the first event to the last acknowledgement.
        was_interrupted: whether Ctrl-C ended it.
    """

    sent: int = 0
    accepted: int = 0
    delivered: int = 0
    refused: dict[tuple[str, str], tuple[KiteError, int]] = field(default_factory=dict)
    failure: KiteError | None = None
    seconds: float = 0.0
    was_interrupted: bool = False

    @property
    def refusals(self) -> int:
        """How many events were refused."""
        return sum(count for _first, count in self.refused.values())

    @property
    def unknown(self) -> int:
        """Events that the Hub has neither acknowledged nor refused."""
        return self.sent - self.accepted - self.refusals

    @property
    def rate(self) -> float:
        """Accepted events a second."""
        return self.accepted / self.seconds if self.seconds else 0.0

    def accept(self, ack: Ack) -> None:
        self.accepted += 1
        if isinstance(ack.delivered, int):
            self.delivered += ack.delivered

    def refuse(self, why: KiteError) -> None:
        kind = (why.code, why.message)
        first, count = self.refused.get(kind, (why, 0))
        self.refused[kind] = (first, count + 1)


@dataclass(frozen=True, slots=True)
class Pace:
    """When events are due.

    Args:
        interval: seconds from one event to the next; 0: no waiting.
        catches_up: whether events that are late are sent at once, so that the mean is kept.
    """

    interval: float = 0.0
    catches_up: bool = True

    def next_due(self, due: float, now: float) -> float:
        """When the next event is due, after one that was due at `due` and left at `now`."""
        return (due if self.catches_up else now) + self.interval


class Publishing:
    """Sends what a source gives, in its order, and counts what comes of it.

    The first refusal ends it, as does a wrong event: what is under way then is waited for.
    """

    def __init__(
        self,
        outlet: Outlet,
        source: Source,
        *,
        stamp: Callable[[Event], Event],
        pace: Pace | None = None,
    ) -> None:
        self.tally = Tally()
        self._outlet = outlet
        self._source = source
        self._stamp = stamp
        self._pace = pace or Pace()
        self._due: float | None = None
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._under_way: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()

    def interrupt(self) -> None:
        """Take no more events (Ctrl-C). Asked again, what is under way is not waited for either."""
        if self.tally.was_interrupted:
            for task in self._under_way:
                task.cancel()
        self.tally.was_interrupted = True
        self._ending.set()

    async def run(self) -> Tally:
        """Until the source ends, something is wrong, or `interrupt`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        feeding = loop.create_task(self._feed())
        ending = loop.create_task(self._ending.wait())
        try:
            await asyncio.wait([feeding, ending], return_when=asyncio.FIRST_COMPLETED)
            if feeding.done():
                feeding.result()  # whatever nobody foresaw
            feeding.cancel()
            if self._under_way:
                patience = LAST_ACKS_SECONDS if self.tally.was_interrupted else None
                await asyncio.wait(self._under_way, timeout=patience)
        finally:
            for task in (feeding, ending, *self._under_way):
                task.cancel()
            self.tally.seconds = loop.time() - began
        return self.tally

    async def _feed(self) -> None:
        while True:
            await self._room.acquire()
            await self._until_due()
            if not self._outlet.is_writable:
                await self._outlet.drained()
            try:
                event = await self._source.next()
            except KiteError as wrong:
                self.tally.failure = wrong
                return
            if event is None:
                return
            task = asyncio.create_task(self._publish(event))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _until_due(self) -> None:
        if not self._pace.interval:
            return
        now = asyncio.get_running_loop().time()
        due = now if self._due is None else self._due
        if due > now:
            await asyncio.sleep(due - now)
        self._due = self._pace.next_due(due, max(due, now))

    async def _publish(self, event: Event) -> None:
        self.tally.sent += 1
        try:
            ack = await self._outlet.publish_acked(self._stamp(event), timeout=ACK_SECONDS)
            self.tally.accept(ack)
        except Unavailable as lost:
            self.tally.failure = self.tally.failure or lost
            self._ending.set()
        except KiteError as refused:
            self.tally.refuse(refused)
            self._ending.set()
        finally:
            self._room.release()
