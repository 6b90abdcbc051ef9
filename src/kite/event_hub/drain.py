"""Input that means nothing any more, read and thrown away so that the last word is not lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_SECONDS = 1.0
_scratch = bytearray(64 << 10)


class Drain(asyncio.BufferedProtocol):
    """Reads until the peer goes or a second has passed, then closes.

    Args:
        loop: the event loop.
        tcp: whose input this is.
        on_lost: called when the socket is gone.
        on_writable: called when the transport's buffer is empty again.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        tcp: asyncio.Transport,
        on_lost: Callable[[], None],
        on_writable: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_lost = on_lost
        self._on_writable = on_writable
        self._timer = loop.call_later(_SECONDS, tcp.close)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        return _scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Thrown away."""

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        """Nothing is written here."""

    def resume_writing(self) -> None:
        self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._timer.cancel()
        self._on_lost()
