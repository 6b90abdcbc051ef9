"""What a module prints, as lines, for its whole life, without holding up anybody else.

Each turn of the loop takes one piece of each stream, so a flood is shared out fairly. What one
module prints beyond its budget is thrown away and counted, and beyond that the pipe is left to fill:
the flooder waits, nobody else does.
"""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import Callable

MAX_LINE = 16 * 1024  # characters; longer lines are cut into pieces of this length

_PIECE = 32 * 1024  # bytes taken in one turn
_RATE = 4 * 1024 * 1024  # bytes a second that are turned into lines
_BURST = 16 * 1024 * 1024
_RESUME_AT = 1024 * 1024  # what must have been saved before lines are taken again
_COST_OF_LINE = 32  # bytes of the log that each line costs besides itself
_BREATH = 0.002  # seconds between two pieces that are thrown away
_LAST_WORDS = 1024 * 1024  # bytes taken after the exit: a full pipe, not what grandchildren add
_FIRST_WORDS = 256 * 1024  # of these, bytes taken before the exit is told


class Budget:
    """How much output becomes lines: a bucket that fills with time. Pure: time is passed in."""

    def __init__(self, now: float, *, rate: float = _RATE, burst: float = _BURST) -> None:
        self._rate = rate
        self._burst = burst
        self._saved = float(burst)
        self._at = now
        self.is_spent = False

    def take(self, size: int, now: float) -> bool:
        """Whether a piece of `size` bytes may become lines at the instant `now` (seconds)."""
        self._saved = min(self._burst, self._saved + (now - self._at) * self._rate)
        self._at = now
        if self._saved >= (_RESUME_AT if self.is_spent else 0):
            self.is_spent = False
            self._saved -= size
        else:
            self.is_spent = True
        return not self.is_spent


class LineSplitter:
    """Bytes in, whole lines out: decoded, without line ends, never longer than `MAX_LINE`."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes, *, is_last: bool = False) -> list[str]:
        """The lines that this piece completes; with `is_last` what is left, too."""
        lines = (self._rest + self._decoder.decode(data, is_last)).split("\n")
        self._rest = lines.pop()
        if is_last and self._rest:
            lines.append(self._rest)
            self._rest = ""
        while len(self._rest) > MAX_LINE:
            lines.append(self._rest[:MAX_LINE])
            self._rest = self._rest[MAX_LINE:]
        return [piece for line in lines for piece in _cut(line.removesuffix("\r"))]

    def skip(self, data: bytes) -> int:
        """Throw the piece away, and what was left of the last; the number of lines lost."""
        lost = data.count(b"\n") + bool(self._rest)
        self._decoder.reset()
        # The rest of the line that is cut here will look like a line: mark it as what it is.
        self._rest = "" if data.endswith(b"\n") else "… "
        return lost


def _cut(line: str) -> list[str]:
    if len(line) <= MAX_LINE:
        return [line]
    return [line[start : start + MAX_LINE] for start in range(0, len(line), MAX_LINE)]


class Capture:
    """Both outputs of a process.

    Args:
        stdout, stderr: read ends, non-blocking; the capture closes them.
        on_lines: called from the loop with (is it standard error?, lines).
        on_dropped: called with the number of lines that a flood has lost, when it is over.
    """

    def __init__(
        self,
        stdout: int,
        stderr: int,
        *,
        on_lines: Callable[[bool, list[str]], None],
        on_dropped: Callable[[int], None] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        budget = Budget(loop.time())
        self._streams = [
            _Stream(loop, stdout, False, budget, on_lines),
            _Stream(loop, stderr, True, budget, on_lines),
        ]
        for stream in self._streams:
            stream.on_dropped = on_dropped

    def drain(self) -> None:
        """At the exit: take what is in the pipes now, so that the last words are there before the
        exit is told. Takes a fraction of a millisecond, whoever else holds the pipes."""
        for stream in self._streams:
            stream.drain()

    def finish(self) -> None:
        """After the exit: take what is in the pipes, without waiting for an end that a grandchild
        may hold back, give out the last partial lines, and close."""
        for stream in self._streams:
            stream.finish()

    def close(self) -> None:
        """Close at once; nothing more is given out."""
        for stream in self._streams:
            stream.close()


class _Stream:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        descriptor: int,
        is_error: bool,
        budget: Budget,
        on_lines: Callable[[bool, list[str]], None],
    ) -> None:
        self._loop = loop
        self._descriptor: int | None = descriptor
        self._is_error = is_error
        self._budget = budget
        self._on_lines = on_lines
        self._splitter = LineSplitter()
        self._lost = 0
        self._breath: asyncio.TimerHandle | None = None
        self.on_dropped: Callable[[int], None] | None = None
        loop.add_reader(descriptor, self._read)

    def _read(self) -> None:
        data = self._take()
        if data is None:
            return
        if not data:
            self.close(self._splitter.feed(b"", is_last=True))
        elif self._budget.take(len(data) + _COST_OF_LINE * data.count(b"\n"), self._loop.time()):
            self._tell_lost()
            self._give(self._splitter.feed(data))
        else:
            self._lost += self._splitter.skip(data)
            self._pause()

    def _take(self) -> bytes | None:
        """The next piece, empty at the end, None when there is nothing now."""
        assert self._descriptor is not None
        try:
            return os.read(self._descriptor, _PIECE)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _pause(self) -> None:
        assert self._descriptor is not None
        self._loop.remove_reader(self._descriptor)
        self._breath = self._loop.call_later(_BREATH, self._resume)

    def _resume(self) -> None:
        self._breath = None
        if self._descriptor is not None:
            self._loop.add_reader(self._descriptor, self._read)

    def _give(self, lines: list[str]) -> None:
        if lines:
            self._on_lines(self._is_error, lines)

    def _tell_lost(self) -> None:
        if self._lost and self.on_dropped is not None:
            self.on_dropped(self._lost)
        self._lost = 0

    def drain(self) -> None:
        lines, is_over = self._take_left(_FIRST_WORDS)
        if is_over:
            self.close(lines)
        else:
            self._tell_lost()
            self._give(lines)

    def finish(self) -> None:
        lines, is_over = self._take_left(_LAST_WORDS)
        if not is_over:
            lines += self._splitter.feed(b"", is_last=True)
        self.close(lines)

    def _take_left(self, left: int) -> tuple[list[str], bool]:
        """What is in the pipe now, `left` bytes or a little more at most, and whether that was all
        that will ever come: then the last partial line is among it."""
        lines: list[str] = []
        while self._descriptor is not None and left > 0:
            data = self._take()
            if data is None:
                break
            lines += self._splitter.feed(data, is_last=not data)
            if not data:
                return lines, True
            left -= len(data)
        return lines, self._descriptor is None

    def close(self, last: list[str] | None = None) -> None:
        """Give out the last lines and let go of the pipe."""
        if self._breath is not None:
            self._breath.cancel()
            self._breath = None
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
        self._tell_lost()
        self._give(last or [])
