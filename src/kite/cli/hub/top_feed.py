"""What `kite top` looks at: the modules' records, the Hub's counters, and for subjects a few of the
events themselves."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kite.cli import top_modules
from kite.cli.hub import top_rates
from kite.cli.hub.connection import OperatorConnection, Seen, connect
from kite.cli.hub.top_rates import Counters, Look, Sample, Smoothing
from kite.cli.top_modules import ModuleUse
from kite.errors import KiteError, Unavailable
from kite.http.client import call, raise_for

if TYPE_CHECKING:
    from kite.cli.control import Control

EVERYTHING = [">"]
METRICS_SECONDS = 10.0


class Feed:
    """Looks at the Hub whenever it is asked to; in between it counts what happens.

    Counters of clients come with one question. For subjects the Hub has none, so events are looked
    at as a spectator who holds nobody back: `BUDGET` of them in each interval; a busy Hub is left
    alone for the rest of it, and the counts are scaled up.
    """

    def __init__(self, control: Control, *, smoothed: int) -> None:
        self._control = control
        self._smoothing = Smoothing(smoothed)
        self._connection: OperatorConnection | None = None
        self._before: Counters | None = None
        self._look = Look(began=time.monotonic())
        self._pausing: asyncio.Task[None] | None = None
        self._is_subscribed = False
        self.lost = asyncio.Event()

    async def open(self) -> None:
        """Connect and begin to count.

        Raises:
            Unavailable: Kite has ended (status 3), or the Hub is not there in time (4).
        """
        self.lost.clear()
        self._is_subscribed = False
        self._connection = await connect(self._control, on_lost=self.lost.set)
        self._connection.on_seen, self._connection.on_missed = self._seen, self._missed
        self._before = await self._counters()
        await self._begin()

    async def close(self) -> None:
        """Look no more."""
        if self._pausing is not None:
            self._pausing.cancel()
            await asyncio.gather(self._pausing, return_exceptions=True)
            self._pausing = None
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def sample(self) -> Sample:
        """What happened since the last look.

        Raises:
            Unavailable: the Hub is not there.
        """
        now = await self._counters()
        before = self._before or now
        self._before = now
        look, at = self._look, time.monotonic()
        sample = Sample(
            seconds=now.at - before.at,
            taken=top_rates.flow(before, now, "in"),
            given=top_rates.flow(before, now, "out"),
            looked_at=look.share(at),
            subjects=self._smoothing.add(look.rates(at)),
            clients=top_rates.clients(before, now),
            modules=await self._modules(),
        )
        await self._begin()
        return sample

    async def _begin(self) -> None:
        """A new interval."""
        if self._pausing is not None:
            await self._pausing
            self._pausing = None
        if self._connection is not None and not self._is_subscribed:
            await self._connection.watch(EVERYTHING)
            self._is_subscribed = True
        self._look = Look(began=time.monotonic())

    async def _pause(self) -> None:
        """Enough for this interval. What was under way to us counts, until the Hub's answer."""
        try:
            if self._connection is not None:
                await self._connection.unsubscribe(EVERYTHING)
        except KiteError:
            return  # the connection is lost, which is told elsewhere
        self._look.ended = time.monotonic()
        self._is_subscribed = False

    def _seen(self, event: Seen, frame: bytes) -> None:
        if self._look.seen(event.event, len(frame)):
            self._pausing = asyncio.create_task(self._pause())

    def _missed(self, count: int) -> None:
        self._look.missed += count

    async def _modules(self) -> list[ModuleUse]:
        body = await self._get(f"{self._control.api.url}/launcher/modules")
        return top_modules.read(json.loads(body)["modules"])

    async def _counters(self) -> Counters:
        endpoint = urlsplit(self._control.api.ws_endpoint or "")
        try:
            body = await self._get(f"http://{endpoint.netloc}/metrics")
        except Unavailable:  # it is not there, or the next one that is does not let anybody in yet
            raise Unavailable("connection_lost") from None
        return top_rates.read(body.decode(), time.monotonic())

    async def _get(self, url: str) -> bytes:
        token = self._control.again().api.token
        answer = await call("GET", url, token=token, timeout=METRICS_SECONDS)
        return raise_for(answer, url=url).body
