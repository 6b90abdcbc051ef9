"""What the benchmark needs of a server: to start it, and the bytes of its protocol."""

from __future__ import annotations

import socket
from abc import abstractmethod

from bench.server import Missing, Server, dial, free_port, program, read_until

__all__ = ["Counter", "Missing", "Peer", "dial", "free_port", "program", "read_until"]


class Counter:
    """Bytes that a subscriber has read and that count as deliveries."""

    def __init__(self) -> None:
        self.total = 0

    def feed(self, data: memoryview) -> None:
        """More was read."""
        self.total += len(data)


class Peer(Server):
    """A server that carries messages, and clients of it that are plain sockets."""

    @abstractmethod
    def connect(self, client: str) -> socket.socket:
        """A blocking connection that may publish and subscribe.

        Args:
            client: a name of its own; envelopes that it publishes carry it as their source.
        """

    @abstractmethod
    def subscribe(self, connection: socket.socket, pattern: str) -> None:
        """Subscribe, and return when the server has it."""

    @abstractmethod
    def publication(self, subject: str, envelope: bytes) -> bytes:
        """What a publisher writes for one message."""

    @abstractmethod
    def delivery_size(self, subject: str, size: int) -> int:
        """How many bytes a subscriber reads for one message whose envelope has `size` bytes."""

    def counter(self) -> Counter:
        """Counts what a subscriber has read."""
        return Counter()
