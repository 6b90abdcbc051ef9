"""What is read from clients and not worked through yet: how much of it there may be.

picows reads into a buffer of its own, which doubles when it is nearly full and never shrinks. An
`Intake` stands between a transport and its picows parser. It lets a read be only so long, knows how
much of the buffer is the beginning of a message that is not whole yet, and starts with a new parser
when a big buffer is not used. All of them together keep within one bound.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

_LONGEST_READ = 256 << 10
_BIG = 64 << 10
"""Bytes of a buffer that are not worth taking back."""

_IDLE = 1.0
"""Seconds for which nothing was read before a big buffer is taken back."""

TRY_AGAIN_LATER = 1013


class Owner(Protocol):
    """The connection whose input it is."""

    @property
    def unfinished(self) -> int:
        """Bytes of a fragmented message that it has put together so far."""
        ...

    def fail(self, code: int, reason: str) -> None:
        """Close, and throw away what still comes."""
        ...


class Intakes:
    """All of them.

    Args:
        loop: the event loop.
        most: bytes that they may hold together. Beyond that the connection that has kept the
            beginning of a message for longest is closed.

    Attributes:
        now: what time it is.
        held: bytes that those hold that hold more than a little.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self.held = 0
        self.now = loop.time
        self._loop = loop
        self._most = most
        self._big: dict[Intake, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def grew(self, intake: Intake) -> None:
        """One holds more than is worth a moment's silence."""
        self._big[intake] = None
        if self._timer is None:
            self._timer = self._loop.call_later(_IDLE, self._look)
        if self.held > self._most:
            for each in [each for each in self._big if each.is_between_messages]:
                each.start_anew()
        while self.held > self._most and self._big:
            min(self._big, key=_kept_since).refuse()

    def forget(self, intake: Intake) -> None:
        """One is small again, or gone."""
        self._big.pop(intake, None)

    def stop(self) -> None:
        """Nothing is watched any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        """Take big buffers back from those that have read nothing since the last look."""
        self._timer = None
        before = len(self._big)
        for intake in list(self._big):
            if intake.is_replaced or (intake.is_idle and intake.is_between_messages):
                intake.start_anew()
            intake.is_idle = True
        if len(self._big) < before:
            _give_back()
        if self._big:
            self._timer = self._loop.call_later(_IDLE, self._look)


class Intake(asyncio.BufferedProtocol):
    """One connection's input.

    Args:
        tcp: the transport, whose protocol this is.
        owner: the connection.
        make: makes a picows parser that is past its handshake.
        all_of_them: what they hold together is counted there.

    Attributes:
        is_idle: nothing was read since somebody set this.
        is_quiet: likewise; somebody else sets it.
        began_at: when the message that is not whole yet began, on the loop's clock.
    """

    def __init__(
        self, tcp: asyncio.Transport, owner: Owner, make: Callable[[], Any], all_of_them: Intakes
    ) -> None:
        self.is_idle = False
        self.is_quiet = False
        self.began_at = 0.0
        self._tcp = tcp
        self._owner = owner
        self._make = make
        self._all = all_of_them
        self._is_gone = False
        self._pending = 0
        self._size = 0
        self._held = 0
        self._begin()

    @property
    def is_between_messages(self) -> bool:
        """Whether no message has begun that is not whole."""
        return not self._pending and not self._owner.unfinished

    @property
    def is_replaced(self) -> bool:
        """Whether what still comes is thrown away elsewhere."""
        return self._tcp.get_protocol() is not self

    def get_buffer(self, sizehint: int) -> Any:
        """Where the next bytes go."""
        buffer = self._parser_buffer(sizehint)
        return buffer if len(buffer) <= _LONGEST_READ else buffer[:_LONGEST_READ]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        self.is_idle = self.is_quiet = False
        was_between = self.is_between_messages
        self._take_in(nbytes)
        if self._is_gone:
            return
        free, size = len(self._parser_buffer(-1)), self._size
        # A buffer that is full is always doubled; else there is more room than before only if it was.
        if free > size or self._pending + nbytes == size:
            self._size = size = 2 * size
        self._pending = size - free
        if was_between and not self.is_between_messages:
            self.began_at = self._all.now()
        held = size + self._owner.unfinished
        if held > _BIG or self._held:
            self._count(held if held > _BIG else 0)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        """Known already: the connection's `write` has told."""

    def resume_writing(self) -> None:
        self._parser.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._parser.connection_lost(exc)

    def start_anew(self) -> None:
        """Give the buffer back, between two messages."""
        if self.is_replaced:
            self._forget()
        else:
            self._begin()

    def refuse(self) -> None:
        """There is no room for its message."""
        self._forget()
        self._owner.fail(TRY_AGAIN_LATER, "too many unfinished messages")

    def _begin(self) -> None:
        self._parser = self._make()
        self._parser_buffer = self._parser.get_buffer
        self._take_in = self._parser.buffer_updated
        self._size = len(self._parser_buffer(-1))
        self._count(0)

    def _forget(self) -> None:
        self._is_gone = True
        self._count(0)

    def _count(self, held: int) -> None:
        self._all.held += held - self._held
        self._held = held
        if held:
            self._all.grew(self)
        else:
            self._all.forget(self)


def _give_back() -> None:
    """Let the system have what is free: glibc keeps it once it has seen blocks of that size."""
    import ctypes  # noqa: PLC0415  (most Hubs never come here)

    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _kept_since(intake: Intake) -> float:
    return intake.began_at
