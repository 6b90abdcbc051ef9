"""The whole tree of a life: looked up in one pass over `/proc`, and ended so that nothing is left.

Where the leader is dead and the Launcher has no orphans, or a look that is shared with other lives
shows that nothing of it is there, that is all. Else it is frozen first (`freezing` says why), then killed, then looked for again, until nobody is found.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Iterable, Mapping

from kite.launcher import adopted, platform_linux
from kite.launcher.adopted import start_reaping
from kite.launcher.descent import descendants
from kite.launcher.freezing import Identity, Look, freeze
from kite.launcher.kin import Kin, find
from kite.launcher.platform_linux import Stat, snapshot
from kite.launcher.shared_look import next_look

_LEAST = 0.2
"""Seconds that the killed have for dying, at least."""
_PAUSE = 0.01
"""Seconds until the next look at a tree of which nobody can be waited for."""

__all__ = ["Kin", "Stat", "end", "end_strays", "end_tree", "members", "snapshot", "start_reaping"]


def members(kin: Kin, processes: Mapping[int, Stat] | None = None) -> list[int]:
    """The living pids of a life's tree, in order. Zombies are dead."""
    found = _members(kin, snapshot() if processes is None else processes)
    return sorted(pid for pid, process in found.items() if process.is_alive)


def _members(kin: Kin, processes: Mapping[int, Stat]) -> dict[int, Stat]:
    found = find(
        kin,
        processes,
        me=os.getpid(),
        leaders=adopted.leaders(),
        mark_of=platform_linux.mark_of,
        environment=platform_linux.environment,
    )
    return {pid: processes[pid] for pid in found}


def is_gone(kin: Kin) -> bool:
    """Whether it is certain, at a glance, that nothing of a life's tree lives."""
    leader = platform_linux.stat(kin.pid)
    is_dead = leader is None or leader.start_time != kin.start_time or not leader.is_alive
    return is_dead and adopted.are_none()


async def end_tree(
    kin: Kin, *, timeout: float = 3.0, also: Callable[[], Collection[int]] = tuple
) -> list[int]:
    """End everything of a life, at once, and return when nothing is left.

    Args:
        timeout: seconds.
        also: the pids that are known to be of the life by another sign.

    Returns:
        The pids that still live after `timeout` seconds: stuck in the kernel, or another user's.
    """
    if not also() and (is_gone(kin) or ((await next_look()).is_gone(kin) and not also())):
        return []
    leader = platform_linux.stat(kin.pid)
    seen: set[Identity] = set()
    if leader is not None and not leader.is_alive:
        seen.add((leader.pid, leader.start_time))  # dead before the first look: it forks no more

    def look() -> dict[int, Stat]:
        others = set(also())
        processes = snapshot()
        if others:  # named before and after the pass, they are those that the pass has shown
            others.intersection_update(also())
        named = {pid: processes[pid] for pid in others if pid in processes}
        return {**named, **_members(kin, processes)}

    return await end(look, timeout=timeout, mark=kin.mark, seen=seen)


async def end_strays(*, spare: Collection[int] = (), timeout: float = 2.0) -> list[int]:
    """End every descendant of this process but `spare` and what is below them.

    For the end of a full stop: the kernel gives orphans to the Launcher, so whatever a module left
    behind is among its descendants, even where no sign tells of which module it was.
    """

    def look() -> Mapping[int, Stat]:
        processes = snapshot()
        below = descendants(processes, [os.getpid()], but=spare) - {os.getpid()}
        return {pid: processes[pid] for pid in below}

    survivors = await end(look, timeout=timeout)
    adopted.reap()
    return survivors


async def end(
    look: Look, *, timeout: float, mark: int | None = None, seen: set[Identity] | None = None
) -> list[int]:
    """Freeze and kill what `look` finds until it finds nobody alive.

    Args:
        timeout: seconds.
        mark, seen: see `freezing.freeze`.

    Returns:
        The pids that are left after the timeout.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    known = set() if seen is None else seen
    alive = freeze(look, known, mark=mark)
    while alive:
        # However long the look has taken on a busy machine, nobody is called a survivor unasked.
        await _kill(alive, max(deadline, loop.time() + _LEAST))
        alive = freeze(look, known, mark=mark)
        if loop.time() >= deadline:
            break
    return sorted(process.pid for process in alive)


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
        if not watched:  # all are dead by now, or there are no descriptors left
            await asyncio.sleep(_PAUSE)
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
