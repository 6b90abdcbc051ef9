"""What a connection leaves behind that ended while it was being made."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct

import picows
import pytest

from kite.errors import Unavailable
from kite.sdk.handshake import shake_hands
from kite.sdk.listener import Listener

AT_ONCE = struct.pack("ii", 1, 0)


class Torn(Listener):
    """Its connection is reset in the moment between the dialling and the first word."""

    def __init__(self, server: socket.socket) -> None:
        super().__init__(None)  # type: ignore[arg-type]  (nobody hears of it)
        self.server = server
        self.descriptor = -1

    async def dial(self, url: picows.WSParsedURL) -> socket.socket:
        dialled = await super().dial(url)
        self.descriptor = dialled.fileno()
        asyncio.get_running_loop().call_soon(self._reset, dialled)
        return dialled

    def _reset(self, dialled: socket.socket) -> None:
        accepted, _ = self.server.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        accepted.close()
        told = select.poll()
        told.register(dialled, 0)
        assert told.poll(5000)


async def test_the_next_owner_of_its_descriptor_is_heard() -> None:
    """The Registry dialled a Hub that was just dying, and never read the request after it."""
    near, far = socket.socketpair()
    with near, far, socket.create_server(("127.0.0.1", 0)) as server:
        listener = Torn(server)
        endpoint = f"ws://127.0.0.1:{server.getsockname()[1]}/ws"
        with pytest.raises(Unavailable):
            await shake_hands(listener, listener, endpoint, "a" * 64, 5, is_asked=True)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(listener.descriptor)
        with socket.socket(fileno=os.dup2(near.fileno(), listener.descriptor)) as heir:
            heir.setblocking(False)
            reading = asyncio.create_task(asyncio.get_running_loop().sock_recv(heir, 10))
            await asyncio.sleep(0)
            far.send(b"hello")
            async with asyncio.timeout(5):
                assert await reading == b"hello"
