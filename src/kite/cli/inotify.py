"""Waiting until files in a directory change, with a descriptor that can be polled beside others.

Linux's inotify, through the C library: the standard library has no door to it, and a library's
watcher can neither be waited for together with a process nor be told apart from sleeping.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from kite.cli.audience import ENDED

_CLOSE_WRITE, _MOVED_TO, _CREATE, _MODIFY = 0x8, 0x80, 0x100, 0x2


class Inotify:
    """Watches directories from the moment it is made; a change before `wait` is not missed.

    Raises:
        OSError: a directory cannot be watched.
    """

    def __init__(self, directories: Iterable[Path]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        mask = _CLOSE_WRITE | _MOVED_TO | _CREATE | _MODIFY
        for directory in directories:
            if libc.inotify_add_watch(self._fd, os.fsencode(directory), mask) < 0:
                number = ctypes.get_errno()
                os.close(self._fd)
                raise OSError(number, os.strerror(number), str(directory))

    def wait(
        self,
        timeout: float | None = None,
        *,
        also: Iterable[int] = (),
        audience: int | None = None,
    ) -> list[int]:
        """Wait for a change, or for one of the other descriptors to be readable.

        Args:
            timeout: seconds; None waits for ever.
            also: descriptors, such as pidfds.
            audience: a descriptor that is written to and whose reader may leave.

        Returns:
            those of `also` that are readable; empty for a change or when the time is over.

        Raises:
            BrokenPipeError: nobody reads `audience` any more.
        """
        poll = select.poll()
        for fd in (self._fd, *also):
            poll.register(fd, select.POLLIN)
        if audience is not None:
            poll.register(audience, 0)  # errors are told unasked
        ready = poll.poll(None if timeout is None else max(0.0, timeout * 1000))
        if any(fd == audience and events & ENDED for fd, events in ready):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        try:
            while os.read(self._fd, 1 << 16):
                pass  # what changed is looked up, not told
        except BlockingIOError:
            pass
        return [fd for fd, _events in ready if fd != self._fd]

    def close(self) -> None:
        """Watch no more."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
