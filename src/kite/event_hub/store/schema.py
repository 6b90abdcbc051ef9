"""What the streams' file consists of, and how it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_VERSION = 2

_TABLES = """
CREATE TABLE IF NOT EXISTS streams (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    size INTEGER NOT NULL DEFAULT 0, sized INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS chunks (
    key INTEGER PRIMARY KEY, count INTEGER NOT NULL, at REAL NOT NULL, size INTEGER NOT NULL,
    crc INTEGER NOT NULL, sources TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS durables (
    module TEXT NOT NULL, name TEXT NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (module, name)) WITHOUT ROWID;
"""

_FROM_1 = """
ALTER TABLE streams ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN sized INTEGER NOT NULL DEFAULT 0;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, with nothing written yet.

    Raises:
        sqlite3.Error: it cannot be opened, or is no such file.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA page_size=8192")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=1024")
        db.execute("PRAGMA journal_size_limit=67108864")
        if (version := _version(db)) > _VERSION:
            raise sqlite3.OperationalError(f"written by a newer version ({version})")
    except BaseException:
        db.close()
        raise
    return db


def set_up(db: sqlite3.Connection) -> None:
    """Make the tables that are missing, and those of an earlier version what they are now."""
    version = _version(db)
    if version == _VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in (_FROM_1 if version == 1 else _TABLES).split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version={_VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _version(db: sqlite3.Connection) -> int:
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    return found
