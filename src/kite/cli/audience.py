"""Whether anybody reads standard output still: `kite logs -f | head -1` is to end with `head`.

A pipe's writer is told by a failing write, and who follows something may have nothing to write for
hours. The kernel tells at once, to those who ask for errors alone.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat
from collections.abc import Callable

ENDED = select.POLLERR | select.POLLHUP


def has_left(fd: int) -> bool:
    """Whether the other end of a pipe, socket or terminal is closed."""
    poll = select.poll()
    poll.register(fd, 0)
    return any(events & ENDED for _fd, events in poll.poll(0))


def when_left(fd: int, call: Callable[[], object]) -> None:
    """Call once when the reader of a pipe or socket has left; must run in an event loop.

    Files never lose their reader, and a terminal takes the whole session with it: for these nothing
    is watched, nor could a loop do it.
    """
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return
    loop = asyncio.get_running_loop()

    def ready() -> None:
        # A loop cannot ask for errors alone: a socket is also ready when somebody sends to it.
        loop.remove_reader(fd)
        if has_left(fd):
            call()

    loop.add_reader(fd, ready)
