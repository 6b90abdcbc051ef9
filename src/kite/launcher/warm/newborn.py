"""A process that was just forked, on its way to be what its order says: as if it had been started
with exec, as far as it or anybody else can tell.

Every page of memory that it writes to is copied, and that is what most of its time goes into: so
`Newborns` prepares in the template what all of them need.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import io
import logging
import os
import select
import signal
import sys
import threading
import time
import traceback

from kite.launcher import platform_linux
from kite.launcher.warm import dispositions
from kite.launcher.warm.main_program import MainProgram
from kite.launcher.warm.order import Order
from kite.launcher.warm.title import Title

_HIGH = 64
"""Descriptors from here on are in nobody's way."""
_MOST = 256
"""The template has no descriptor beyond it."""
_STREAMS = ("stdin", "stdout", "stderr")
_SAFE_PATH = "safe_path"


class Likeness:
    """What a template has made ready for all its processes, and is itself like meanwhile.

    Args:
        words: what the template's command line says.
    """

    def __init__(self, words: tuple[bytes, ...]) -> None:
        self.title = Title()
        self.title.assume(words, dict(os.environb))
        self.signals = dispositions.ignored(), ()
        dispositions.assume(*self.signals)
        self.path = sys.path[:] if sys.flags.safe_path else sys.path[1:]
        self.streams = [_coding(name) for name in _STREAMS]
        if sys.flags.safe_path:
            _unset_safe_path()
        if (tempfile := sys.modules.get("tempfile")) is not None:
            tempfile.__dict__["tempdir"] = None


class Newborn:
    """The process between its fork and its program.

    Args:
        descriptors: standard input, output and error, the `go`, and perhaps a listening socket.
        likeness: of its template.
    """

    def __init__(self, order: Order, descriptors: list[int], likeness: Likeness) -> None:
        self._order = order
        self._descriptors = descriptors
        self._likeness = likeness

    def live(self) -> int:
        """Become what was ordered and run its program; the exit status.

        To be called where nothing of the template's is left to be done.
        """
        go = self._take_descriptors()
        try:
            signals = self._order.ignored, self._order.blocked
            if signals != self._likeness.signals:
                dispositions.assume(*signals)
            self._take_environment()
            self._open_streams()
            logging._startTime = time.time()  # type: ignore[attr-defined]
            threading.main_thread()._set_native_id()  # type: ignore[attr-defined]
            argv = [os.fsdecode(word) for word in self._order.argv]
            program = MainProgram.of(argv)
            program.prepare(argv, [os.fsdecode(self._order.folder), *self._likeness.path])
        except BaseException:  # noqa: BLE001  (there is nobody else to say it)
            traceback.print_exc()
            os._exit(1)
        self._await(go)
        return program.run()

    def _take_descriptors(self) -> int:
        """Have those of the order and no other, but for the go's; its number."""
        stdin, stdout, stderr, go, *listener = [
            fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH)
            for descriptor in self._descriptors
        ]
        for number, descriptor in enumerate((stdin, stdout, stderr, *listener)):
            os.dup2(descriptor, number)
        os.closerange(3 + len(listener), go)
        os.closerange(go + 1, _MOST)
        return go

    def _take_environment(self) -> None:
        """For this process, for C, for its children, and for who reads /proc."""
        env = dict(self._order.env)
        if len(self._descriptors) > 4:
            env |= {b"LISTEN_FDS": b"1", b"LISTEN_PID": str(os.getpid()).encode()}
        self._likeness.title.assume(self._order.argv, env)
        environ = os.environb
        for name in [name for name in environ if name not in env]:
            del environ[name]
        for name, value in env.items():
            if environ.get(name) != value:
                environ[name] = value
        time.tzset()

    def _open_streams(self) -> None:
        """Standard streams over the new descriptors, as `python -u` has them."""
        for number, name in enumerate(_STREAMS):
            encoding, errors = self._likeness.streams[number]
            raw = io.FileIO(number, "w" if number else "r", closefd=False)
            raw.name = f"<{name}>"
            text = io.TextIOWrapper(
                raw if number else io.BufferedReader(raw),
                encoding=encoding,
                errors=errors,
                newline="\n",
                write_through=True,
            )
            text.mode = "w" if number else "r"  # type: ignore[misc]
            setattr(sys, name, text)
            setattr(sys, f"__{name}__", text)

    def _await(self, go: int) -> None:
        """Until the Launcher watches this process; without a word from it there shall be none."""
        told = os.read(go, select.PIPE_BUF)
        platform_linux.die_with_parent(signal.SIGKILL)
        if not told or os.getppid() != self._order.launcher:
            os._exit(0)
        os.close(go)
        if door := told[1:]:  # of the control group that it lives in
            with contextlib.suppress(OSError):
                descriptor = os.open(door, os.O_WRONLY)
                os.write(descriptor, b"0")
                os.close(descriptor)


def _coding(name: str) -> tuple[str, str | None]:
    """Encoding and treatment of errors that this interpreter has chosen for a standard stream."""
    stream: io.TextIOWrapper = getattr(sys, f"__{name}__")
    return stream.encoding, stream.errors


def _unset_safe_path() -> None:
    """The Launcher's interpreter was told not to import from its working directory (`-P`)."""
    place = list(type(sys.flags).__match_args__).index(_SAFE_PATH)
    set_item = ctypes.pythonapi.PyStructSequence_SetItem
    set_item.argtypes = [ctypes.py_object, ctypes.c_ssize_t, ctypes.py_object]
    set_item.restype = None
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(False))
    set_item(sys.flags, place, False)
