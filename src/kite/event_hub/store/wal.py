"""The end of sqlite's write-ahead log, as a crash may leave it.

sqlite cuts what is behind the last whole transaction by itself, and does not say so. Here it is
found out how much lies there, before sqlite looks at it, so that it can be said. The format is
documented at https://www.sqlite.org/fileformat.html#the_write_ahead_log
"""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

_HEADER = 32
_FRAME = 24
_MAGIC = (0x377F0682, 0x377F0683)


class Log(NamedTuple):
    """What a log holds.

    Args:
        size: its bytes, but for what an earlier log has left behind its end.
        frame: bytes of one frame; 0 where it has no header that is one.
    """

    size: int
    frame: int


def log_at(path: Path) -> Log:
    """What a log holds, before sqlite has looked at it."""
    try:
        with path.open("rb") as log:
            return _measure(log.read(_HEADER), log, path.stat().st_size)
    except FileNotFoundError:
        return Log(0, 0)


def torn_bytes(log: Log, db: sqlite3.Connection) -> int:
    """Bytes of the log that belong to a transaction which was never finished; 0 in good order.

    sqlite has read the log, checksums included, and nothing has been written since.
    """
    if not log.size:
        return 0
    whole: int = db.execute("PRAGMA wal_checkpoint").fetchone()[1]
    return max(0, log.size - (_HEADER + max(0, whole) * log.frame if log.frame else 0))


def _measure(header: bytes, log: BinaryIO, size: int) -> Log:
    if len(header) < _HEADER:
        return Log(size, 0)
    magic, _, page, _ = struct.unpack_from(">4I", header)
    if magic not in _MAGIC or not page:
        return Log(size, 0)
    salts = header[16:24]
    at = _HEADER
    while frame := log.read(_FRAME):
        if len(frame) == _FRAME and frame[8:16] != salts:
            break  # from before the log was begun anew: no tail of this one
        at = min(size, at + _FRAME + page)
        log.seek(at)
    return Log(at, _FRAME + page)
