"""A connection whose client speaks CloudEvents: what passes is interpreted on its way, both ways."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from kite.event_hub.connection import INTERNAL_ERROR
from kite.event_hub.conversation import Conversation, Line
from kite.event_hub.core.cloudevents import Interpreter, Spoken
from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.rights import Identity

_log = logging.getLogger("kite.event_hub")


class Member(Conversation, Protocol):
    """A conversation that knows whose it is, and how to refuse."""

    identity: Identity

    def refuse(self, refused: Refused) -> None:
        """A whole message that is wrong in itself."""
        ...


class Interpreted:
    """Stands between a connection and what it talks to.

    Args:
        inner: what it talks to.
        patterns: what the client's address asks for.
    """

    def __init__(self, inner: Member, patterns: list[str]) -> None:
        self._inner = inner
        self._interpreter = Interpreter(inner.identity.module, patterns)
        self.batch_ended = inner.batch_ended
        self.push = inner.push
        self.answered = inner.answered
        self.writable = inner.writable
        self.leaving = inner.leaving
        self.flush = inner.flush
        self.is_flushed = inner.is_flushed
        self.closed = inner.closed

    def opened(self, connection: Line) -> None:
        """The handshake is done, and what the address asks for is subscribed to by that."""
        self._inner.opened(_Interpreting(connection, self._interpreter))
        if (greeting := self._interpreter.greeting()) is not None:
            self._inner.message(greeting, is_text=True)
            self._inner.batch_ended()

    def message(self, payload: bytes, *, is_text: bool) -> None:
        """A whole message."""
        try:
            frame = self._interpreter.hear(payload)
        except Refused as refused:
            self._inner.refuse(refused)
        else:
            self._inner.message(frame, is_text=is_text)


class _Interpreting:
    """The way out. It has no lane of its own: what comes in is never plain."""

    def __init__(self, line: Line, interpreter: Interpreter) -> None:
        self.listener: Any = _Nobody()
        self._line = line
        self._interpreter = interpreter
        self._spoken = Spoken(b"", 0, ())
        self.pause = line.pause
        self.resume = line.resume
        self.finish = line.finish

    def write(self, data: bytes | memoryview) -> int:
        """Send; returns how many bytes of it belong to frames that the socket has not taken."""
        try:
            self._spoken = spoken = self._interpreter.say(data)
        except Exception:  # noqa: BLE001 (a session's edge: no event of anybody ends the Hub)
            _log.exception("connection.not_interpreted")
            asyncio.get_running_loop().call_soon(self.finish, INTERNAL_ERROR, "internal error")
            return 0
        return spoken.left(self._line.write(spoken.data)) if spoken.data else 0

    def unsent(self) -> int:
        """Bytes that were written and the socket has not taken, about."""
        return self._spoken.share(self._line.unsent())


class _Nobody:
    """Takes the place of the listener that a lane is given to."""

    lane: Any = None
