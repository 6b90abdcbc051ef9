"""The Launcher's own log: a file like a module's, with older ones beside it.

A detached Launcher has that file as its standard error, too, so that a traceback which nobody caught
stands there; when the file is changed for a new one, standard output and error go along.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from kite.launcher.logfile import LogLimits
from kite.launcher.rotated import move_on

_DEFAULT = LogLimits()
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class OwnLog(logging.Handler):
    """Appends lines to a file, and begins a new one when it is large.

    Args:
        path: of the file.
        size: bytes from which on a new one is begun.
        count: older ones that are kept.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(
        self, path: Path, *, size: int = _DEFAULT.size, count: int = _DEFAULT.count
    ) -> None:
        super().__init__()
        self._path = path
        self._size = size
        self._count = count
        self._descriptor = os.open(path, _FLAGS, 0o600)
        here = os.fstat(self._descriptor)
        self._along = [n for n in (1, 2) if os.path.samestat(os.fstat(n), here)]

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; a disk that refuses it is no reason for more than not having it."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace")
            os.write(self._descriptor, line + b"\n")
            if os.fstat(self._descriptor).st_size >= self._size:
                self._begin_another()
        except Exception:  # noqa: BLE001  (as all handlers do)
            self.handleError(record)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()

    def _begin_another(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        move_on(self._path, self._count)
        another = os.open(self._path, _FLAGS, 0o600)
        try:
            os.dup2(another, self._descriptor, inheritable=False)
            for number in self._along:
                os.dup2(another, number)
        finally:
            os.close(another)
