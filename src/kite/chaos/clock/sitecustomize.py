"""Lets the wall clock of Python programs jump, without touching the machine's.

`kite chaos` puts this folder before all others on PYTHONPATH, and every interpreter imports a module
of this name at its start. `CHAOS_CLOCK` names a file of eight bytes, a double: how many seconds the
clock is ahead. The file is mapped, so all processes jump at one moment. The monotonic clock goes on,
as it does where an administrator sets the time.
"""

import contextlib
import mmap
import os
import struct
import time


def _begin(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    shift = mmap.mmap(descriptor, 8, prot=mmap.PROT_READ)
    os.close(descriptor)
    ahead = struct.Struct("d").unpack_from
    now, now_ns, gmtime, localtime = time.time, time.time_ns, time.gmtime, time.localtime

    def shifted() -> float:
        return now() + ahead(shift)[0]

    time.time = shifted
    time.time_ns = lambda: now_ns() + int(ahead(shift)[0] * 1e9)
    time.gmtime = lambda seconds=None: gmtime(shifted() if seconds is None else seconds)
    time.localtime = lambda seconds=None: localtime(shifted() if seconds is None else seconds)


if path := os.environ.get("CHAOS_CLOCK"):
    with contextlib.suppress(OSError, ValueError):  # it is being cleared away
        _begin(path)
