"""Stops a whole tree before it is killed, so that the set of its members is complete.

A process that has a SIGSTOP pending cannot finish a fork. So when a look finds nobody that was not
there before, everybody is frozen or dead. Killing first would make orphans of children born in
between, and nobody would know whose they were.

A member that is found dead counts as somebody new: it may have forked after the look had begun,
and its child is not in the look then. Hence looks tell the dead ones, too, and nothing is reaped
while they are taken.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

from kite.launcher import platform_linux
from kite.launcher.platform_linux import Stat

Look = Callable[[], Mapping[int, Stat]]
"""Finds the members of a tree, living and dead, by pid."""

Identity = tuple[int, int]
"""Pid and start time."""

_ROUNDS = 50


def freeze(look: Look, seen: set[Identity], *, mark: int | None = None) -> list[Stat]:
    """Stop every member; the living ones, all of them unless forks outran fifty looks.

    Args:
        seen: members that were stopped or known to be dead before; new ones are added.
        mark: what members carry: they are stopped by it first, as that is ten times as fast as a
            look and catches a chain of short-lived processes.
    """
    found: Mapping[int, Stat] = {}
    for _ in range(_ROUNDS):
        if mark is not None:
            _stop_marked(mark)
        found = look()
        fresh = [p for p in found.values() if (p.pid, p.start_time) not in seen]
        if not fresh:
            break
        for process in fresh:
            seen.add((process.pid, process.start_time))
            if process.is_alive:
                platform_linux.signal_exactly(process.pid, process.start_time, signal.SIGSTOP)
    return [process for process in found.values() if process.is_alive]


def _stop_marked(mark: int) -> None:
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        before = len(stopped)
        for pid in platform_linux.pids():
            if pid not in stopped and platform_linux.mark_of(pid) == mark:
                stopped.add(pid)
                _stop_if_marked(pid, mark)
        if len(stopped) == before:
            return


def _stop_if_marked(pid: int, mark: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if platform_linux.mark_of(pid) == mark:  # of the process that the pidfd means
            platform_linux.signal_pidfd(descriptor, signal.SIGSTOP)
    finally:
        os.close(descriptor)
