"""What each module uses: processor time, memory, processes; measured when somebody asks.

One pass over `/proc` for all lives, in a thread, as two hundred processes take some fifty
milliseconds. Nothing is measured while nobody asks.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping

from kite.launcher import platform_linux
from kite.launcher.account import Account, Reading, Use
from kite.launcher.families import families
from kite.launcher.kin import Kin

LAUNCHER = "launcher"
_FRESH = 0.25  # seconds in which a second question gets the answer of the first
_MEMORY_HOLDS = 300.0  # seconds for which a process that has not grown is not measured anew


class Usage:
    """The accounts of all modules of an instance."""

    def __init__(self) -> None:
        self._accounts = {LAUNCHER: Account()}
        self._accounts[LAUNCHER].begin(0, time.monotonic())
        self._kins: dict[int, Kin] = {}  # by mark
        self._memory: dict[tuple[int, int], tuple[float, int, int]] = {}
        self._last: dict[str, Use] = {}
        self._looked_at: float | None = None
        self._looking: asyncio.Task[dict[str, Use]] | None = None

    def add(self, kin: Kin) -> None:
        """A life has begun."""
        self._kins[kin.mark] = kin
        self._accounts.setdefault(kin.module, Account()).begin(kin.mark, time.monotonic())
        self._looked_at = None

    def remove(self, kin: Kin) -> None:
        """A life is over. Its leader, dead and not yet reaped, can be asked one last time."""
        if self._kins.pop(kin.mark, None) is not None:
            spent = platform_linux.spent(kin.pid)
            self._accounts[kin.module].end(kin.mark, sum(spent[:2]) if spent is not None else 0.0)
            self._looked_at = None

    @property
    def last(self) -> Mapping[str, Use]:
        """What was found at the last look."""
        return self._last

    async def look(self) -> Mapping[str, Use]:
        """What each module uses now, by name; one that has had no life yet is not in it. Whoever
        asks meanwhile gets the same answer."""
        if self._looked_at is not None and time.monotonic() - self._looked_at < _FRESH:
            return self._last
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> dict[str, Use]:
        now = time.monotonic()
        readings = await asyncio.to_thread(self._read, tuple(self._kins.values()))
        self._last = {name: each.look(readings, now) for name, each in self._accounts.items()}
        self._looked_at = now
        return self._last

    # -- in a thread --------------------------------------------------------------------------

    def _read(self, kins: tuple[Kin, ...]) -> dict[int, Reading]:
        me, now = os.getpid(), time.monotonic()
        processes = platform_linux.snapshot()
        by_mark = families(kins, processes, me=me, mark_of=platform_linux.mark_of)
        found: dict[int, Reading] = {}
        memory: dict[tuple[int, int], tuple[float, int, int]] = {}
        for mark, pids in by_mark.items():
            seconds, size, count = 0.0, 0, 0
            for pid in pids:
                spent = platform_linux.spent(pid)
                if spent is None:
                    continue
                who = (pid, processes[pid].start_time)
                memory[who] = self._measured(who, spent[2], now)
                # What the Launcher has waited for is what the modules have used.
                seconds += spent[0] + (spent[1] if mark else 0.0)
                size += memory[who][2]
                count += 1
            found[mark] = Reading(seconds, size, count)
        self._memory = memory
        return found

    def _measured(self, who: tuple[int, int], resident: int, now: float) -> tuple[float, int, int]:
        """(when, resident, proportional) of a process."""
        before = self._memory.get(who)
        if before is not None and before[1] == resident and now - before[0] < _MEMORY_HOLDS:
            return before
        size = platform_linux.proportional(who[0])
        return now, resident, resident if size is None else size
