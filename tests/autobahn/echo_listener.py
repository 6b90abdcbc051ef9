"""An echo on the Hub's own front door and connections: what RFC 6455 asks is asked of these.

Run as a program it prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from kite.event_hub.compiled import load
from kite.event_hub.connection import Connection, Listener
from kite.event_hub.core.admission import Request
from kite.event_hub.core.outbox import Outbox
from kite.event_hub.front import Admission, Doors
from kite.http.listen import listening_socket, port_of

MAX_BYTES = 16 << 20
_TEXT = 0x81
_BINARY = 0x82


class Echo:
    """What a connection talks to: it sends every message back, through an outbox as the Hub's."""

    lane: object = None
    """Of the compiled listener, so that it looks into every text for a plain event."""

    def opened(self, connection: Connection) -> None:
        self.connection = connection
        self.outbox = Outbox(connection, MAX_BYTES, lambda _: None)
        connection.listener.lane = self.lane

    def message(self, payload: bytes, *, is_text: bool) -> None:
        if self.lane is not None:
            self.lane.is_open = True  # the Hub opens it with every message that takes the full path
        if self.outbox.push(_frame(_TEXT if is_text else _BINARY, payload), 1):
            self.connection.pause()

    def batch_ended(self) -> None:
        self.outbox.flush()

    def push(self, data: bytes) -> None:
        self.outbox.push(data, 0)
        self.outbox.flush()

    def answered(self) -> None:
        """Nobody was asked."""

    def writable(self) -> None:
        if self.outbox.writable():
            self.connection.resume()

    def leaving(self) -> None:
        """What was echoed already still goes: the suite expects it before the close frame."""

    def flush(self) -> None:
        self.outbox.flush()

    def is_flushed(self) -> bool:
        return self.outbox.is_empty

    def closed(self) -> None:
        self.outbox.close()


class House:
    """Lets everybody in.

    Args:
        form: `pure` or `compiled`, the listener that picows calls.

    Raises:
        NotCompiled: the compiled one is not there.
    """

    def __init__(self, form: str) -> None:
        self._parts, self._listener = (None, Listener) if form == "pure" else load()

    def check(self, request: Request) -> None:
        """Every `Host` and `Origin` may."""

    def answer(self, request: Request) -> None:
        """Nothing is here but the WebSocket."""

    def admit(self, request: Request) -> Admission:
        def make(tcp: asyncio.Transport) -> Connection:
            echo = Echo()
            if self._parts is not None:
                parts = self._parts
                echo.lane = parts.lane(parts.run(), "echo", parts.recent(120.0, 100))
            return Connection(
                tcp,
                echo,
                max_bytes=MAX_BYTES,
                farewell=5.0,
                allow_binary=True,
                listener=self._listener,
            )

        return make


async def serve(form: str) -> None:
    """Listen on a free port, print it, and go when standard input ends."""
    loop = asyncio.get_running_loop()
    doors = Doors(House(form), limit=64, seconds=5.0, head_bytes=16 << 10, frame_bytes=MAX_BYTES)
    sock = listening_socket({})
    server = await loop.create_server(doors, sock=sock)
    sys.stdout.write(f"{port_of(sock)}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    server.close()
    doors.close()


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes((first, size))
    elif size < 1 << 16:
        head = bytes((first, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 127)) + size.to_bytes(8, "big")
    return head + payload


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
