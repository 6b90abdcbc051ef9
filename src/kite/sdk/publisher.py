"""What is published, on its way out: straight to the connection, or into the outbox."""

from __future__ import annotations

import asyncio
from typing import Protocol

from kite.errors import Unavailable
from kite.sdk.core.outbox import Outbox


class Outlet(Protocol):
    """What a publisher needs of a connection."""

    @property
    def is_writable(self) -> bool: ...

    @property
    def is_open(self) -> bool: ...

    def send(self, frame: bytes) -> None: ...

    async def drained(self) -> None: ...


class Publisher:
    """Sends frames in the order in which they were published.

    While there is no connection, or while the Hub takes nothing, they wait in the outbox.
    """

    def __init__(self, outbox: Outbox | None = None) -> None:
        self.outbox = outbox or Outbox()
        self._outlet: Outlet | None = None
        self._pump: asyncio.Task[None] | None = None
        self._attached = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def attach(self, outlet: Outlet) -> None:
        """Let what waits go out over this connection, and what comes."""
        if self._outlet is outlet:
            return
        self._outlet = outlet
        self._attached.set()
        self._flush()

    def detach(self) -> None:
        """The connection is gone: keep what comes."""
        self._outlet = None
        self._attached.clear()

    def send(self, frame: bytes) -> None:
        """Send a frame, or keep it.

        Raises:
            Unavailable: `publish_queue_full`.
        """
        outlet = self._outlet
        if outlet is not None and not self.outbox and outlet.is_writable:
            outlet.send(frame)
            return
        self.outbox.put(frame)
        self._empty.clear()
        self._flush()

    async def attached(self) -> None:
        """Wait until there is a connection and everything older is on its way."""
        while self._outlet is None or not self._outlet.is_open or self.outbox:
            await (self._attached if self._outlet is None else self._empty).wait()
            if self._outlet is not None and not self._outlet.is_open:
                self.detach()

    async def drained(self) -> None:
        """Wait until the outbox is empty and the connection takes more."""
        while True:
            await self._empty.wait()
            outlet = self._outlet
            if outlet is None:
                await self._attached.wait()
                continue
            await outlet.drained()
            if not self.outbox:
                return

    def _flush(self) -> None:
        outlet = self._outlet
        while outlet is not None and outlet.is_writable:
            frame = self.outbox.take()
            if frame is None:
                self._empty.set()
                return
            try:
                outlet.send(frame)
            except Unavailable:
                self.outbox.put_back(frame)
                return
        if outlet is not None and self.outbox and outlet.is_open and self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._wait_and_flush(outlet))

    async def _wait_and_flush(self, outlet: Outlet) -> None:
        try:
            await outlet.drained()
        finally:
            self._pump = None
        self._flush()

    async def close(self) -> None:
        """Send no more."""
        self.detach()
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
