"""One Launcher per instance directory, by a lock that dies with its process.

Linux has locks that belong to an open file and can be asked about without being taken; where they
are missing, `flock` serves, and asking takes the lock for an instant.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from kite.errors import RequestError
from kite.model.workspace import unusable

LOCK_NAME = ".launcher.lock"

# struct flock of Linux: type, whence, start, length, pid; the last is 0 for these locks.
_FLOCK = struct.Struct("hhqqi4x")
_WHOLE_FILE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_NOTHING = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0)


class InstanceLock:
    """Held from `acquire` until `release` or the end of the process, however it comes."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    @classmethod
    def acquire(cls, instance_dir: Path) -> InstanceLock:
        """Take the lock of an instance directory.

        Raises:
            RequestError: `already_running` with the `pid` of the holder (0: not known yet).
            ConfigError: `instance_dir_unusable`, `disk_full`.
        """
        path = instance_dir / LOCK_NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(instance_dir, error) from None
        try:
            _lock(descriptor)
        except OSError:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            raise RequestError("already_running", pid=pid) from None
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except OSError as error:
            os.close(descriptor)
            raise unusable(instance_dir, error) from None
        return cls(descriptor, path)

    def release(self) -> None:
        """Let go; again is no error. The file stays: removing it would let two hold it."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            # A child between fork and exec still has the file open: closing alone would not do.
            _unlock(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def holder(instance_dir: Path) -> int | None:
    """The pid of the Launcher of an instance directory, 0 when it has not said it yet, or None when
    there is no Launcher. Nothing is taken, so that this never stands in a Launcher's way."""
    try:
        descriptor = os.open(instance_dir / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _pid_in(descriptor) if _is_locked(descriptor) else None
    finally:
        os.close(descriptor)


def _pid_in(descriptor: int) -> int:
    content = os.pread(descriptor, 32, 0)
    return int(content) if content.isdigit() else 0


_lock: Callable[[int], None]
_unlock: Callable[[int], None]
_is_locked: Callable[[int], bool]

if hasattr(fcntl, "F_OFD_SETLK"):

    def _lock(descriptor: int) -> None:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)

    def _unlock(descriptor: int) -> None:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _NOTHING)

    def _is_locked(descriptor: int) -> bool:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE_FILE)
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)

else:  # untried: no Linux

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _is_locked(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False
