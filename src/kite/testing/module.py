"""Run a module in a test, in the test's own event loop.

    async with running(module, data_dir=tmp_path) as bench:
        assert await bench.request("greet", {"name": "Ada"}) == {"text": "hello, Ada"}

The module is connected to a hub within the process (`kite.testing.loopback`); handlers, start and
stop handlers, requests, reconnection and the shutdown handshake are the real ones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kite.sdk.event import Event
from kite.sdk.life import Life
from kite.sdk.module import Module
from kite.settings import ModuleSettings
from kite.testing.loopback import ENDPOINT, LoopbackHub, LoopbackRegistry
from kite.testing.operator import Operator
from kite.wire import frame
from kite.wire.boot import BootLine

_TOKEN = "0" * 64


class Bench:
    """A running module and the world around it.

    Attributes:
        hub: drop its connections to see the module come back: `bench.hub.drop()`.
        registry: what the module has registered: `bench.registry.entries`.
    """

    def __init__(self, life: Life, hub: LoopbackHub, registry: LoopbackRegistry) -> None:
        self.hub = hub
        self.registry = registry
        self._life = life
        self._operator = Operator(ENDPOINT, _TOKEN, connect=hub.connect)
        self._run: asyncio.Task[int] | None = None

    async def publish(self, subject: str, data: Any = None, **headers: str) -> None:
        """Publish an event in the operator's name, and let it arrive."""
        await self._operator.publish(subject, data, headers)

    async def request(self, subject: str, data: Any = None, timeout: float = 5.0) -> Any:
        """Ask the module; raises what `Module.request` raises, and `Unavailable` where the bench's
        own connection is dropped meanwhile."""
        return await self._operator.request(subject, data, timeout)

    async def heard(self, pattern: str, *, count: int = 1, timeout: float = 5.0) -> list[Event]:
        """Wait until so many events that match have been published since the start.

        Raises:
            TimeoutError: they were not.
        """
        return [Event(event) for event in await self.hub.heard(pattern, count, timeout)]

    async def shutdown(self, *, reason: str = "stop_requested", timeout: float = 5.0) -> int:
        """Stop the module as the Launcher does; returns its exit status."""
        order = {
            "module_id": self._life.name,
            "life": self._life.number,
            "reason": reason,
            "timeout": timeout,
        }
        event = frame.Event(
            event="module.shutdown",
            event_id=f"launcher-{time.time_ns()}",
            source="launcher",
            data=order,
        )
        await self._operator.send(event)
        return await self.exit_status(timeout=timeout + 1.0)

    async def exit_status(self, *, timeout: float = 5.0) -> int:
        """Wait until the module has ended by itself; returns its exit status."""
        assert self._run is not None
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self._run)

    async def _begin(self) -> None:
        self._run = asyncio.get_running_loop().create_task(self._life.run())
        ready = asyncio.get_running_loop().create_task(self._life.ready())
        await asyncio.wait({self._run, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()

    async def _end(self) -> None:
        assert self._run is not None
        if not self._run.done():
            await self.shutdown()
        await self._operator.close()


@asynccontextmanager
async def running(
    module: Module, *, data_dir: Path, name: str = "module", life: int = 1, port: int | None = None
) -> AsyncIterator[Bench]:
    """Run a module until the block ends; it is ready (or has ended) when the block begins.

    A `Module` lives once: make a new one for each test, in a function or by reloading its file.

    Args:
        data_dir: what `module.data_dir` is; also its folder and project directory.
        name: what `module.name` is.
        life: the number of its life.
        port: what `module.port` is.
    """
    settings = ModuleSettings(
        module=name,
        module_dir=data_dir,
        data_dir=data_dir,
        registry_port=0,
        instance="test",
        instance_dir=data_dir,
        project_dir=data_dir,
        workspace=data_dir,
        port=port,
    )
    hub, registry = LoopbackHub(), LoopbackRegistry()
    boot = BootLine(token=_TOKEN, life=life)
    bench = Bench(
        module.begin(settings, boot, registry=registry, connect=hub.connect), hub, registry
    )
    await bench._begin()
    try:
        yield bench
    finally:
        await bench._end()
