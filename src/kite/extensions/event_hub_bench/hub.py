"""Connections of one module to the Hub, prepared for measuring."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import UNSET

from kite.clock import now_rfc3339
from kite.errors import Unavailable
from kite.sdk.connection import HubConnection
from kite.sdk.listener import Listener
from kite.wire.frame import Event

PREFIX = "event_hub_bench"


class Tap(HubConnection):
    """A connection that can count what comes without looking into it: what is to be measured is the
    Hub, and decoding in eight places would be most of the work."""

    counted = 0
    is_counting = False
    wanted = 0
    reached: asyncio.Event

    def count(self, wanted: int) -> None:
        """From now on only count; `reached` is set when so many have come."""
        self.counted = 0
        self.wanted = wanted
        self.reached = asyncio.Event()
        self.is_counting = True

    def _called(self, pure: Listener) -> Listener:
        return pure

    def _received(self, payload: Any) -> None:
        if not self.is_counting:
            super()._received(payload)
            return
        self.counted += 1
        if self.counted >= self.wanted:
            self.reached.set()


class Hub:
    """Opens connections, and closes all of them at the end.

    Args:
        endpoint: of the Hub.
        token: the module's.
    """

    def __init__(self, endpoint: str, token: str) -> None:
        self._endpoint = endpoint
        self._token = token
        self._open: list[HubConnection] = []
        self._ids = 0
        self._name = secrets.token_hex(6)

    async def connect(
        self, on_event: Callable[[Event], None] = lambda _: None, *patterns: str
    ) -> Tap:
        """A connection that listens to the patterns."""
        tap = await Tap.open(self._endpoint, self._token, on_event=on_event)
        self._open.append(tap)
        if patterns:
            await tap.subscribe(patterns)
        return tap

    async def close(self) -> None:
        """Close what was opened since the last time."""
        closing, self._open = self._open, []
        for connection in closing:
            await connection.close()

    def event(self, subject: str, data: Any = None, reply_to: str | None = None) -> Event:
        """A complete event: the Hub has nothing to fill in."""
        self._ids += 1
        return Event(
            event=subject if subject.startswith("_reply.") else f"{PREFIX}.{subject}",
            event_id=f"{self._name}-{self._ids}",
            source=PREFIX,
            timestamp=now_rfc3339(),
            reply_to=UNSET if reply_to is None else reply_to,
            data=data,
        )


async def within(seconds: float, work: Awaitable[Any]) -> None:
    """Wait for something that a working Hub does soon.

    Raises:
        Unavailable: it did not.
    """
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        detail = f"what was published has not come within {seconds:g} s"
        raise Unavailable("unreachable", url="the event hub", detail=detail) from None
