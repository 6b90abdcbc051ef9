"""Orphans that the kernel has given to the Launcher are reaped when they die.

Own processes are told by their pidfd and stay unreaped until their tree is ended; orphans arrive
without a word, perhaps already dead, so the one thing that can announce them is SIGCHLD. It is a
doorbell only: which children are dead is read from the kernel, and own ones are never touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Collection
from types import FrameType

from kite.launcher import platform_linux

_LATER = 0.2  # seconds from an orphan's death to its reaping

_own: set[int] = set()
_adopts = False


def adopt() -> None:
    """Have the kernel give the orphans below this process to it."""
    global _adopts  # noqa: PLW0603  (a fact about this process)
    _adopts = platform_linux.become_subreaper()


def are_none() -> bool:
    """Whether it is certain that no orphan is here, dead or alive: so nothing is left of anybody's
    tree whose leader is dead, as the first of it that lives would be a child of this process.

    Nobody leaves the kernel's list of children while it is read: they are reaped by this thread.
    """
    if not _adopts:
        return False
    children = platform_linux.children()
    return children is not None and _own.issuperset(children)


def own(pid: int) -> None:
    """This child's status is read by the one that spawned it."""
    _own.add(pid)


def disown(pid: int) -> None:
    """From here on the child is like one that was adopted."""
    _own.discard(pid)


def leaders() -> Collection[int]:
    """The pids of all own processes that are not closed yet."""
    return _own


def reap() -> list[int]:
    """Reap every dead child that is not an own process; their pids."""
    dead: list[int] = []
    for pid in _waiting_children():
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0]:
                dead.append(pid)
    return dead


def _waiting_children() -> list[int]:
    try:
        first = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return []
    # The kernel shows one dead child, and the same again until it is reaped. Where that is an own
    # one, others may stand behind it.
    return [] if first is None else _orphans()


def _orphans() -> list[int]:
    """Those that may be dead: children that nobody here has spawned."""
    children = platform_linux.children()
    if children is None:
        me = os.getpid()
        processes = platform_linux.snapshot().items()
        children = [pid for pid, process in processes if process.parent == me]
    return [pid for pid in children if pid not in _own]


def start_reaping(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Reap orphans as they die, until the returned function is called. Main thread only."""
    pending: asyncio.TimerHandle | None = None

    def sweep() -> None:
        nonlocal pending
        pending = None
        reap()

    def plan() -> None:
        # Nothing waits for an orphan's status: a crash's replacement goes first.
        nonlocal pending
        if pending is None:
            pending = loop.call_later(_LATER, sweep)

    def ring(_signum: int, _frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(plan)

    # Not the loop's own handlers: uvloop keeps SIGCHLD for its subprocesses, of which there are
    # none here.
    before = signal.signal(signal.SIGCHLD, ring)

    def stop() -> None:
        signal.signal(signal.SIGCHLD, before)
        if pending is not None:
            pending.cancel()
        reap()

    return stop
