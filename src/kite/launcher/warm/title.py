"""What `/proc/<pid>/cmdline`, `environ` and `comm` tell of this process.

The kernel reads the first two from the process's own memory, at addresses that a process may
change: they are pointed to a place of our own that holds the new words. Where the kernel does not
allow that (it was built without checkpoints) the command line is written over the old one as far as
there is room, and the environment stays the template's.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Mapping, Sequence

_PR_SET_NAME = 15
_PR_SET_MM = 35
_PR_SET_MM_MAP = 14

# Fields of /proc/self/stat, counted from what follows the name in parentheses.
_FIELDS = {
    "start_code": 23,
    "end_code": 24,
    "start_stack": 25,
    "start_data": 42,
    "end_data": 43,
    "start_brk": 44,
    "arg_start": 45,
    "arg_end": 46,
}
_NO_FILE = 0xFFFFFFFF
_ROOM = 2 << 20
"""Bytes for words and environment, of which an order has half as many at most."""


class _Map(ctypes.Structure):
    """`struct prctl_mm_map`."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("start_code", "end_code", "start_data", "end_data")),
        *((name, ctypes.c_uint64) for name in ("start_brk", "brk", "start_stack")),
        *((name, ctypes.c_uint64) for name in ("arg_start", "arg_end", "env_start", "env_end")),
        ("auxv", ctypes.c_void_p),
        ("auxv_size", ctypes.c_uint32),
        ("exe_fd", ctypes.c_uint32),
    )


class Title:
    """The place for the words of this process and of those that it forks.

    Prepared once, so that little is left to do in each.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        self._prctl = libc.prctl
        self._prctl.argtypes = [ctypes.c_int, *4 * [ctypes.c_void_p]]
        self._sbrk = libc.sbrk
        self._sbrk.argtypes = [ctypes.c_ssize_t]
        self._sbrk.restype = ctypes.c_void_p
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123
            text = file.read()
        fields = text[text.rfind(b")") + 2 :].split()
        known = {name: int(fields[place]) for name, place in _FIELDS.items()}
        self._old = known["arg_start"], known["arg_end"]
        self._map = _Map(**known, auxv=None, auxv_size=0, exe_fd=_NO_FILE)
        self._place = ctypes.addressof(self._map)
        # Never freed, not even when the interpreter ends: the kernel reads it whenever somebody asks,
        # and would show whatever else came to lie there.
        self._room = mmap.mmap(-1, _ROOM, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._room))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._room))

    def assume(self, argv: Sequence[bytes], env: Mapping[bytes, bytes]) -> bool:
        """Appear as a process with these words and this environment; whether that went wholly."""
        self._prctl(_PR_SET_NAME, argv[0].rpartition(b"/")[2][:15], None, None, None)
        words = b"\0".join(argv) + b"\0"
        variables = b"".join([name + b"=" + value + b"\0" for name, value in env.items()])
        self._room[: len(words) + len(variables)] = words + variables
        address, told = self._address, self._map
        told.arg_start, told.arg_end = address, address + len(words)
        told.env_start, told.env_end = told.arg_end, told.arg_end + len(variables)
        told.brk = self._sbrk(0)
        size = ctypes.sizeof(told)
        if self._prctl(_PR_SET_MM, _PR_SET_MM_MAP, self._place, size, None) == 0:
            return True
        start, end = self._old
        if 0 < start < end:
            ctypes.memset(start, 0, end - start)
            ctypes.memmove(start, words, min(len(words), end - start - 1))
        return False
