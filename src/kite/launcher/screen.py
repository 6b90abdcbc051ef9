"""A stream that is written without waiting for whoever reads it.

A terminal on hold (Ctrl-S) or a pager that is not scrolled must not stop the Launcher. The stream is
opened a second time without blocking (its own open file, so that the shell's is left as it is); what
it does not take is kept up to a limit, and beyond it whole lines are dropped and counted.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections import deque
from typing import TextIO

LIMIT_BYTES = 256 * 1024


class Screen:
    """Where the console writes.

    Args:
        stream: a text stream; one without a file descriptor is written directly.
        limit: how many bytes wait for a reader at most.
    """

    def __init__(self, stream: TextIO, *, limit: int = LIMIT_BYTES) -> None:
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._limit = limit
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fd = _reopen(stream)
        self._gone = False
        self.dropped = 0

    @property
    def is_congested(self) -> bool:
        """Whether something waits because the reader does not read."""
        return bool(self._waiting)

    def columns_and_rows(self) -> tuple[int, int]:
        """The terminal's size now; 80 by 24 where there is none."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return 80, 24
        return size.columns or 80, size.lines or 24

    def write(self, text: str, *, lines: int = 0) -> None:
        """Write the text whole, or keep it, or (when `lines` says how many it holds) drop it.

        Text without `lines` is never dropped: there is little of it, and it matters.
        """
        if self._gone:
            return
        data = text.encode(self._encoding, "replace")
        if self._fd is None:
            self._write_directly(text)
            return
        if lines and self._waiting_bytes + len(data) > self._limit:
            self.dropped += lines
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as the reader takes it."""
        try:
            while self._waiting and self._fd is not None:
                data = self._waiting[0]
                written = os.write(self._fd, data)
                self._waiting_bytes -= written
                if written == len(data):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = data[written:]
        except BlockingIOError:
            self._watch()
            return
        except OSError:  # the reader is gone; the Launcher goes on without one
            self._gone = True
            self._waiting.clear()
        self._unwatch()

    def close(self) -> None:
        """Write what can be written at once and let go of the stream."""
        self.flush()
        self._unwatch()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._gone = True

    def _write_directly(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._gone = True

    def _watch(self) -> None:
        if self._loop is not None or self._fd is None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # the next write tries again
        loop.add_writer(self._fd, self.flush)
        self._loop = loop

    def _unwatch(self) -> None:
        if self._loop is not None and self._fd is not None:
            self._loop.remove_writer(self._fd)
        self._loop = None


def _reopen(stream: TextIO) -> int | None:
    """The stream's file, opened anew without blocking; None where that makes no sense."""
    try:
        stream.flush()
        fd = stream.fileno()
        mode = os.fstat(fd).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
            return None  # a regular file takes everything
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return os.open(f"/proc/self/fd/{fd}", flags)
    except (OSError, ValueError):
        return None
