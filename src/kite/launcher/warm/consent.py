"""A Registry and an Event Hub that say yes to everything: what a module meets in its rehearsal."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import msgspec

_HEAD_END = b"\r\n\r\n"
_YES = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"ttl":30}'
_UPGRADE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\n\r\n"
)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_TEXT, _CLOSE = 0x81, 0x88
_MASKED, _TWO_BYTES, _EIGHT_BYTES = 0x80, 126, 127


async def consent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one connection: a WebSocket is the Hub's, any other request the Registry's."""
    try:
        head = await reader.readuntil(_HEAD_END)
        lines = (line.partition(b":") for line in head.split(b"\r\n"))
        fields = {name.lower(): value.strip() for name, _, value in lines}
        if key := fields.get(b"sec-websocket-key"):
            digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
            writer.write(_UPGRADE % base64.b64encode(digest))
            while reply := _reply(*await _frame(reader)):
                writer.write(reply)
        else:
            await reader.readexactly(int(fields.get(b"content-length", b"0")))
            writer.write(_YES)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass  # it has left
    finally:
        writer.close()


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The kind of the next frame, and what it says (RFC 6455, section 5.2)."""
    kind, size = await reader.readexactly(2)
    size -= _MASKED
    if size in (_TWO_BYTES, _EIGHT_BYTES):
        size = int.from_bytes(await reader.readexactly(2 if size == _TWO_BYTES else 8), "big")
    mask = await reader.readexactly(4)
    data = await reader.readexactly(size)
    return kind, bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


def _reply(kind: int, data: bytes) -> bytes:
    """What the Hub says to it; empty where that is the last word."""
    if kind != _TEXT:
        return b""
    asked = msgspec.json.decode(data)
    ack = msgspec.json.encode({"type": "ack", "id": asked.get("id", 0)})
    return bytes((_TEXT, len(ack))) + ack
