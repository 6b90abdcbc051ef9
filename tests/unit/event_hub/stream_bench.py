"""A switch whose streams lie in a real file, written when the test says so."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from hub_fakes import Bench

from kite.event_hub.core.streams.jobs import Failed, Outcome, Pick, Read, Write
from kite.event_hub.limits import StreamConfig
from kite.event_hub.store.file import StreamFile


class StreamBench(Bench):
    """A bench with streams; jobs wait until `disk` is called.

    Args:
        directory: where the file lies; a second bench there is the next life of the Hub.
        streams: `hub.streams`.
        wall: seconds since 1970; None: as usual.
    """

    def __init__(
        self,
        directory: Path,
        streams: dict[str, Any],
        *,
        wall: float | None = None,
        **limits: Any,
    ) -> None:
        configs = {name: StreamConfig(**values) for name, values in streams.items()}
        super().__init__(streams=configs, **limits)
        self.wall = self.wall if wall is None else wall
        config = self.switch.config
        self.file = StreamFile(directory, config.streams, config.deduplication)
        self.is_full = False
        self.writes = 0
        self.stored = self.file.open(self.wall)
        self.switch.keep(self.stored, lambda: self.wall, self.now)
        self.disk()

    def disk(self, most: int = 1_000_000) -> int:
        """Do every job, and those that follow; returns how many transactions that were."""
        writes = 0
        while self.shell.jobs and most:
            most -= 1
            job = self.shell.jobs.pop(0)
            outcome: Outcome
            try:
                match job:
                    case Write():
                        writes += 1
                        if self.is_full:
                            raise sqlite3.OperationalError("database or disk is full")
                        outcome = self.file.write(job)
                    case Read():
                        outcome = self.file.read(job)
                    case Pick():
                        outcome = self.file.pick(job)
            except sqlite3.Error as wrong:
                outcome = Failed(why=str(wrong))
            self.switch.stored(job, outcome, self.now)
            for repair in self.file.repairs():
                self.switch.repaired(repair)
        self.switch.flush()
        return writes

    def close(self) -> None:
        """The Hub dies here: what was not written is gone."""
        self.file.close()
