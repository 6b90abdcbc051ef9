"""One life of a module in the world: its process, its output, its record, its end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection

from kite.launcher import platform_linux, tree
from kite.launcher.last_lines import LastLines
from kite.launcher.log_writer import LogWriter
from kite.launcher.mask import NO_SECRETS, Mask
from kite.launcher.output import Capture
from kite.launcher.process import Exit, Process, Spawn, spawn
from kite.launcher.records import Records
from kite.launcher.shared_look import next_look
from kite.launcher.usage import Usage

SWEEP_WITHIN = 3.0

OnLines = Callable[[bool, list[str]], None]


class RunningLife:
    """A process that was spawned, until nothing of its tree is left.

    Args:
        mask: keeps its secrets out of everything that is made of its words.

    Raises (from the constructor):
        ModuleError: the process could not be made; nothing is left behind then.
    """

    def __init__(
        self,
        spec: Spawn,
        *,
        logs: LogWriter,
        records: Records,
        usage: Usage,
        on_lines: OnLines,
        on_exit: Callable[[Exit], None],
        mask: Mask = NO_SECRETS,
    ) -> None:
        self.module = spec.module
        self.number = spec.life
        self.is_booted = False
        self._ending: asyncio.Task[tuple[int, ...]] | None = None
        self._logs = logs
        self._records = records
        self._on_lines = on_lines
        self._on_exit = on_exit
        self._mask = mask
        self._last_lines = LastLines()
        self._usage = usage
        self._group = spec.group
        try:
            self.process: Process = spawn(spec, on_exit=self._exited)
        except BaseException:
            self._remove_group()
            raise
        records.add(self.process.kin, life=spec.life)
        usage.add(self.process.kin)
        logs.note(spec.module, f"life {spec.life}, pid {self.process.pid}{self._how()}")
        self._capture = Capture(
            self.process.stdout,
            self.process.stderr,
            on_lines=self._printed,
            on_dropped=self._dropped,
        )

    @property
    def pid(self) -> int:
        """The leader's."""
        return self.process.pid

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last that it has printed so far: 20 lines and 4 KiB at most."""
        return tuple(self._last_lines)

    @property
    def is_warm(self) -> bool:
        """Whether it was forked from a warm template."""
        return self.process.is_warm

    def _how(self) -> str:
        if self.is_warm:
            return " (warm)"
        return f" (cold: {why})" if (why := self.process.cold_because) else ""

    @property
    def holds(self) -> frozenset[str]:
        """Which limits a control group enforces on it."""
        return self._group.holds if self._group is not None else frozenset()

    @property
    def was_out_of_memory(self) -> bool:
        """Whether the kernel has killed something of it because its group's memory was used up."""
        return self._group is not None and self._group.oom_kills() > 0

    def boot(self, *lines: bytes) -> None:
        """Write the boot line, and what follows it."""
        for line in lines:
            self.process.write_line(line)
        self.is_booted = True

    def signal_stop(self, name: str) -> None:
        """Close standard input and send the stop signal to the group."""
        self.process.close_stdin()
        self.process.signal(signal.Signals[name])

    async def end(self, *, grace: float = 0.0) -> tuple[int, ...]:
        """End the whole tree and let go of the life. A second call waits for the first.

        Where the first has left survivors, the second tries again.

        Args:
            grace: seconds in which what still lives may end by itself.

        Returns:
            The pids that could not be ended.
        """
        if self._ending is None or (self._ending.done() and self._ending.result()):
            self._ending = asyncio.ensure_future(self._end(grace))
        return await asyncio.shield(self._ending)

    async def _end(self, grace: float) -> tuple[int, ...]:
        if grace > 0:
            await self._wait_for_tree(grace)
        self.process.close_stdin()
        also: Callable[[], Collection[int]] = tuple
        if self._group is not None:
            self._group.kill()
            also = self._group.pids
        survivors = await tree.end_tree(self.process.kin, timeout=SWEEP_WITHIN, also=also)
        if self.pid not in survivors:
            await self.process.exited
        self._capture.finish()
        if not survivors:
            self._usage.remove(self.process.kin)
            self.process.close()
            self._records.remove(self.process.kin)
            self._remove_group()
        return tuple(survivors)

    def _remove_group(self) -> None:
        if self._group is not None:
            self._group.remove()

    async def _wait_for_tree(self, seconds: float) -> None:
        if tree.is_gone(self.process.kin):
            return
        look = await next_look()
        watched: list[int] = []
        try:
            for each in look.living(self.process.kin):
                descriptor = platform_linux.open_exactly(each.pid, each.start_time)
                if descriptor is not None:
                    watched.append(descriptor)
            deadline = asyncio.get_running_loop().time() + seconds
            await tree.wait_until_dead(watched, deadline)
        finally:
            for descriptor in watched:
                os.close(descriptor)

    def _printed(self, is_error: bool, lines: list[str]) -> None:
        shown = self._mask.lines(lines)
        self._last_lines.add(shown)
        self._on_lines(is_error, shown)

    def _exited(self, how: Exit) -> None:
        self._capture.drain()
        self._on_exit(how)

    def _dropped(self, count: int) -> None:
        self._logs.note(self.module, f"{count} lines were printed faster than they could be kept")
