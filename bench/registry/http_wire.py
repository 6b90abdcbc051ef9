"""HTTP/1.1 with prepared bytes over a connection that stays."""

from __future__ import annotations

import re

from bench.registry.connection import Connection, Refused, Request

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "


def request(
    method: str, target: str, *, port: int, token: str = "", body: bytes | None = None
) -> Request:
    """The bytes of a request."""
    lines = [f"{method} {target} HTTP/1.1", f"host: 127.0.0.1:{port}"]
    if token:
        lines.append(f"authorization: Bearer {token}")
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return ("\r\n".join([*lines, "", ""]).encode() + (body or b""),)


def answer(data: bytes) -> bytes | None:
    """The body of the one answer in what has come, once it is whole.

    Raises:
        Refused: its status is not 200, or its length is not said.
    """
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return None
    length = _LENGTH.search(head + b"\r\n")
    if length is None or not head.startswith(_OK):
        raise Refused(repr(data[:500]))
    return body if len(body) >= int(length[1]) else None


class HttpConnection(Connection):
    """One request at a time."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._come = b""

    def write(self, request: Request) -> None:
        self.socket.sendall(request[0])

    def read(self) -> bytes | None:
        self._come += self.received()
        found = answer(self._come)
        if found is not None:
            self._come = b""
        return found
