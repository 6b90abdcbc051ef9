"""A client's connection of which nothing is measured: prepared bytes out, one answer at a time in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from bench.server import dial

Request = Sequence[bytes]
"""A request as its pieces; between them stands what the connection alone knows (the stream's number)."""

Operation = Sequence[Request]
"""What a client has to ask, one after the other, to get one thing done."""

ROOM = 1 << 18


class Refused(RuntimeError):  # noqa: N818  (a fact about an answer)
    """The answer is no success."""


class Connection(ABC):
    """One connection.

    Attributes:
        socket: blocking; `read` takes what is there.
    """

    def __init__(self, port: int) -> None:
        self.socket = dial(port)

    def close(self) -> None:
        """End it."""
        self.socket.close()

    def ask(self, request: Request) -> bytes:
        """What is answered."""
        self.write(request)
        while (answer := self.read()) is None:
            pass
        return answer

    @abstractmethod
    def write(self, request: Request) -> None:
        """Ask, without waiting."""

    @abstractmethod
    def read(self) -> bytes | None:
        """Read once; the answer's body if it is whole now.

        Raises:
            Refused: the answer is no success.
            ConnectionError: the server has closed the connection.
        """

    def received(self) -> bytes:
        """What has come; waits for something."""
        data = self.socket.recv(ROOM)
        if not data:
            raise ConnectionError("the server has closed the connection")
        return data
