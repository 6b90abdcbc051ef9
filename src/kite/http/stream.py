"""An answer that goes on for as long as somebody listens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kite.http.server import ENDLESS


class Stream(Response):
    """Sends what comes, and ends with the client, or when it is told to.

    Args:
        parts: what is sent; each part when the connection has taken those before.
        media_type: of them all.
        until: set when everything is to end.
        at_end: called once, whatever the end was.
    """

    def __init__(
        self,
        parts: AsyncIterator[bytes],
        *,
        media_type: str,
        until: asyncio.Event,
        at_end: Callable[[], None],
    ) -> None:
        super().__init__(headers={"cache-control": "no-store"}, media_type=media_type)
        del self.headers["content-length"]
        self._parts = parts
        self._until = until
        self._at_end = at_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak until nobody listens."""
        is_heard = scope[ENDLESS]()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with asyncio.TaskGroup() as group:
                ends = {
                    group.create_task(self._send(send)),
                    group.create_task(_until_gone(receive)),
                    group.create_task(self._until.wait()),
                }
                if is_heard:
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for task in ends:
                    task.cancel()
        finally:
            self._at_end()
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        async for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
