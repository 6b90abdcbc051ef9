"""Finding and reading chunks. A damaged one costs its own events, and that is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence

from kite.event_hub.core.streams.jobs import Found, Pick, Read, Record
from kite.event_hub.store.chunk import checksum, unpack
from kite.event_hub.store.recent import Youngest
from kite.event_hub.store.shelf import Shelf, seq_of

_READ_BYTES = 512 << 10

Damaged = Callable[[Shelf, int, int], None]
"""Told of a damaged chunk: its stream, its first and its last sequence number."""


class Reader:
    """Reads chunks.

    Args:
        db: the file.
        damaged: see `Damaged`.
    """

    def __init__(self, db: sqlite3.Connection, damaged: Damaged) -> None:
        self._db = db
        self._damaged = damaged

    def read(self, shelf: Shelf, job: Read, others: Sequence[Shelf] = ()) -> Found:
        """What is behind a sequence number, up to some bytes.

        Args:
            others: streams of which is said what they have, too.

        Raises:
            sqlite3.Error: the file is damaged.
        """
        after = max(job.after, shelf.first - 1)
        if job.since is not None:
            key = self.kept_since(shelf, job.since)
            after = max(after, shelf.last if key is None else seq_of(key) - 1)
        records: list[Record] = []
        shared: set[int] = set()
        size = 0
        through = after
        for key, at in self._chunks_from(shelf, after + 1):
            first, payloads = seq_of(key), self.payloads(shelf, key)
            theirs = set[bytes]().union(*(self._kept_at(other, at) for other in others))
            for seq, payload in enumerate(payloads, first):
                if seq > after:
                    records.append((seq, payload))
                    size += len(payload)
                    if payload in theirs:
                        shared.add(seq)
            through = max(through, first + len(payloads) - 1)
            if size >= _READ_BYTES:
                return Found(records=records, through=through, shared=frozenset(shared))
        through = max(through, shelf.last)
        return Found(records=records, through=through, shared=frozenset(shared))

    def _kept_at(self, shelf: Shelf, at: float) -> Iterator[bytes]:
        """The events that were kept in one transaction: what goes into two streams goes at once."""
        key = self.kept_since(shelf, at)
        if key is None:
            return
        for each, its in self._chunks_from(shelf, seq_of(key)):
            if its != at:
                return
            for seq, payload in enumerate(self.payloads(shelf, each), seq_of(each)):
                if seq >= shelf.first:
                    yield payload

    def pick(self, shelf: Shelf, job: Pick) -> Found:
        """These very events, as far as they are there, up to some bytes.

        Raises:
            sqlite3.Error: the file is damaged.
        """
        records: list[Record] = []
        size = 0
        first, payloads = 0, list[bytes]()
        for seq in job.seqs:
            if not shelf.first <= seq <= shelf.last:
                continue
            if not first <= seq < first + len(payloads):
                key = self._chunk_of(shelf, seq)
                if key is None:
                    continue
                first, payloads = seq_of(key), self.payloads(shelf, key)
            if first <= seq < first + len(payloads):
                payload = payloads[seq - first]
                records.append((seq, payload))
                size += len(payload)
                if size >= _READ_BYTES:
                    return Found(records=records, through=seq)
        return Found(records=records, through=max(job.seqs, default=0))

    def kept_since(self, shelf: Shelf, since: float) -> int | None:
        """The key of the first chunk that was kept then or later; time does not go back in a
        stream, so that a few looks are enough."""
        if shelf.newest is None or shelf.lowest is None or shelf.newest_at < since:
            return None
        low, high = shelf.lowest, shelf.newest
        while low < high:
            middle = (low + high) // 2
            key, at = self._db.execute(
                "SELECT key, at FROM chunks WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1",
                (shelf.lowest, middle),
            ).fetchone()
            if at >= since:
                high = key
            else:
                low = middle + 1
        return high

    def youngest(self, shelf: Shelf) -> Youngest:
        """The chunks of a stream from its end."""

        def payloads(key: int) -> Callable[[], list[bytes]]:
            return lambda: self.payloads(shelf, key)

        high = shelf.keys[1]
        while True:
            row = self._db.execute(
                "SELECT key, at, sources FROM chunks WHERE key BETWEEN ? AND ? "
                "ORDER BY key DESC LIMIT 1",
                (shelf.keys[0], high),
            ).fetchone()
            if row is None:
                return
            key, at, sources = row
            yield at, sources, payloads(key)
            high = key - 1

    def payloads(self, shelf: Shelf, key: int) -> list[bytes]:
        """The events of a chunk; none, and a word about it, where it is damaged."""
        row = self._db.execute("SELECT count, crc, data FROM chunks WHERE key=?", (key,)).fetchone()
        if row is None:
            return []
        count, crc, data = row
        if checksum(data) == crc:
            try:
                return unpack(data, count)
            except ValueError:
                pass
        self._damaged(shelf, key, seq_of(key) + count - 1)
        return []

    def _chunks_from(self, shelf: Shelf, seq: int) -> Iterator[tuple[int, float]]:
        """Keys, and when each was kept, from the chunk with a sequence number on."""
        low, high = shelf.keys
        key = self._chunk_of(shelf, seq)
        low = low if key is None else key
        while True:
            row = self._db.execute(
                "SELECT key, at FROM chunks WHERE key BETWEEN ? AND ? ORDER BY key LIMIT 1",
                (low, high),
            ).fetchone()
            if row is None:
                return
            yield row
            low = row[0] + 1

    def _chunk_of(self, shelf: Shelf, seq: int) -> int | None:
        key: int | None = self._db.execute(
            "SELECT max(key) FROM chunks WHERE key BETWEEN ? AND ?",
            (shelf.keys[0], shelf.key(seq)),
        ).fetchone()[0]
        return key
