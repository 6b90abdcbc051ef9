"""One look at all processes for everybody who wants to know in the same turn of the loop.

A full stop ends many lives at once, and as a rule there is nothing left of any: looked for one by
one, two hundred of them would take the Launcher two seconds.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from kite.launcher import adopted, platform_linux
from kite.launcher.kin import Kin, find
from kite.launcher.platform_linux import Stat


class SharedLook:
    """All processes, looked at twice: their marks, quickly, and then everything about them.

    Attributes:
        processes: by pid.
    """

    def __init__(self) -> None:
        self._marks = {pid: platform_linux.mark_of(pid) for pid in platform_linux.pids()}
        self.processes: Mapping[int, Stat] = platform_linux.snapshot()
        self._marked: dict[int, list[int]] = {}
        for pid, mark in self._marks.items():
            if mark is not None:
                self._marked.setdefault(mark, []).append(pid)

    def living(self, kin: Kin) -> list[Stat]:
        """What lives of a life's tree."""
        found = find(
            kin,
            self.processes,
            me=os.getpid(),
            leaders=adopted.leaders(),
            mark_of=self._mark_of,
            environment=platform_linux.environment,
        )
        return [self.processes[pid] for pid in found if self.processes[pid].is_alive]

    def is_gone(self, kin: Kin) -> bool:
        """Whether both looks say that nothing of it lives. One that was seen in the first and is
        missing in the second may have forked and gone: that is no answer."""
        for pid in self._marked.get(kin.mark, ()):
            process = self.processes.get(pid)
            if process is None or process.is_alive:
                return False
        return not self.living(kin)

    def _mark_of(self, pid: int) -> int | None:
        if pid not in self._marks:
            self._marks[pid] = platform_linux.mark_of(pid)
        return self._marks[pid]


_next: asyncio.Future[SharedLook] | None = None


async def next_look() -> SharedLook:
    """A look that begins after this call and is shared by all who ask before it does."""
    global _next  # noqa: PLW0603  (there is one /proc)
    loop = asyncio.get_running_loop()
    if _next is None or _next.done() or _next.get_loop() is not loop:
        coming = _next = loop.create_future()

        def look() -> None:
            if not coming.done():
                coming.set_result(SharedLook())

        loop.call_soon(look)
    return await asyncio.shield(_next)
