"""Replacing a file whole: readers see the former content or the new one, never a part.

The draft lies beside the file under one name, so that kills leave no litter; who writes it holds its
lock, so that two writers come one after the other. The lock ends with the process.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_LONGEST: Final = 200


def replace(
    path: Path, content: bytes, *, mode: int | None = None, is_durable: bool = False
) -> None:
    """Put the content in the place of the file's.

    Args:
        path: the file; if it is a link, what it points to is replaced.
        mode: permissions; default: those of the file that is there, else 0644 without the umask.
        is_durable: also after a power cut (two fsyncs); else after a kill at any moment only.

    Raises:
        OSError: the disk is full, or the folder cannot be written; the former content stands.
    """
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name[:_LONGEST]}.new")
    descriptor = _open(draft)
    with os.fdopen(descriptor, "wb") as file:
        try:
            _take_after(target, descriptor, mode)
            file.write(content)
            file.flush()
            if is_durable:
                os.fsync(descriptor)
            draft.replace(target)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
    if is_durable:
        _sync(target.parent)


def put(path: Path, content: bytes, *, mode: int) -> None:
    """As `replace`, for a file that nobody else writes and that is no link: a third of the time.

    Args:
        mode: permissions, of which the umask takes away.

    Raises:
        OSError: the disk is full, or the folder is missing or cannot be written; the former content
            stands.
    """
    draft = f"{path.parent}/.{path.name[:_LONGEST]}.new"
    try:
        descriptor = os.open(draft, _FLAGS | os.O_EXCL, mode)
    except FileExistsError:  # of one that was killed
        os.unlink(draft)  # noqa: PTH108
        descriptor = os.open(draft, _FLAGS | os.O_EXCL, mode)
    try:
        try:
            if os.write(descriptor, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), draft)
        finally:
            os.close(descriptor)
        os.rename(draft, path)  # noqa: PTH104  (no path is made of it)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)  # noqa: PTH108
        raise


def _open(draft: Path) -> int:
    """The draft, empty, locked, and for this process's eyes."""
    while True:
        descriptor = os.open(draft, _FLAGS, 0o600)
        try:
            with suppress(OSError):  # not every file system has locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(draft, descriptor):  # else another writer has put it into the file's place
                os.fchmod(descriptor, 0o600)
                os.ftruncate(descriptor, 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _take_after(target: Path, descriptor: int, mode: int | None) -> None:
    """Give the draft the owner and the permissions that the file shall have."""
    try:
        before = target.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, _default_mode() if mode is None else mode)
        return
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(PermissionError):
            os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, before.st_mode & 0o7777 if mode is None else mode)


def _default_mode() -> int:
    # The umask can only be read by setting it; this is done in a process's main thread.
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o644 & ~mask


def _sync(folder: Path) -> None:
    """Make the names in a folder durable; not every file system can, and then it need not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
