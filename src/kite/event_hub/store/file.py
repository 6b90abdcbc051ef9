"""The file of all streams: opened, mended, read, written. Blocking; for the store's own thread."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

from kite.event_hub.core.streams.jobs import Append, Found, Pick, Read, Stored, Write, Written
from kite.event_hub.limits import Deduplication, StreamConfig
from kite.event_hub.store.chunk import checksum, chunks, pack
from kite.event_hub.store.inventory import find_durables, find_shelves, measure
from kite.event_hub.store.mending import finish_mending, is_damage, mend
from kite.event_hub.store.reading import Reader
from kite.event_hub.store.recent import recent_ids
from kite.event_hub.store.retention import trim
from kite.event_hub.store.schema import connect
from kite.event_hub.store.shelf import Shelf, seq_of
from kite.event_hub.store.wal import log_at, torn_bytes

FILE = "streams.db"

_MOST_UNNOTED = 32 << 20
"""Bytes that are read, about, to know the size of a stream when the file is opened."""

_PAGE = 8 << 10

_CLOCK_STEP = 60.0
"""Seconds that a clock may go back without what was kept counting as being from the future."""

_log = logging.getLogger("kite.event_hub")


class StreamFile:
    """The streams of a Hub in a directory.

    Args:
        directory: where the file lies.
        configs: what is to be kept, by stream.
        window: how far back event ids are remembered.
    """

    def __init__(
        self, directory: Path, configs: dict[str, StreamConfig], window: Deduplication
    ) -> None:
        self.path = directory / FILE
        self._configs = configs
        self._window = window
        self._repairs: list[dict[str, Any]] = []
        self._shelves: dict[str, Shelf] = {}
        self._db: sqlite3.Connection = None  # type: ignore[assignment]  # until `open`
        self._reader: Reader = None  # type: ignore[assignment]
        self._is_synced = True

    # ── opening ─────────────────────────────────────────────────────────────────────────────

    def open(self, now: float) -> Stored:
        """Open the file, mend it if it is damaged, and say what is there at `now` (wall time).

        Raises:
            OSError, sqlite3.Error: not even an empty file can be made here.
        """
        try:
            stored = self._open(now)
        except sqlite3.DatabaseError as damage:
            if not is_damage(damage):
                raise
            self.mend(str(damage))
            stored = self._look(now)
        repairs = self.repairs()
        return Stored(
            extents=stored.extents, durables=stored.durables, ids=stored.ids, repairs=repairs
        )

    def _open(self, now: float) -> Stored:
        finish_mending(self.path)
        log = log_at(self.path.with_name(f"{FILE}-wal"))
        self._connect()
        if torn := torn_bytes(log, self._db):
            self._say(kind="torn_tail", bytes=torn)
        return self._look(now)

    def _connect(self) -> None:
        self._db = connect(self.path)
        self._reader = Reader(self._db, self._damaged)
        self._is_synced = True

    def _look(self, now: float) -> Stored:
        self._shelves = find_shelves(self._db, self._configs)
        durables = find_durables(self._db, self._damaged_durable)
        youngest = [self._reader.youngest(shelf) for shelf in self._shelves.values()]
        ids = recent_ids(youngest, self._window, now)
        extents = {name: shelf.extent for name, shelf in self._shelves.items()}
        return Stored(extents=extents, durables=durables, ids=ids)

    def close(self) -> None:
        """Close the file in good order."""
        if self._db is not None:
            self._db.close()

    # ── damage ──────────────────────────────────────────────────────────────────────────────

    def repairs(self) -> list[dict[str, Any]]:
        """What was found damaged since the last time."""
        repairs, self._repairs = self._repairs, []
        return repairs

    def mend(self, why: str) -> None:
        """Save what can be read of a damaged file.

        Args:
            why: what sqlite says is wrong with it.

        Raises:
            OSError, sqlite3.Error: that cannot be done at present.
        """
        lasts = {name: shelf.last for name, shelf in self._shelves.items()}
        self.close()
        try:
            aside, saved = mend(self.path, lasts)
        finally:
            self._connect()  # the old one as it is, where there is no new one
        self._shelves = find_shelves(self._db, self._configs)
        self._say(kind="damaged_file", detail=why, moved_to=aside.name, events_saved=saved)

    def _damaged(self, shelf: Shelf, key: int, last: int) -> None:
        self._say(kind="damaged_chunk", stream=shelf.name, first=seq_of(key), last=last)
        self._db.execute(
            "UPDATE streams SET last=max(last, ?), size=0, sized=0 WHERE number=?",
            (max(last, shelf.last), shelf.number),
        )
        self._db.execute("DELETE FROM chunks WHERE key=?", (key,))
        shelf.size = shelf.sized = 0
        measure(self._db, shelf)

    def _damaged_durable(self, module: str, name: str) -> None:
        self._say(kind="damaged_durable", module_id=module, durable=name)

    def _say(self, **what: object) -> None:
        self._repairs.append(what)
        words = " ".join(f"{key}={value}" for key, value in what.items())
        _log.error("stream.repaired %s", words)

    # ── writing ─────────────────────────────────────────────────────────────────────────────

    def write(self, job: Write) -> Written:
        """Do one transaction.

        Raises:
            sqlite3.Error: nothing of it was done.
        """
        db = self._db
        if job.sync != self._is_synced:
            db.execute(f"PRAGMA synchronous={'FULL' if job.sync else 'NORMAL'}")
            self._is_synced = job.sync
        before = {name: shelf.copy() for name, shelf in self._shelves.items()}
        changed: dict[str, Shelf] = {}
        db.execute("BEGIN IMMEDIATE")
        try:
            at = self._time(job.at) if job.appends else job.at
            for append in job.appends:
                shelf = changed[append.stream] = self._shelves[append.stream]
                self._append(shelf, append, at)
            for name, shelf in self._shelves.items():
                is_less = trim(db, shelf, job.at)
                if is_less:
                    changed[name] = shelf
                if is_less or shelf.unnoted > _MOST_UNNOTED:
                    self._note(shelf)
            self._save_states(job)
            db.execute("COMMIT")
        except BaseException:
            self._shelves = before
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return Written(extents={name: shelf.extent for name, shelf in changed.items()})

    def _append(self, shelf: Shelf, append: Append, at: float) -> None:
        seq = append.first
        sources = ",".join(sorted(append.sources))
        rows = []
        for portion in chunks(append.payloads, shelf.chunk_bytes):
            data = pack(portion)
            shelf.newest = shelf.key(seq)
            rows.append((shelf.newest, len(portion), at, len(data), checksum(data), sources, data))
            shelf.size += len(data)
            shelf.unnoted += len(data) + _PAGE
            seq += len(portion)
        self._db.executemany("INSERT INTO chunks VALUES (?,?,?,?,?,?,?)", rows)
        shelf.last = seq - 1
        shelf.newest_at = at
        if shelf.lowest is None:
            shelf.lowest, shelf.oldest_at = rows[0][0], at

    def _time(self, now: float) -> float:
        """When it is, for the streams, in which time does not go back: ages and instants are looked
        up, and one commit has one time in all of them.

        A clock that was far ahead and is right again would keep for ever what it has dated.
        """
        newest_at = max((shelf.newest_at for shelf in self._shelves.values()), default=now)
        if now < newest_at <= now + _CLOCK_STEP:
            return newest_at
        for shelf in self._shelves.values():
            if shelf.newest_at > now:
                key = self._reader.kept_since(shelf, now)
                self._db.execute(
                    "UPDATE chunks SET at=? WHERE key BETWEEN ? AND ?", (now, key, shelf.keys[1])
                )
                shelf.newest_at = now
                if shelf.oldest_at is not None:
                    shelf.oldest_at = min(shelf.oldest_at, now)
        return now

    def _note(self, shelf: Shelf) -> None:
        """Write down what it would take long to find out."""
        shelf.sized, shelf.unnoted = shelf.last, 0
        self._db.execute(
            "UPDATE streams SET first=?, last=?, size=?, sized=? WHERE number=?",
            (shelf.first, shelf.last, shelf.size, shelf.sized, shelf.number),
        )

    def _save_states(self, job: Write) -> None:
        for (module, durable), state in job.states.items():
            if state is None:
                self._db.execute(
                    "DELETE FROM durables WHERE module=? AND name=?", (module, durable)
                )
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO durables VALUES (?,?,?)", (module, durable, state)
                )

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def read(self, job: Read) -> Found:
        """What is behind a sequence number, up to some bytes.

        Raises:
            sqlite3.Error: the file is damaged.
        """
        others = [self._shelves[name] for name in job.others]
        return self._reader.read(self._shelves[job.stream], job, others)

    def pick(self, job: Pick) -> Found:
        """These very events, as far as they are there, up to some bytes.

        Raises:
            sqlite3.Error: the file is damaged.
        """
        return self._reader.pick(self._shelves[job.stream], job)
