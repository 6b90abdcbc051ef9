"""Writes the modules' logs in a thread of its own, so that a slow disk holds up nobody.

The queue between is bounded: what does not fit is counted and noted in the log. A disk that is
full, or a folder that may not be written, is told once, and once more when it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kite.clock import now_rfc3339
from kite.launcher.log_compressor import LogCompressor
from kite.launcher.logfile import NOTE, STDERR, STDOUT, LogFile, LogLimits, format_lines
from kite.launcher.rotated import clear_up, forget_before, keep_total

_QUEUE_LIMIT = 16 * 1024 * 1024  # bytes that wait for the disk
_MODULE_LIMIT = 4 * 1024 * 1024  # of these for one module
_RETRY = 1.0  # seconds between two tries of a file that could not be written
_KEPT_OPEN = 64  # files; more are closed after each write
_SHARE_OF_ROOM = 16  # of the total is left free when old files are removed, so that it is kept to
_OWN_LOG = "launcher.log"  # the Launcher's own, which `own_log` writes
_AGES_SEEN = 600.0  # seconds between two looks at the age of files, where lines come at all

OnProblem = Callable[[Path, OSError], None]
OnRecovery = Callable[[Path, int], None]


@dataclass(slots=True)
class _Outage:
    retry_at: float
    lost: int


class LogWriter:
    """All modules' logs of an instance.

    Args:
        folder: `<instance dir>/logs`.
        on_problem: called in the loop, once per outage, with the file and the error.
        on_recovery: called in the loop when the file takes lines again, with the number lost.
    """

    def __init__(
        self,
        folder: Path,
        limits: LogLimits | None = None,
        *,
        on_problem: OnProblem | None = None,
        on_recovery: OnRecovery | None = None,
    ) -> None:
        self._folder = folder
        self._limits = limits or LogLimits()
        self._on_problem = on_problem
        self._on_recovery = on_recovery
        self._loop = asyncio.get_running_loop()
        # Shared with the thread, under the condition's lock:
        self._turn = threading.Condition()
        self._queue: deque[tuple[str, bytes] | asyncio.Future[None]] = deque()
        self._queued: dict[str, int] = {}
        self._lost: dict[str, int] = {}
        self._is_closing = False
        self._names = threading.Lock()  # held while files change their names
        self._compressor = LogCompressor(self._names)
        # The thread's own:
        self._files: dict[str, LogFile] = {}
        self._outages: dict[str, _Outage] = {}
        self._ages_at = 0.0
        self._grown = 0  # bytes since the total was looked at
        self._thread = threading.Thread(target=self._work, name="log-writer", daemon=True)
        self._thread.start()

    # -- the loop's side ------------------------------------------------------------------------

    def lines(self, module: str, is_error: bool, lines: Sequence[str]) -> None:
        """Hand in what a module has printed. Never blocks."""
        if lines:
            data = format_lines(STDERR if is_error else STDOUT, lines, now_rfc3339())
            self._put(module, data, len(lines))

    def note(self, module: str, text: str) -> None:
        """A line of the Launcher's own: `life 3, pid 4711`."""
        self._put(module, format_lines(NOTE, text.splitlines() or [""], now_rfc3339()), 1)

    def _put(self, module: str, data: bytes, count: int) -> None:
        with self._turn:
            queued = self._queued.get(module, 0) + len(data)
            if queued > _MODULE_LIMIT or sum(self._queued.values()) + len(data) > _QUEUE_LIMIT:
                self._lost[module] = self._lost.get(module, 0) + count
                return
            if lost := self._lost.pop(module, 0):
                data = _lost_note(lost) + data
                queued = self._queued.get(module, 0) + len(data)
            self._queued[module] = queued
            self._queue.append((module, data))
            self._turn.notify()

    async def flushed(self) -> None:
        """Return when all that was handed in before is written, or counted as lost."""
        done: asyncio.Future[None] = self._loop.create_future()
        with self._turn:
            self._queue.append(done)
            self._turn.notify()
        await done

    def close(self, timeout: float = 2.0) -> None:
        """Write what is queued and end the threads; a disk that hangs is left alone after
        `timeout` seconds."""
        with self._turn:
            self._is_closing = True
            self._turn.notify()
        until = time.monotonic() + timeout
        self._thread.join(timeout)
        self._compressor.close(max(0.0, until - time.monotonic()))

    # -- the thread's side ----------------------------------------------------------------------

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            self._begin()
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._queue or self._is_closing)
                if not self._queue:
                    break
                item = self._queue.popleft()
                if isinstance(item, tuple):
                    module, data = item
                    left = self._queued[module] - len(data)
                    if left > 0:
                        self._queued[module] = left
                    else:
                        del self._queued[module]
            if isinstance(item, tuple):
                self._write(*item)
            else:
                self._tell(_resolve, item)
        for file in self._files.values():
            file.close()

    def _begin(self) -> None:
        """What an earlier run has left undone."""
        with self._names:
            plain = clear_up(self._folder)
            keep_total(self._folder, self._limits.total, written=(_OWN_LOG,))
        if self._limits.compress:
            for log in dict.fromkeys(file.log for file in plain):
                self._compressor.take(self._folder / log)

    def _write(self, module: str, data: bytes) -> None:
        file = self._files.get(module)
        if file is None:
            file = self._files[module] = LogFile(
                self._folder, module, self._limits, names=self._names
            )
        outage = self._outages.get(module)
        if outage is not None and time.monotonic() < outage.retry_at and not self._is_closing:
            outage.lost += data.count(b"\n")
            return
        try:
            whole = _lost_note(outage.lost) + data if outage else data
            rotated = file.write(whole, sharers=len(self._files))
        except OSError as error:
            self._suffer(module, file, data.count(b"\n"), error)
            return
        if outage is not None:
            del self._outages[module]
            self._tell(self._on_recovery, file.path, outage.lost)
        if len(self._files) > _KEPT_OPEN:
            file.close()
        self._grown += len(whole)
        with contextlib.suppress(OSError):
            self._keep_limits(file.path, rotated=rotated)

    def _keep_limits(self, log: Path, *, rotated: bool) -> None:
        """Remove what is too much or too old, and hand on what is to be compressed."""
        now, limits = time.monotonic(), self._limits
        if limits.max_age is not None and now >= self._ages_at:
            self._ages_at = now + _AGES_SEEN
            with self._names:
                forget_before(self._folder, time.time() - limits.max_age)
        room = limits.total // _SHARE_OF_ROOM
        if rotated or self._grown > room:
            # Below the total, so that what is written until the next look keeps to it too.
            self._grown = 0
            with self._names:
                written = {each.path.name for each in self._files.values()} | {_OWN_LOG}
                keep_total(self._folder, limits.total - room, written=written)
        if rotated and limits.compress:
            self._compressor.take(log)

    def _suffer(self, module: str, file: LogFile, lost: int, error: OSError) -> None:
        outage = self._outages.get(module)
        if outage is None:
            outage = self._outages[module] = _Outage(0.0, 0)
            self._tell(self._on_problem, file.path, error)
        outage.lost += lost
        outage.retry_at = time.monotonic() + _RETRY

    def _tell(self, call: Callable[..., None] | None, *arguments: object) -> None:
        if call is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _lost_note(lost: int) -> bytes:
    return format_lines(NOTE, [f"{lost} lines were lost here"], now_rfc3339())
