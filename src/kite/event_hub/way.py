"""What a connection's parser takes for its transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kite.event_hub.connection import Connection

_CLOSE_BYTE = 0x88


class Way:
    """What picows takes for the transport: everything it does passes through the connection."""

    def __init__(self, tcp: asyncio.Transport, connection: Callable[[], Connection | None]) -> None:
        self._tcp = tcp
        self._connection = connection
        self.is_mute = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The handshake's answer has gone out before; a close frame ends the connection."""
        if self.is_mute:
            return
        connection = self._connection()
        if connection is not None and len(data) and data[0] == _CLOSE_BYTE:
            connection.sent_by_parser(bytes(data))
        else:
            self._tcp.write(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Never 0: at 0 picows would write past us, straight into the socket."""
        return 1

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Of the real transport."""
        return self._tcp.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Of the real transport."""
        return self._tcp.is_closing()

    def close(self) -> None:
        """picows closes a moment after its close frame; the connection knows when."""

    def abort(self) -> None:
        """Likewise."""
