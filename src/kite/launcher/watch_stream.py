"""The answer to whoever holds a lease: a line of JSON for each change, for as long as they listen."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from kite.launcher.watching import Lease, Watching

BREATH = 5.0
"""Seconds between two empty lines: a client that is gone is noticed by the next one."""


class WatchStream(Response):
    """Gives the lease back when the client has gone, or the Launcher is stopping.

    Args:
        lease: what is told.
        stopping: set when everything is to end.
    """

    media_type = "application/x-ndjson"

    def __init__(self, watching: Watching, lease: Lease, stopping: asyncio.Event) -> None:
        super().__init__(headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._watching = watching
        self._lease = lease
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Speak until nobody listens."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await asyncio.sleep(0)  # the watch is in place after its task's first turn
            await send(_line({"module": self._lease.name, "watching": True}))
            async with asyncio.TaskGroup() as group:
                telling = group.create_task(self._tell(send))
                ends = {
                    group.create_task(_until_gone(receive)),
                    group.create_task(self._stopping.wait()),
                }
                await asyncio.wait({telling, *ends}, return_when=asyncio.FIRST_COMPLETED)
                for task in (telling, *ends):
                    task.cancel()
        finally:
            self._watching.give_back(self._lease)
        with contextlib.suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send) -> None:
        while True:
            try:
                async with asyncio.timeout(BREATH):
                    told = await self._lease.changes.get()
            except TimeoutError:
                await send({"type": "http.response.body", "body": b"\n", "more_body": True})
            else:
                await send(_line({"module": self._lease.name, **told}))


def _line(value: dict[str, Any]) -> Message:
    body = msgspec.json.encode(value) + b"\n"
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
