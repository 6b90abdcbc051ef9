"""The end of sqlite's write-ahead log, as a crash may leave it.

sqlite cuts what is behind the last whole transaction by itself, and does not say so. Here it is
found out before sqlite opens the file, so that it can be said. The format is documented at
https://www.sqlite.org/fileformat.html#the_write_ahead_log
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_HEADER = 32
_FRAME = 24
_MAGIC = (0x377F0682, 0x377F0683)


def torn_bytes(path: Path) -> int:
    """Bytes of the log that belong to a transaction which was never finished; 0 in good order."""
    try:
        with path.open("rb") as log:
            return _torn(log.read(_HEADER), log, path.stat().st_size)
    except FileNotFoundError:
        return 0


def _torn(header: bytes, log: BinaryIO, size: int) -> int:
    if len(header) < _HEADER:
        return size
    magic, _, page, _ = struct.unpack_from(">4I", header)
    if magic not in _MAGIC or not page:
        return size
    salts = header[16:24]
    whole = at = _HEADER
    while frame := log.read(_FRAME):
        if len(frame) == _FRAME and frame[8:16] != salts:
            break  # from before the log was begun anew: no tail of this one
        at += _FRAME + page
        if at > size or len(frame) < _FRAME:
            return size - whole
        if int.from_bytes(frame[4:8], "big"):
            whole = at
        log.seek(at)
    return at - whole
