"""A WebSocket client on nothing but a socket: what a stranger's program would do."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any, Self

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


class Refusal(Exception):
    """The Hub answered the handshake with something else than 101."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


class Closed(Exception):
    """The Hub sent a close frame, or (code 1006) the connection ended."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def masked(
    payload: bytes, opcode: int = 1, *, fin: bool = True, mask: bytes | None = None
) -> bytes:
    key = os.urandom(4) if mask is None else mask
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    body = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload)) if any(key) else payload
    return bytes([opcode | (0x80 if fin else 0)]) + length + key + body


async def http(port: int, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as an HTTP request and read the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        async with asyncio.timeout(10):
            return await answer(reader)
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = head.split("\r\n")
    headers = {}
    for line in lines[1:]:
        if line:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(lines[0].split(" ")[1]), headers, body


class HubSocket:
    """`async with await HubSocket.connect(port, token) as client`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.headers: dict[str, str] = {}

    @classmethod
    async def connect(
        cls,
        port: int,
        token: str | None = None,
        *,
        path: str = "/ws",
        headers: dict[str, str] | None = None,
        limit: int = 4 << 20,
        receive_buffer: int | None = None,
    ) -> Self:
        import socket

        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=limit)
        fields = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": KEY,
        }
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        fields |= headers or {}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        client = cls(reader, writer)
        try:
            async with asyncio.timeout(10):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                for line in head[1:]:
                    name, _, value = line.partition(":")
                    client.headers[name.lower()] = value.strip()
                status = int(head[0].split(" ")[1])
                if status != 101:
                    body = await reader.readexactly(int(client.headers["content-length"]))
                    raise Refusal(status, client.headers, body)
        except BaseException:
            writer.close()
            raise
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    def send(self, *frames: dict[str, Any] | str | bytes) -> None:
        for frame in frames:
            text = json.dumps(frame) if isinstance(frame, dict) else frame
            self.writer.write(masked(text.encode() if isinstance(text, str) else text))

    async def frame(self, timeout: float = 10.0) -> tuple[int, bytes]:
        """The next WebSocket frame: opcode and payload."""
        try:
            async with asyncio.timeout(timeout):
                first, size = await self.reader.readexactly(2)
                assert first & 0x80, "the hub does not fragment"
                assert not size & 0x80, "a server does not mask"
                if size == 126:
                    size = int.from_bytes(await self.reader.readexactly(2), "big")
                elif size == 127:
                    size = int.from_bytes(await self.reader.readexactly(8), "big")
                return first & 0x0F, await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Closed(1006) from None

    async def read(self, timeout: float = 10.0) -> dict[str, Any]:
        """The next message; raises `Closed` at the end."""
        while True:
            opcode, payload = await self.frame(timeout)
            if opcode == 1:
                found: dict[str, Any] = json.loads(payload)
                return found
            if opcode == 8:
                code = int.from_bytes(payload[:2], "big") if payload else 1005
                raise Closed(code, payload[2:].decode())

    async def closed(self, timeout: float = 10.0) -> Closed:
        """Read on until the end, and say how it ended."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    await self.read(timeout)
        except Closed as closed:
            return closed

    async def call(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Send, and return the next message."""
        self.send(frame)
        return await self.read()

    async def subscribe(self, *patterns: str, **options: Any) -> None:
        ack = await self.call({"type": "subscribe", "events": patterns, "id": "s", **options})
        assert ack == {"type": "ack", "id": "s"}, ack

    async def publish(self, subject: str, data: Any = None, **fields: Any) -> dict[str, Any]:
        """Publish with an ack, and return it."""
        return await self.call(
            {"type": "event", "event": subject, "data": data, "ack": True, **fields}
        )


Connect = Callable[..., Awaitable[HubSocket]]
"""Connects as a module of any name: `await connect("alpha", publish=[…])`."""
