"""Mending a damaged file: what can be read goes into a new one, the old one is moved aside.

The new file is whole before the old one is moved, so that an interruption at any point leaves
either the damage, to be found again, or the new file, to be put in its place.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from kite.event_hub.store.chunk import checksum
from kite.event_hub.store.schema import connect, set_up
from kite.event_hub.store.shelf import number_of, seq_of

_LOGS = ("-wal", "-shm")
_CHUNK = "key, count, at, size, crc, sources, data"


def is_damage(error: Exception) -> bool:
    """Whether the file is broken, and not only out of reach at present."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def finish_mending(path: Path) -> None:
    """Put a mended file in its place, where that was interrupted."""
    mended = _mended(path)
    if path.exists() or not mended.exists():
        return
    aside = _aside(path)
    for part in _LOGS:  # of the damaged file: sqlite would take them for the new one's
        if (old := path.with_name(path.name + part)).exists():
            old.rename(aside.with_name(aside.name + part))
    mended.rename(path)


def mend(path: Path, lasts: Mapping[str, int]) -> tuple[Path, int]:
    """Save what can be read of the damaged file, which is closed, and put it in its place.

    Args:
        path: of the file.
        lasts: sequence numbers that were given, by stream: none of them is given again.

    Returns:
        Where the damaged file is, and how many events were saved.

    Raises:
        OSError, sqlite3.Error: no new file can be made; the damaged one is where it was.
    """
    mended = _mended(path)
    for part in ("", *_LOGS):
        mended.with_name(mended.name + part).unlink(missing_ok=True)
    saved = _save(path, mended, lasts)
    aside = _aside(path)
    if path.exists():
        path.rename(aside)
    finish_mending(path)
    return aside, saved


def _aside(path: Path) -> Path:
    base = f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}"
    names = itertools.chain([base], (f"{base}.{number}" for number in itertools.count(1)))
    return next(place for place in map(path.with_name, names) if not place.exists())


def _mended(path: Path) -> Path:
    return path.with_name(f"{path.name}.mended")


def _save(path: Path, mended: Path, lasts: Mapping[str, int]) -> int:
    new = connect(mended)
    try:
        set_up(new)
        new.execute("BEGIN")
        saved = 0
        try:
            old = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error:
            old = None
        if old is not None:
            try:
                saved = _copy(old, new)
            finally:
                old.close()
        for name, last in lasts.items():
            new.execute("UPDATE streams SET last=max(last, ?) WHERE name=?", (last, name))
        new.execute("COMMIT")
        return saved
    finally:
        new.close()  # which leaves one file, without a log


def _copy(old: sqlite3.Connection, new: sqlite3.Connection) -> int:
    for row in _rows(old, "SELECT number, name, first, last FROM streams"):
        new.execute(
            "INSERT OR REPLACE INTO streams (number, name, first, last) VALUES (?,?,?,?)", row
        )
    for row in _rows(old, "SELECT module, name, state FROM durables"):
        new.execute("INSERT OR REPLACE INTO durables VALUES (?,?,?)", row)
    saved = 0
    numbers = {number for (number,) in new.execute("SELECT number FROM streams")}
    for row in _all_chunks(old):
        key, count, _, _, crc, _, data = row
        if checksum(data) != crc:
            continue
        new.execute("INSERT OR IGNORE INTO chunks VALUES (?,?,?,?,?,?,?)", row)
        saved += count
        if (number := number_of(key)) not in numbers:
            # Whose it was cannot be read any more; under this name it can be looked at.
            numbers.add(number)
            new.execute(
                "INSERT INTO streams (number, name, first, last) VALUES (?, ?, ?, 0)",
                (number, f"lost-{number}", seq_of(key)),
            )
    return saved


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
    for row in _rows(db, f"SELECT {_CHUNK} FROM chunks ORDER BY key"):  # noqa: S608 (ours)
        last = row[0]
        yield row
    yield from _rows(db, f"SELECT {_CHUNK} FROM chunks WHERE key > ? ORDER BY key DESC", last)  # noqa: S608
