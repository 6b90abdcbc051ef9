"""Mosquitto, spoken to in MQTT 3.1.1 at quality of service 0: at most once, as NATS and Redis are."""

from __future__ import annotations

import socket

from bench.hub.peers.peer import Peer, dial, free_port, program

_CONNACK = 4
_SUBACK = 5


class Mosquitto(Peer):
    """With its limit on queued messages off: by default it drops what a burst brings."""

    name = "Mosquitto"

    def start(self) -> None:
        path = program("mosquitto", "apt-get install mosquitto")
        self.port = free_port()
        config = self._directory / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
            "set_tcp_nodelay true\nlog_dest none\n",
            encoding="utf-8",
        )
        self._run(path, "-c", str(config))

    def connect(self, client: str) -> socket.socket:
        connection = dial(self.port)
        variable = _text("MQTT") + b"\x04\x02\x00\x00" + _text(client)
        connection.sendall(_packet(0x10, variable))
        _read_exactly(connection, _CONNACK)
        return connection

    def subscribe(self, connection: socket.socket, pattern: str) -> None:
        filters = pattern.replace(".", "/").replace("*", "+").replace(">", "#")
        connection.sendall(_packet(0x82, b"\x00\x01" + _text(filters) + b"\x00"))
        _read_exactly(connection, _SUBACK)

    def publication(self, subject: str, envelope: bytes) -> bytes:
        return _packet(0x30, _text(subject.replace(".", "/")) + envelope)

    def delivery_size(self, subject: str, size: int) -> int:
        return len(self.publication(subject, b"x" * size))


def _text(text: str) -> bytes:
    return len(text.encode()).to_bytes(2, "big") + text.encode()


def _packet(kind: int, body: bytes) -> bytes:
    length = bytearray()
    left = len(body)
    while True:
        left, digit = divmod(left, 128)[0], left % 128
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([kind]) + bytes(length) + body


def _read_exactly(connection: socket.socket, count: int) -> None:
    while count:
        piece = connection.recv(count)
        if not piece:
            raise RuntimeError("Mosquitto closed the connection")
        count -= len(piece)
