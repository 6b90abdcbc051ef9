"""What picows calls for one connection to the Hub: dial, put fragments together, answer closes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, Protocol

import picows

from kite.wire.frame import Event
from kite.wire.limits import MAX_FRAME_BYTES

_TEXT = picows.WSMsgType.TEXT
_CONTINUATION = picows.WSMsgType.CONTINUATION
_CLOSE = picows.WSMsgType.CLOSE

# The Hub passes on what a publisher sent in up to MAX_FRAME_BYTES, and adds what was missing.
MAX_RECEIVED_BYTES = MAX_FRAME_BYTES + 65536


class Recipient(Protocol):
    """Who is told what happens on the connection."""

    def _received(self, payload: Any) -> None: ...

    def _lost(self, transport: Any) -> None: ...

    def _writable_is(self, writable: bool) -> None: ...


class _Dialled(socket.socket):
    """A socket that takes itself out of its loop when it is closed.

    The transport of aiofastnet 1.2, which picows uses, begins to read from a connection that ended
    while it was being made, and closes it like that. The selector then knows the descriptor's next
    owner already, changes nothing, and what comes for that one is never read.
    """

    loop: asyncio.AbstractEventLoop

    def close(self) -> None:
        if self.fileno() >= 0 and not self.loop.is_closed():
            with contextlib.suppress(NotImplementedError):  # a loop without readers
                self.loop.remove_reader(self)
        super().close()


class Listener(picows.WSListener):
    """What picows calls: puts fragments together, answers closes, passes on the rest.

    Attributes:
        last: the last event that came.
    """

    def __init__(self, connection: Recipient) -> None:
        super().__init__()
        self.last: Event | None = None
        self._connection = connection
        self._fragments: bytearray | None = None
        self._socket: socket.socket | None = None

    async def dial(self, url: picows.WSParsedURL) -> socket.socket:
        """Connect the socket that picows then uses, so that an opening can be given up whole."""
        loop = asyncio.get_running_loop()
        dialled = _Dialled(socket.AF_INET6 if ":" in url.host else socket.AF_INET)
        dialled.loop = loop
        dialled.setblocking(False)
        try:
            await loop.sock_connect(dialled, (url.host, url.port))
        except BaseException:
            dialled.close()
            raise
        self._socket = dialled
        return dialled

    def abandon(self) -> None:
        """Nobody waits any more: end what is still being opened.

        The transport owns the socket by now, and cannot be reached before the handshake is over;
        it closes itself at the end of the stream.
        """
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind == _TEXT and frame.fin:
            self._connection._received(frame.get_payload_as_memoryview())
        elif kind in (_TEXT, _CONTINUATION):
            self._fragment(transport, frame)
        elif kind == _CLOSE:
            if not transport.is_close_frame_sent:
                transport.send_close(picows.WSCloseCode.OK)
            transport.disconnect()

    def _fragment(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if self._fragments is None:
            if frame.msg_type == _CONTINUATION:
                return  # the rest of a binary message, which Kite has no use for
            self._fragments = bytearray()
        self._fragments += frame.get_payload_as_memoryview()
        if len(self._fragments) > MAX_RECEIVED_BYTES:
            transport.send_close(picows.WSCloseCode.MESSAGE_TOO_BIG)
            transport.disconnect()
        elif frame.fin:
            whole, self._fragments = self._fragments, None
            self._connection._received(whole)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._connection._lost(transport)

    def pause_writing(self) -> None:
        self._connection._writable_is(False)

    def resume_writing(self) -> None:
        self._connection._writable_is(True)
