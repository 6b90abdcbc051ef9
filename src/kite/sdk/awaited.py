"""What the Hub has been asked over one connection and has not answered yet."""

from __future__ import annotations

import asyncio

from msgspec import UNSET

from kite.errors import Unavailable
from kite.sdk.refusal import refusal
from kite.wire.frame import Ack, Error


class Awaited:
    """Answers by the mark that they come back with: a frame's `id`, or an event's `event_id`."""

    def __init__(self) -> None:
        self._waiting: dict[str | int, list[asyncio.Future[Ack]]] = {}

    async def answer(self, name: str | int, timeout: float) -> Ack:
        """Wait for one.

        Raises:
            RequestError: the Hub's refusal.
            Unavailable: `connection_lost`, or `unreachable` after `timeout` seconds.
        """
        future: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        # The same event_id may be sent twice (again, by who was unsure): one answer serves both.
        self._waiting.setdefault(name, []).append(future)
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise Unavailable(
                "unreachable", url="the event hub", detail="no answer in time"
            ) from None
        finally:
            rest = self._waiting.get(name)
            if rest is not None and future in rest:
                rest.remove(future)
                if not rest:
                    del self._waiting[name]

    def settle(self, frame: Ack | Error) -> bool:
        """An answer has come; whether somebody waited for it."""
        futures = self._waiting.pop(_belongs_to(frame), [])
        for future in futures:
            if future.done():
                continue
            if isinstance(frame, Error):
                future.set_exception(refusal(frame.code, frame.message, frame.params))
            else:
                future.set_result(frame)
        return bool(futures)

    def lose(self) -> None:
        """The connection is lost: no answer comes any more."""
        waiting, self._waiting = self._waiting, {}
        for future in (future for futures in waiting.values() for future in futures):
            if not future.done():
                future.set_exception(Unavailable("connection_lost"))


def _belongs_to(frame: Ack | Error) -> str | int:
    if frame.id is not UNSET:
        return frame.id
    return frame.event_id if frame.event_id is not UNSET else ""
