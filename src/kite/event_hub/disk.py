"""Where streams are kept: the thread that writes, and what is said when nothing can be kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from pathlib import Path

from kite.event_hub.core.streams.jobs import Failed, Job, Outcome, Stored
from kite.event_hub.core.switch import Switch
from kite.event_hub.limits import HubConfig
from kite.event_hub.store.writer import StoreThread

_LAST_WRITES = 0.5
"""Seconds for what waits for the disk when the Hub ends."""

_log = logging.getLogger("kite.event_hub")


class Disk:
    """The disk as the switch's shell.

    Args:
        switch: what has something to keep.
        config: names the streams.
        directory: where they are; None: the Hub has none.
    """

    def __init__(self, switch: Switch, config: HubConfig, directory: Path | None) -> None:
        self._switch = switch
        self._loop = asyncio.get_running_loop()
        self._why_not = "the event hub has no directory of its own"
        self._done: asyncio.Event | None = None
        self._has_streams = bool(config.streams)
        self._store: StoreThread | None = None
        if config.streams and directory is not None:
            self._store = StoreThread(
                directory,
                config.streams,
                config.deduplication,
                tell=self._stored,
                damaged=switch.repaired,
            )

    async def open(self) -> None:
        """Where nothing can be kept at all, the Hub comes up and refuses what was to be kept."""
        if not self._has_streams:
            return
        stored = Stored()
        if self._store is not None:
            try:
                stored = await self._store.open()
            except (OSError, sqlite3.Error) as failure:
                self._why_not = str(failure)
                self._store = None
                _log.error("streams.not_opened why=%s", failure)
        self._switch.keep(stored, time.time, self._loop.time())

    async def close(self) -> None:
        """Let what was gathered be written: its publishers still get to know."""
        streaming = self._switch.streaming
        if streaming is None or self._store is None:
            return
        streaming.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WRITES):
                while not streaming.keeper.is_idle:
                    self._done = asyncio.Event()
                    await self._done.wait()
        await self._store.close()

    def submit(self, job: Job) -> None:
        """Do this, and tell the switch what came of it."""
        if self._store is None:
            self._loop.call_soon(self._stored, job, Failed(why=self._why_not))
        else:
            self._store.submit(job)

    def _stored(self, job: Job, outcome: Outcome) -> None:
        self._switch.stored(job, outcome, self._loop.time())
        if self._done is not None:
            self._done.set()
