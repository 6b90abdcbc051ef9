"""A module's entry in the Registry: what it says, and that it stays there."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kite.errors import KiteError
from kite.sdk.core.lease import Lease, Step
from kite.sdk.core.session import final_status


class Registrar(Protocol):
    """What keeps entries: `RegistryClient`, or what a test puts in its place."""

    async def register(self, module_id: str, record: Mapping[str, Any]) -> float: ...

    async def heartbeat(self, module_id: str) -> float: ...


class Registration:
    """Registers and renews; registers again where the Registry has forgotten.

    Args:
        module: the module's name.
        record: what is registered; asked for at each registration.
        on_final: called when the Registry refuses for good (a dead token, a malformed record).
    """

    def __init__(
        self,
        registrar: Registrar,
        module: str,
        record: Callable[[], Mapping[str, Any]],
        on_final: Callable[[KiteError], None],
    ) -> None:
        self._registrar = registrar
        self._module = module
        self._record = record
        self._on_final = on_final
        self._lease = Lease(time.monotonic())
        self._changed = asyncio.Event()

    async def register(self) -> None:
        """Register now.

        Raises:
            PeerError, RequestError, Unavailable: as `RegistryClient.register`; the next try is
                planned already.
        """
        self._lease.renew_at_once(time.monotonic())
        await self._step()

    def refresh(self) -> None:
        """Register again soon: what is registered has changed."""
        self._lease.renew_at_once(time.monotonic())
        self._changed.set()

    def unheard(self) -> None:
        """The Hub does not hear the module any more: the Registry is told soon that it lives."""
        self._lease.unheard(time.monotonic())
        self._changed.set()

    async def keep(self) -> None:
        """Renew for ever; ends only when the Registry refuses for good."""
        while True:
            self._changed.clear()
            wait = self._lease.due - time.monotonic()
            if wait > 0:
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    pass
                continue
            try:
                await self._step()
            except KiteError as failure:
                if final_status(failure) is not None:
                    self._on_final(failure)
                    return

    async def _step(self) -> None:
        try:
            if self._lease.step is Step.REGISTER:
                ttl = await self._registrar.register(self._module, self._record())
            else:
                ttl = await self._registrar.heartbeat(self._module)
        except KiteError as failure:
            self._lease.failed(failure, time.monotonic(), random.random())  # noqa: S311  (jitter)
            raise
        self._lease.granted(ttl, time.monotonic())
