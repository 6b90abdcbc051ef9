"""The memory ceiling of modules that no control group holds: their trees are measured now and then.

What is measured is what `kite ps` shows: the proportional set size of all processes of a life. The
timer runs only while there is a life with a ceiling.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from kite.launcher import platform_linux
from kite.launcher.families import families
from kite.launcher.kin import Kin

PERIOD = 5.0
"""Seconds between two measurements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """Of one life; `on_exceeded` gets the bytes that were measured, once."""

    kin: Kin
    memory: int
    on_exceeded: Callable[[int], None]


class Ceilings:
    """All that there are.

    Args:
        period: seconds between two measurements.
    """

    def __init__(self, *, period: float = PERIOD) -> None:
        self._period = period
        self._ceilings: dict[int, Ceiling] = {}  # by mark
        self._timer: asyncio.TimerHandle | None = None

    def add(self, ceiling: Ceiling) -> None:
        """Measure this life from now on."""
        self._ceilings[ceiling.kin.mark] = ceiling
        if self._timer is None:
            self._wait()

    def remove(self, kin: Kin) -> None:
        """No longer; nothing happens where it has none."""
        self._ceilings.pop(kin.mark, None)
        if not self._ceilings and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._period, self._measure)

    def _measure(self) -> None:
        self._timer = None
        by_mark = families(
            [ceiling.kin for ceiling in self._ceilings.values()],
            platform_linux.snapshot(),
            me=os.getpid(),
            mark_of=platform_linux.mark_of,
        )
        exceeded: list[tuple[Ceiling, int]] = []
        for mark, ceiling in self._ceilings.items():
            used = memory_above(ceiling.memory, by_mark[mark])
            if used is not None:
                exceeded.append((ceiling, used))
        for ceiling, used in exceeded:
            self.remove(ceiling.kin)
            ceiling.on_exceeded(used)
        if self._ceilings and self._timer is None:
            self._wait()


def memory_above(limit: int, pids: Collection[int]) -> int | None:
    """What these processes use together, if that is above the limit (both in bytes).

    What is resident is read first: that takes a hundredth of the time, and shares are never more.
    """
    spent = [seen[2] for seen in map(platform_linux.spent, pids) if seen is not None]
    if sum(spent) <= limit:
        return None
    used = memory_of(pids)
    return used if used > limit else None


def memory_of(pids: Iterable[int]) -> int:
    """Bytes of these processes together, of shared pages their share."""
    sizes = (platform_linux.proportional(pid) for pid in pids)
    return sum(size for size in sizes if size is not None)
