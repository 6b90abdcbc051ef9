"""gRPC with prepared bytes: calls over one HTTP/2 connection, one at a time, or one that goes on."""

from __future__ import annotations

from typing import Final

from bench.registry import http2
from bench.registry.connection import Connection, Refused, Request

_PREFIX: Final = 5
"""Before each message: whether it is compressed, and its length."""

_REPLENISH: Final = 1 << 20


def call(path: str, message: bytes, *, port: int, is_last: bool = True) -> Request:
    """The bytes of a call, cut where its stream's number stands.

    Args:
        path: `/package.Service/Method`.
        message: as protobuf has it.
        is_last: the client says nothing more in this call.
    """
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": f"127.0.0.1:{port}",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    block = b"".join(http2.literal(name, value) for name, value in headers.items())
    data = b"\x00" + len(message).to_bytes(4, "big") + message
    flags = http2.END_STREAM if is_last else 0
    return (
        http2.head(len(block), http2.HEADERS, http2.END_HEADERS),
        block + http2.head(len(data), http2.DATA, flags),
        data,
    )


class Messages:
    """Finds the messages in the payload of a stream's DATA, cut anywhere. Pure."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, payload: bytes) -> list[bytes]:
        """The messages that are whole now."""
        data = self._rest + payload if self._rest else payload
        found = []
        at = 0
        while at + _PREFIX <= len(data):
            end = at + _PREFIX + int.from_bytes(data[at + 1 : at + _PREFIX], "big")
            if end > len(data):
                break
            found.append(data[at + _PREFIX : end])
            at = end
        self._rest = data[at:]
        return found


class GrpcConnection(Connection):
    """One call at a time; `payload` and `is_over` are of the last one.

    The windows are as large as they may be and are filled up again, so that the server never waits.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._frames = http2.Frames()
        self._messages = Messages()
        self._answer: bytes | None = None
        self._stream = -1
        self._taken = 0
        self.socket.sendall(
            http2.PREFACE
            + http2.frame(
                http2.SETTINGS, http2.setting(http2.INITIAL_WINDOW_SIZE, http2.LARGEST_WINDOW)
            )
            + http2.window_update(0, http2.LARGEST_WINDOW - http2.FIRST_WINDOW)
        )

    def write(self, request: Request) -> None:
        self._stream += 2
        self._answer = None
        self.socket.sendall(self._stream.to_bytes(4, "big").join(request))

    def read(self) -> bytes | None:
        messages, is_over = self.part()
        if messages:
            self._answer = messages[-1]
        if not is_over:
            return None
        if self._answer is None:
            raise Refused("the call was answered with an error and no message")
        return self._answer

    def part(self) -> tuple[list[bytes], bool]:
        """Read once: the messages that have come for the last call, and whether it is over.

        Raises:
            Refused: the server has ended the call or the connection.
        """
        found: list[bytes] = []
        is_over = False
        for kind, flags, stream, payload in self._frames.feed(self.received()):
            if kind == http2.DATA:
                self._replenish(len(payload), stream)
                found += self._messages.feed(payload)
            elif kind == http2.HEADERS and flags & http2.END_STREAM:
                is_over = True
            elif kind == http2.PING and not flags & http2.ACK:
                self.socket.sendall(http2.frame(http2.PING, payload, flags=http2.ACK))
            elif kind == http2.SETTINGS and not flags & http2.ACK:
                self.socket.sendall(http2.frame(http2.SETTINGS, b"", flags=http2.ACK))
            elif kind in (http2.RST_STREAM, http2.GOAWAY):
                raise Refused(f"frame {kind}: {payload!r}")
        return found, is_over

    def _replenish(self, size: int, stream: int) -> None:
        """Only one stream is open at a time, so what has come is of the connection and of it."""
        self._taken += size
        if self._taken >= _REPLENISH:
            for each in (0, stream):
                self.socket.sendall(http2.window_update(each, self._taken))
            self._taken = 0
