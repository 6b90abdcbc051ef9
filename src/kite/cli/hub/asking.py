"""One request after the other over one connection, and what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec import UnsetType

from kite.cli.hub.connection import OPERATOR, OperatorConnection, Seen, connect, new_id
from kite.cli.hub.sending import stamped
from kite.clock import rfc3339
from kite.errors import KiteError, RequestError, Unavailable
from kite.sdk.refusal import refusal

if TYPE_CHECKING:
    from kite.cli.control import Control
    from kite.wire.frame import Error, Event

DEADLINE_HEADER = "kite-deadline"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.

    Args:
        event: as it came.
        seconds: from the request to it.
    """

    event: Seen
    seconds: float


class Asker:
    """Asks, and waits for what is said to its inbox. Made with `open`."""

    def __init__(self) -> None:
        self._inbox = f"_reply.{OPERATOR}.{new_id()}"
        self._heard: asyncio.Queue[tuple[Seen, float] | KiteError] = asyncio.Queue()
        self._asked = ""
        self._number = 0
        self._connection: OperatorConnection

    @classmethod
    async def open(cls, control: Control) -> Asker:
        """Connect; `close` it in the end."""
        asker = cls()
        asker._connection = await connect(control, on_lost=asker._lost)
        asker._connection.on_seen = asker._seen
        asker._connection.on_error = asker._refused
        await asker._connection.subscribe([f"{asker._inbox}.*"])
        return asker

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()

    async def ask(
        self,
        event: Event,
        *,
        timeout: float,
        replies: int = 1,
        on_reply: Callable[[Reply], None],
    ) -> int:
        """Send a request and wait for replies to it.

        Args:
            event: subject, data and headers.
            timeout: seconds for all of it.
            replies: how many are enough; 0: all that come in time.
            on_reply: called with each as it comes.

        Returns:
            how many replies came.

        Raises:
            RequestError: `no_responders`, `responder_lost`, another refusal of the Hub; and
                `request_timeout` when there was no reply at all.
            Unavailable: `connection_lost`.
        """
        loop = asyncio.get_running_loop()
        self._number += 1
        reply_to = f"{self._inbox}.{self._number}"
        self._asked = new_id()
        headers = {} if isinstance(event.headers, UnsetType) else event.headers
        deadline = {DEADLINE_HEADER: rfc3339(time.time() + timeout)}
        event = msgspec.structs.replace(event, headers={**deadline, **headers})
        came = 0
        began = loop.time()
        try:
            async with asyncio.timeout(timeout):
                event = stamped(event, event_id=self._asked, reply_to=reply_to)
                await self._connection.publish_acked(event, timeout=timeout + 1)
                while replies == 0 or came < replies:
                    heard = await self._heard.get()
                    if isinstance(heard, KiteError):
                        raise heard
                    reply, at = heard
                    if reply.event == reply_to:  # not a late one to what was asked before
                        came += 1
                        on_reply(Reply(reply, at - began))
        except TimeoutError:
            if not came:
                raise RequestError(
                    "request_timeout", subject=event.event, timeout=timeout
                ) from None
        return came

    def _seen(self, event: Seen, _frame: bytes) -> None:
        self._heard.put_nowait((event, asyncio.get_running_loop().time()))

    def _refused(self, error: Error) -> None:
        if error.event_id == self._asked:  # acknowledged, and then whoever got it has left
            self._heard.put_nowait(refusal(error.code, error.message, error.params))

    def _lost(self) -> None:
        self._heard.put_nowait(Unavailable("connection_lost"))
