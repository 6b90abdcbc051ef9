"""What the Event Hub carried while somebody listened."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any, Self

import msgspec

from kite.errors import KiteError
from kite.sdk.connection import HubConnection, Lost
from kite.wire import frame

_Fact = Callable[[list[frame.Event]], bool]


class Ear:
    """One connection of the operator's that listens; an async context manager.

    Args:
        endpoint, token: of the Hub, and the operator's.
        patterns: what it listens to; from `__aenter__` on nothing is missed.
        since: RFC 3339; also what the Hub handed out from then on.

    Attributes:
        events: what came, in order, with their data decoded.
        is_lost: whether the Hub has left.
    """

    def __init__(self, endpoint: str, token: str, *patterns: str, since: str = "") -> None:
        self.events: list[frame.Event] = []
        self.is_lost = False
        self._endpoint = endpoint
        self._token = token
        self._patterns = patterns
        self._since = since
        self._connection: HubConnection | None = None
        self._news = asyncio.Event()
        self._answers: dict[str, Callable[[frame.Event], dict[str, Any]]] = {}

    async def __aenter__(self) -> Self:
        self._connection = await HubConnection.open(
            self._endpoint, self._token, on_event=self._heard, on_lost=self._ended
        )
        if self._since:
            asked = {
                "type": "subscribe",
                "events": self._patterns,
                "replay": {"since": self._since},
            }
            self._connection.send(msgspec.json.encode(asked))
        else:
            await self._connection.subscribe(self._patterns)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()

    def answer(self, subject: str, make: Callable[[frame.Event], dict[str, Any]]) -> None:
        """Answer requests on a subject with an event of these keys (`data`, `headers`)."""
        self._answers[subject] = make

    def send(self, raw: dict[str, Any]) -> None:
        """Send a frame as it is, whatever keys it has."""
        assert self._connection is not None
        self._connection.send(json.dumps(raw).encode())

    def data(self, subject: str) -> list[Any]:
        """The data of all events of a subject so far."""
        return [event.data for event in self.events if event.event == subject]

    async def until(self, fact: _Fact, seconds: float) -> bool:
        """Wait until what came shows something; whether it did in time."""
        try:
            async with asyncio.timeout(seconds):
                while not fact(self.events):
                    if self.is_lost:
                        return False
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return fact(self.events)
        return True

    async def until_or_silence(self, fact: _Fact, seconds: float) -> bool:
        """Likewise, for as long as something comes: it may be much, on a slow machine."""
        heard = -1
        while not fact(self.events) and len(self.events) > heard:
            heard = len(self.events)
            await self.until(_more_than(heard), seconds)
        return fact(self.events)

    def _heard(self, event: frame.Event) -> None:
        self.events.append(event)
        self._news.set()
        make = self._answers.get(event.event)
        if make is not None and isinstance(event.reply_to, str):
            with contextlib.suppress(KiteError):  # the Hub has left: whoever asked is told by it
                self.send({"type": "event", "event": event.reply_to, **make(event)})

    def _ended(self, _: Lost) -> None:
        self.is_lost = True
        self._news.set()


def _more_than(count: int) -> _Fact:
    return lambda events: len(events) > count
