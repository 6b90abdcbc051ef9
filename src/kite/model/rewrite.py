"""Replacing a file whole: readers see the old content or the new one, never a part."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path


def replace_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write the content beside the file and put it in the file's place.

    Args:
        path: the file; if it is a link, what it points to is replaced.
        mode: permissions; default: those of the file that is there, else 0644 without the umask.

    Raises:
        OSError: the file stays as it was.
    """
    target = Path(os.path.realpath(path))
    owner: tuple[int, int] | None = None
    with suppress(FileNotFoundError):
        before = target.stat()
        mode = before.st_mode & 0o7777 if mode is None else mode
        owner = (before.st_uid, before.st_gid)
    descriptor, name = _beside(target)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                with suppress(PermissionError):
                    os.fchown(descriptor, *owner)
            os.fchmod(descriptor, _default_mode() if mode is None else mode)
            os.fsync(descriptor)
        os.replace(name, target)  # noqa: PTH105  (both are names already)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108  (likewise)
        raise


def _beside(target: Path) -> tuple[int, str]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    for attempt in count():
        name = f"{target.parent}/.{target.name[:200]}.{os.getpid()}.{attempt}.tmp"
        try:
            return os.open(name, flags, 0o600), name
        except FileExistsError:
            continue
    raise AssertionError("unreachable")


def _default_mode() -> int:
    # The umask can only be read by setting it; this process has one thread.
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o644 & ~mask
