"""Client frames of RFC 6455, made ahead of time."""

from __future__ import annotations

import socket

from bench.hub.peers.peer import Counter, dial, read_until

_MASK = b"\x37\xfa\x21\x3d"


def frame(payload: bytes, *, opcode: int = 1) -> bytes:
    """One masked frame."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    key = (_MASK * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return bytes([0x80 | opcode]) + length + _MASK + masked


def header_size(size: int) -> int:
    """Bytes of a server's frame before its payload."""
    return 2 if size < 126 else 4 if size < 65536 else 10


def upgrade(port: int, path: str, *, token: str = "") -> tuple[socket.socket, bytes]:
    """A WebSocket connection, and what the server said right behind its answer."""
    connection = dial(port)
    shown = f"Authorization: Bearer {token}\r\n" if token else ""
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{shown}\r\n".encode()
    )
    head, _, rest = read_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")
    if b" 101 " not in head.partition(b"\r\n")[0]:
        raise RuntimeError(f"no WebSocket: {head!r}")
    return connection, rest


class FramesCounter(Counter):
    """Counts the payload of a server's frames, however much is in each."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0
        self._head = b""

    def feed(self, data: memoryview) -> None:
        """More was read; a frame's header may be cut anywhere."""
        at = 0
        while at < len(data):
            if self._left:
                taken = min(self._left, len(data) - at)
                self._left -= taken
                self.total += taken
                at += taken
                continue
            self._head += bytes(data[at : at + 1])
            at += 1
            length = self._head[1] & 0x7F if len(self._head) > 1 else None
            wide = {126: 2, 127: 8}.get(length, 0) if length is not None else None
            if wide is not None and len(self._head) == 2 + wide:
                self._left = int.from_bytes(self._head[2:], "big") if wide else length or 0
                self._head = b""
