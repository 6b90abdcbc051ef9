"""The store's thread: jobs in, outcomes back into the event loop, in order."""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_never

from kite.event_hub.core.streams.jobs import Failed, Job, Outcome, Pick, Read, Stored, Write
from kite.event_hub.limits import Deduplication, StreamConfig
from kite.event_hub.store.file import StreamFile
from kite.event_hub.store.mending import is_damage

_MOST_JOBS = 100_000
"""The core has one write, and one read of each reader, under way; this is far above their sum."""

_log = logging.getLogger("kite.event_hub")

_Place = tuple[int, int, Job | None]
"""A job's rank, its number, and it; None ends the thread."""

Tell = Callable[[Job, Outcome], None]


class StoreThread:
    """The one connection to the streams' file, in the one thread that uses it.

    Args:
        directory: where the file lies.
        configs: what is to be kept.
        window: how far back event ids are remembered.
        tell: called in the event loop with each job and what came of it.
        damaged: called in the event loop with what was found damaged.
    """

    def __init__(
        self,
        directory: Path,
        configs: dict[str, StreamConfig],
        window: Deduplication,
        *,
        tell: Tell,
        damaged: Callable[[dict[str, Any]], None],
    ) -> None:
        self._file = StreamFile(directory, configs, window)
        self._tell = tell
        self._damaged = damaged
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.PriorityQueue[_Place] = queue.PriorityQueue(_MOST_JOBS)
        self._count = itertools.count()
        self._opened: asyncio.Future[Stored] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)

    async def open(self) -> Stored:
        """Start, and return what is there.

        Raises:
            OSError, sqlite3.Error: no file can be opened or made.
        """
        self._thread.start()
        return await self._opened

    def submit(self, job: Job) -> None:
        """Hand over a job. A transaction passes what is to be read: publishers wait for it, and
        there is one at a time."""
        self._put(0 if isinstance(job, Write) else 1, job)

    def _put(self, rank: int, job: Job | None) -> None:
        self._jobs.put_nowait((rank, next(self._count), job))

    async def close(self) -> None:
        """Do what was handed over, and end."""
        if not self._thread.is_alive():
            return
        self._put(2, None)
        await self._ended
        self._thread.join()

    def _run(self) -> None:
        try:
            stored = self._file.open(time.time())
        except Exception as failure:  # noqa: BLE001 (it goes to who waits for it)
            self._post(_fail, self._opened, failure)
            return
        self._post(self._opened.set_result, stored)
        while (job := self._jobs.get()[2]) is not None:
            outcome = self._do(job)
            self._post(self._tell, job, outcome)
            for repair in self._file.repairs():
                self._post(self._damaged, repair)
        try:
            self._file.close()
        except sqlite3.Error as wrong:
            _log.error("streams.not_closed why=%s", wrong)
        self._post(self._ended.set_result, None)

    def _do(self, job: Job) -> Outcome:
        try:
            try:
                return self._perform(job)
            except sqlite3.DatabaseError as damage:
                if not is_damage(damage):
                    raise
                self._file.mend(str(damage))
                return self._perform(job)
        except (sqlite3.Error, OSError) as wrong:
            _log.error("streams.failed job=%s why=%s", type(job).__name__, wrong)
            return Failed(why=str(wrong))
        except Exception as wrong:  # noqa: BLE001
            # The edge of the thread: without it nobody would ever hear from the disk again.
            _log.exception("streams.failed job=%s", type(job).__name__)
            return Failed(why=f"{type(wrong).__name__}: {wrong}")

    def _perform(self, job: Job) -> Outcome:
        match job:
            case Write():
                return self._file.write(job)
            case Read():
                return self._file.read(job)
            case Pick():
                return self._file.pick(job)
            case _:
                assert_never(job)

    def _post(self, function: Callable[..., object], *values: object) -> None:
        self._loop.call_soon_threadsafe(function, *values)


def _fail(future: asyncio.Future[Stored], failure: Exception) -> None:
    if not future.done():
        future.set_exception(failure)
