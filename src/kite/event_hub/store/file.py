"""The file of all streams: opened, mended, read, written. Blocking; for the store's own thread."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from kite.event_hub.core.streams.jobs import (
    Append,
    Extent,
    Found,
    Pick,
    Read,
    Record,
    Stored,
    Write,
    Written,
)
from kite.event_hub.limits import Deduplication, StreamConfig
from kite.event_hub.store.chunk import checksum, chunks, pack, unpack
from kite.event_hub.store.wal import torn_bytes

FILE = "streams.db"
_VERSION = 1
_READ_BYTES = 512 << 10
_STEP = 1 << 44
"""Room for sequence numbers of one stream in a chunk's key."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS streams (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
    key INTEGER PRIMARY KEY, count INTEGER NOT NULL, at REAL NOT NULL, size INTEGER NOT NULL,
    crc INTEGER NOT NULL, sources TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS durables (
    module TEXT NOT NULL, name TEXT NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (module, name)) WITHOUT ROWID;
"""

_log = logging.getLogger("kite.event_hub")


class _Ids(msgspec.Struct):
    source: str = ""
    event_id: str = ""


_ids_of = msgspec.json.Decoder(_Ids).decode


@dataclass(slots=True)
class _Shelf:
    """One stream in the file."""

    number: int
    first: int
    last: int
    oldest: float | None
    size: int
    config: StreamConfig | None

    @property
    def extent(self) -> Extent:
        return Extent(first=self.first, last=self.last, oldest=self.oldest, size=self.size)


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
        self._shelves: dict[str, _Shelf] = {}
        self._db: sqlite3.Connection = None  # type: ignore[assignment]  # until `open`
        self._is_synced = True

    # ── opening ─────────────────────────────────────────────────────────────────────────────

    def open(self, now: float) -> Stored:
        """Open the file, mend it if it is damaged, and say what is there at `now` (wall time).

        Raises:
            OSError, sqlite3.Error: not even an empty file can be made here.
        """
        torn = torn_bytes(self.path.with_name(FILE + "-wal"))
        if torn:
            self._say(kind="torn_tail", bytes=torn)
        try:
            self._connect()
            self._look()
            durables = self._durables()
            ids = list(self._recent_ids(now))
        except sqlite3.DatabaseError as damage:
            if not is_damage(damage):
                raise
            self.mend(str(damage))
            durables = self._durables()
            ids = list(self._recent_ids(now))
        extents = {name: shelf.extent for name, shelf in self._shelves.items()}
        repairs, self._repairs = self._repairs, []
        return Stored(extents=extents, durables=durables, ids=ids, repairs=repairs)

    def repairs(self) -> list[dict[str, Any]]:
        """What was found damaged since the last time."""
        repairs, self._repairs = self._repairs, []
        return repairs

    def close(self) -> None:
        """Close the file in good order."""
        if self._db is not None:
            self._db.close()

    def _connect(self) -> None:
        self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        db = self._db
        db.execute("PRAGMA page_size=8192")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=1024")
        db.execute("PRAGMA journal_size_limit=67108864")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise sqlite3.OperationalError(f"written by a newer version ({version})")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version={_VERSION}")

    def _look(self) -> None:
        """What the file says is there."""
        self._shelves = {}
        for number, name, first, last in self._db.execute(
            "SELECT number, name, first, last FROM streams"
        ):
            shelf = _Shelf(number, first, last, None, 0, self._configs.get(name))
            self._shelves[name] = shelf
        for shelf in self._shelves.values():
            low, high = _keys(shelf.number)
            size, oldest, key = self._db.execute(
                "SELECT total(size), min(at), max(key) FROM chunks WHERE key BETWEEN ? AND ?",
                (low, high),
            ).fetchone()
            shelf.size, shelf.oldest = int(size), oldest
            if key is not None:
                [count] = self._db.execute(
                    "SELECT count FROM chunks WHERE key=?", (key,)
                ).fetchone()
                shelf.last = max(shelf.last, key - low + count - 1)
            else:
                shelf.first = shelf.last + 1
        for name, config in self._configs.items():
            if name not in self._shelves:
                number = 1 + max((each.number for each in self._shelves.values()), default=0)
                self._db.execute(
                    "INSERT INTO streams (number, name, first, last) VALUES (?, ?, 1, 0)",
                    (number, name),
                )
                self._shelves[name] = _Shelf(number, 1, 0, None, 0, config)

    def _durables(self) -> dict[tuple[str, str], bytes]:
        rows = self._db.execute("SELECT module, name, state FROM durables")
        return {(module, name): bytes(state) for module, name, state in rows}

    def _recent_ids(self, now: float) -> Iterator[tuple[float, str, str]]:
        """The ids of the deduplication window, oldest first: at most as many of a source as are
        remembered, for which chunks of nothing but such sources are not even read."""
        rows = self._db.execute(
            "SELECT key, at, sources FROM chunks WHERE at > ? ORDER BY at DESC, key DESC",
            (now - self._window.seconds,),
        ).fetchall()
        counts: dict[str, int] = {}
        found: list[tuple[float, str, str]] = []
        for key, at, sources in rows:
            names = sources.split(",")
            if all(counts.get(name, 0) >= self._window.ids for name in names):
                continue
            for payload in reversed(self._payloads(key)[1]):
                one = _ids_of(payload)
                counts[one.source] = counts.get(one.source, 0) + 1
                if counts[one.source] <= self._window.ids:
                    found.append((max(0.0, now - at), one.source, one.event_id))
        return reversed(found)

    # ── mending ─────────────────────────────────────────────────────────────────────────────

    def mend(self, why: str) -> None:
        """Move the damaged file aside, and take over into a new one what can be read.

        Args:
            why: what sqlite says is wrong with it.
        """
        aside = self.path.with_name(f"{FILE}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
        self.close()
        for suffix in ("", "-wal", "-shm"):
            part = self.path.with_name(FILE + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        self._connect()
        saved = 0
        try:
            old = sqlite3.connect(aside, isolation_level=None)
        except sqlite3.Error:
            old = None
        if old is not None:
            try:
                self._db.execute("BEGIN")
                for table in ("streams", "durables"):
                    for row in _rows(old, f"SELECT * FROM {table}"):  # noqa: S608 (ours)
                        marks = ",".join("?" * len(row))
                        self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)  # noqa: S608
                for row in _all_chunks(old):
                    if checksum(row[6]) == row[4]:
                        self._db.execute("INSERT OR IGNORE INTO chunks VALUES (?,?,?,?,?,?,?)", row)
                        saved += row[1]
                self._db.execute("COMMIT")
            finally:
                old.close()
        self._look()
        self._say(kind="damaged_file", detail=why, moved_to=aside.name, events_saved=saved)

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
        before = {
            name: (each.first, each.last, each.oldest, each.size)
            for name, each in self._shelves.items()
        }
        changed = set()
        db.execute("BEGIN IMMEDIATE")
        try:
            for append in job.appends:
                self._append(append, job.at)
                changed.add(append.stream)
            for name, shelf in self._shelves.items():
                if self._trim(shelf, job.at):
                    changed.add(name)
            for (module, durable), state in job.states.items():
                if state is None:
                    db.execute("DELETE FROM durables WHERE module=? AND name=?", (module, durable))
                else:
                    db.execute(
                        "INSERT OR REPLACE INTO durables VALUES (?,?,?)", (module, durable, state)
                    )
            db.execute("COMMIT")
        except BaseException:
            for name, (first, last, oldest, size) in before.items():
                shelf = self._shelves[name]
                shelf.first, shelf.last, shelf.oldest, shelf.size = first, last, oldest, size
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return Written(extents={name: self._shelves[name].extent for name in changed})

    def _append(self, append: Append, at: float) -> None:
        shelf = self._shelves[append.stream]
        seq = append.first
        sources = ",".join(sorted(append.sources))
        rows = []
        for portion in chunks(append.payloads):
            data = pack(portion)
            rows.append(
                (
                    _key(shelf.number, seq),
                    len(portion),
                    at,
                    len(data),
                    checksum(data),
                    sources,
                    data,
                )
            )
            shelf.size += len(data)
            seq += len(portion)
        self._db.executemany("INSERT INTO chunks VALUES (?,?,?,?,?,?,?)", rows)
        shelf.last = seq - 1
        if shelf.oldest is None:
            shelf.oldest = at

    def _trim(self, shelf: _Shelf, now: float) -> bool:
        """Let go what is too old or too much; True when anything was."""
        config = shelf.config
        if config is None:
            return False
        first = shelf.first
        if config.max_events is not None:
            first = max(first, shelf.last - config.max_events + 1)
        oldest = now - config.max_age if config.max_age is not None else None
        is_old = oldest is not None and shelf.oldest is not None and shelf.oldest <= oldest
        is_large = config.max_size is not None and shelf.size > config.max_size
        if first == shelf.first and not is_old and not is_large:
            return False
        low = _key(shelf.number, 0)
        gone = 0
        left: float | None = None
        for key, count, at, size in self._db.execute(
            "SELECT key, count, at, size FROM chunks WHERE key BETWEEN ? AND ? ORDER BY key",
            _keys(shelf.number),
        ):
            end = key - low + count
            is_over = config.max_size is not None and shelf.size > config.max_size
            if not (end <= first or is_over or (oldest is not None and at <= oldest)):
                left = at
                break
            gone = key
            shelf.size -= size
            first = max(first, end)
        if gone:
            self._db.execute("DELETE FROM chunks WHERE key BETWEEN ? AND ?", (low, gone))
        shelf.first, shelf.oldest = first, left
        self._db.execute(
            "UPDATE streams SET first=?, last=? WHERE number=?",
            (shelf.first, shelf.last, shelf.number),
        )
        return True

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def read(self, job: Read) -> Found:
        """What is behind a sequence number, up to some bytes.

        Raises:
            sqlite3.Error: the file is damaged.
        """
        shelf = self._shelves[job.stream]
        low, high = _keys(shelf.number)
        after = max(job.after, shelf.first - 1)
        if job.since is not None:
            [key] = self._db.execute(
                "SELECT min(key) FROM chunks WHERE key BETWEEN ? AND ? AND at >= ?",
                (low, high, job.since),
            ).fetchone()
            after = max(after, shelf.last if key is None else key - low - 1)
        records: list[Record] = []
        size = 0
        through = after
        [begin] = self._db.execute(
            "SELECT max(key) FROM chunks WHERE key BETWEEN ? AND ?", (low, low + after + 1)
        ).fetchone()
        rows = self._db.execute(
            "SELECT key FROM chunks WHERE key BETWEEN ? AND ? ORDER BY key",
            (low if begin is None else begin, high),
        )
        for (key,) in rows:
            first, payloads = key - low, self._payloads(key)[1]
            for seq, payload in enumerate(payloads, first):
                if seq > after:
                    records.append((seq, payload))
                    size += len(payload)
            through = max(through, first + len(payloads) - 1)
            if size >= _READ_BYTES:
                return Found(records=records, through=through)
        return Found(records=records, through=max(through, shelf.last))

    def pick(self, job: Pick) -> Found:
        """These very events, as far as they are there.

        Raises:
            sqlite3.Error: the file is damaged.
        """
        shelf = self._shelves[job.stream]
        low = _key(shelf.number, 0)
        records: list[Record] = []
        first = 0
        payloads: list[bytes] = []
        for seq in job.seqs:
            if seq < shelf.first or seq > shelf.last:
                continue
            if not first <= seq < first + len(payloads):
                [key] = self._db.execute(
                    "SELECT max(key) FROM chunks WHERE key BETWEEN ? AND ?", (low, low + seq)
                ).fetchone()
                if key is None:
                    continue
                first, payloads = key - low, self._payloads(key)[1]
            if first <= seq < first + len(payloads):
                records.append((seq, payloads[seq - first]))
        return Found(records=records, through=max(job.seqs, default=0))

    def _payloads(self, key: int) -> tuple[int, list[bytes]]:
        """The events of a chunk; none, and a word about it, where it is damaged."""
        row = self._db.execute("SELECT count, crc, data FROM chunks WHERE key=?", (key,)).fetchone()
        if row is None:
            return 0, []
        count, crc, data = row
        if checksum(data) == crc:
            return count, unpack(data, count)
        number, first = divmod(key, _STEP)
        names = [name for name, shelf in self._shelves.items() if shelf.number == number]
        self._say(kind="damaged_chunk", stream="".join(names), first=first, last=first + count - 1)
        self._db.execute(
            "UPDATE streams SET last=max(last, ?) WHERE number=?", (first + count - 1, number)
        )
        self._db.execute("DELETE FROM chunks WHERE key=?", (key,))
        return count, []


def _key(number: int, seq: int) -> int:
    return number * _STEP + seq


def _keys(number: int) -> tuple[int, int]:
    return _key(number, 0), _key(number + 1, 0) - 1


def is_damage(error: Exception) -> bool:
    """Whether the file is broken, and not only out of reach at present."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _rows(db: sqlite3.Connection, query: str, *values: object) -> Iterator[tuple]:  # type: ignore[type-arg]
    """Rows until the first that cannot be read."""
    try:
        cursor = db.execute(query, values)
        while (row := cursor.fetchone()) is not None:
            yield row
    except sqlite3.DatabaseError:
        return


def _all_chunks(db: sqlite3.Connection) -> Iterator[tuple]:  # type: ignore[type-arg]
    """Chunks from the front up to the damage, and from the back down to it."""
    last = 0
    columns = "key, count, at, size, crc, sources, data"
    for row in _rows(db, f"SELECT {columns} FROM chunks ORDER BY key"):  # noqa: S608
        last = row[0]
        yield row
    yield from _rows(db, f"SELECT {columns} FROM chunks WHERE key > ? ORDER BY key DESC", last)  # noqa: S608
