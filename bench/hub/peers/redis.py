"""Redis pub/sub, spoken to in RESP; a publisher gets an integer back for each message and must read it."""

from __future__ import annotations

import socket

from bench.hub.peers.peer import Peer, dial, free_port, program, read_until


class Redis(Peer):
    """Nothing on disk, and no limit on what waits for a subscriber: by default it is cut at 32 MB."""

    name = "Redis"

    def start(self) -> None:
        path = program("redis-server", "apt-get install redis-server")
        self.port = free_port()
        self._run(
            *(path, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
            *("--appendonly", "no", "--dir", str(self._directory)),
            *("--client-output-buffer-limit", "pubsub 0 0 0"),
        )

    def connect(self, client: str) -> socket.socket:  # noqa: ARG002
        connection = dial(self.port)
        connection.sendall(b"PING\r\n")
        read_until(connection, b"+PONG\r\n")
        return connection

    def subscribe(self, connection: socket.socket, pattern: str) -> None:
        is_exact = not set("*>") & set(pattern)
        word = b"SUBSCRIBE" if is_exact else b"PSUBSCRIBE"
        connection.sendall(_array(word, pattern.replace(">", "*").encode()))
        read_until(connection, b":1\r\n")

    def publication(self, subject: str, envelope: bytes) -> bytes:
        return _array(b"PUBLISH", subject.encode(), envelope)

    def delivery_size(self, subject: str, size: int) -> int:
        return len(_array(b"message", subject.encode(), b"x" * size))


def _array(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
