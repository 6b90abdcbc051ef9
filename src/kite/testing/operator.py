"""The operator at the Hub: publishes and asks, as `kite pub` and `kite request` do."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from kite.errors import Unavailable
from kite.sdk.connection import HubConnection, Lost
from kite.sdk.core.envelopes import Envelopes
from kite.sdk.link import Connect
from kite.sdk.publisher import Publisher
from kite.sdk.requests import Questions
from kite.wire import frame


class Operator:
    """An async context manager; it connects when it has something to say, and again when it lost
    its connection meanwhile.

    Args:
        endpoint: of the Hub.
        token: the operator's.
        connect: makes the connection.
    """

    def __init__(self, endpoint: str, token: str, *, connect: Connect = HubConnection.open) -> None:
        self._endpoint = endpoint
        self._token = token
        self._open = connect
        self._envelopes = Envelopes("operator", secrets.token_hex(6))
        self._publisher = Publisher()
        self._questions = Questions(self._envelopes, self._publisher)
        self._connection: HubConnection | None = None
        self._lost = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._connection.close()
        await self._publisher.close()

    async def publish(
        self, subject: str, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Publish an event; returns when the Hub has accepted it.

        Raises:
            KiteError: as `HubConnection.open` and `publish_acked`.
        """
        event = self._envelopes.make(subject, data, time.time(), headers=headers)
        await (await self._connect()).publish_acked(event)

    async def send(self, event: frame.Event) -> None:
        """Send an event as it is, whoever it says it is from."""
        (await self._connect()).publish(event)

    async def request(self, subject: str, data: Any = None, timeout: float = 5.0) -> Any:
        """The data of the answer; raises what `Module.request` raises.

        Raises:
            Unavailable: also where the Hub cannot be reached, or is lost before the answer.
        """
        self._publisher.attach(await self._connect(timeout))
        lost = asyncio.create_task(self._lost.wait())
        asking = asyncio.create_task(
            self._questions.ask(subject, data, timeout=timeout, headers=None)
        )
        try:
            await asyncio.wait({asking, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise Unavailable("connection_lost")
            return asking.result()
        finally:
            lost.cancel()
            asking.cancel()

    async def _connect(self, timeout: float = 10.0) -> HubConnection:
        if self._connection is None or not self._connection.is_open:
            self._publisher.detach()
            self._lost = asyncio.Event()
            self._connection = await self._open(
                self._endpoint,
                self._token,
                on_event=self._received,
                on_lost=self._ended,
                timeout=timeout,
            )
            self._connection.on_error = self._refused
            await self._connection.subscribe([self._envelopes.replies], timeout=timeout)
        return self._connection

    def _received(self, event: frame.Event) -> None:
        request = self._envelopes.request_of(event.event)
        if request is not None:
            self._questions.answered(event, request)

    def _refused(self, error: frame.Error) -> None:
        self._questions.refused(error)

    def _ended(self, _: Lost) -> None:
        self._lost.set()
