"""The whole tree of a life: looked up in one pass over `/proc`, and ended so that nothing is left.

A tree is frozen before it is killed. A process that has a SIGSTOP pending cannot finish a fork, so
when a pass finds nobody who is not frozen yet, the set is complete; killing first would turn
children born in between into orphans whose parents nobody knows any more.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Iterable, Mapping

from kite.launcher import adopted, platform_linux
from kite.launcher.adopted import start_reaping
from kite.launcher.kin import Kin, descendants, find
from kite.launcher.platform_linux import Stat, snapshot

__all__ = ["Kin", "Stat", "end", "end_strays", "end_tree", "members", "snapshot", "start_reaping"]

_FREEZE_ROUNDS = 50

Look = Callable[[], Mapping[int, Stat]]


def members(kin: Kin, processes: Mapping[int, Stat] | None = None) -> list[int]:
    """The living pids of a life's tree, in order. Zombies are dead."""
    return sorted(_members(kin, snapshot() if processes is None else processes))


def _members(kin: Kin, processes: Mapping[int, Stat]) -> set[int]:
    return find(
        kin,
        processes,
        me=os.getpid(),
        leaders=adopted.leaders(),
        mark_of=platform_linux.mark_of,
        environment=platform_linux.environment,
    )


async def end_tree(kin: Kin, *, timeout: float = 3.0) -> list[int]:
    """End everything of a life, at once, and return when nothing is left.

    Returns:
        The pids that still live after `timeout` seconds: stuck in the kernel, or another user's.
    """

    def look() -> Mapping[int, Stat]:
        processes = snapshot()
        return {pid: processes[pid] for pid in _members(kin, processes)}

    return await end(look, timeout=timeout)


async def end_strays(*, spare: Collection[int] = (), timeout: float = 2.0) -> list[int]:
    """End every descendant of this process but `spare` and what is below them.

    For the end of a full stop: the kernel gives orphans to the Launcher, so whatever a module left
    behind is among its descendants, even where no sign tells of which module it was.
    """

    def look() -> Mapping[int, Stat]:
        processes = snapshot()
        below = descendants(processes, [os.getpid()], but=spare) - {os.getpid()}
        return {pid: processes[pid] for pid in below if processes[pid].is_alive}

    survivors = await end(look, timeout=timeout)
    adopted.reap()
    return survivors


async def end(look: Look, *, timeout: float) -> list[int]:
    """Freeze and kill what `look` finds until it finds nothing; the pids left after `timeout`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        found = _freeze(look)
        if not found or loop.time() >= deadline:
            return sorted(found)
        await _kill(found.values(), deadline)


def _freeze(look: Look) -> Mapping[int, Stat]:
    """Stop all that `look` finds, until a look finds nobody new."""
    frozen: set[tuple[int, int]] = set()
    found: Mapping[int, Stat] = {}
    for _ in range(_FREEZE_ROUNDS):
        found = look()
        fresh = [p for p in found.values() if (p.pid, p.start_time) not in frozen]
        if not fresh:
            break
        for process in fresh:
            platform_linux.signal_exactly(process.pid, process.start_time, signal.SIGSTOP)
            frozen.add((process.pid, process.start_time))
    return found


async def _kill(processes: Iterable[Stat], deadline: float) -> None:
    """Kill each, and wait until all are dead or the deadline of the loop's time is there."""
    watched: list[int] = []
    try:
        for process in processes:
            descriptor = platform_linux.open_exactly(process.pid, process.start_time)
            if descriptor is None:
                continue
            watched.append(descriptor)
            platform_linux.signal_pidfd(descriptor, signal.SIGKILL)
        await wait_until_dead(watched, deadline)
    finally:
        for descriptor in watched:
            os.close(descriptor)


async def wait_until_dead(pidfds: Collection[int], deadline: float) -> bool:
    """Wait for the ends of processes; False when the deadline (loop's time) came first."""
    loop = asyncio.get_running_loop()
    waiting = set(pidfds)
    all_dead = loop.create_future()

    def died(descriptor: int) -> None:
        loop.remove_reader(descriptor)
        waiting.discard(descriptor)
        if not waiting and not all_dead.done():
            all_dead.set_result(None)

    if not waiting:
        return True
    for descriptor in pidfds:
        loop.add_reader(descriptor, died, descriptor)
    try:
        async with asyncio.timeout_at(deadline):
            await all_dead
    except TimeoutError:
        return False
    finally:
        for descriptor in waiting:
            loop.remove_reader(descriptor)
    return True
