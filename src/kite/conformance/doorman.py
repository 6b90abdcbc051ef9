"""Stands where a Registry would, and sends everybody away: first for a moment, then for good."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

_NOT_READY: Final = (503, "Service Unavailable", "not_ready", "Retry-After: 1\r\n")
_UNAUTHORIZED: Final = (401, "Unauthorized", "unauthorized", "")


class Doorman:
    """An async context manager that listens on a port of 127.0.0.1.

    Args:
        not_ready: so many questions are answered with 503; what follows with 401.

    Attributes:
        questions: how many there were.
    """

    def __init__(self, not_ready: int) -> None:
        self._not_ready = not_ready
        self.questions = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.questions += 1
            writer.write(_answer(self.questions <= self._not_ready))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked has left
        finally:
            writer.close()


def _answer(is_early: bool) -> bytes:
    status, title, code, more = _NOT_READY if is_early else _UNAUTHORIZED
    body = (
        f'{{"type":"about:blank","title":"{title}","status":{status},"detail":"conformance",'
        f'"code":"{code}","params":{{}},"hint":""}}'
    )
    return (
        f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\n{more}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()
