"""A small regular file that a manifest names: read whole, without waiting for whoever else has it."""

from __future__ import annotations

import os
import stat

from kite.model import phrases

MAX_BYTES = 1 << 20


class Unfit(Exception):  # noqa: N818  (it never leaves this package)
    """The path leads to something else than is expected: one of `kite.model.phrases`."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


def read_plain(path: str, *, limit: int = MAX_BYTES) -> tuple[bytes, int]:
    """The content of a file, and its mode bits.

    Args:
        limit: bytes it may have.

    Raises:
        FileNotFoundError: there is none.
        Unfit: it cannot be read, is none of the regular files, or is too large.
    """
    try:
        # A pipe that nobody writes to would hold whoever opens it for reading.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except (OSError, ValueError) as refused:
        raise Unfit(getattr(refused, "strerror", None) or str(refused)) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unfit(phrases.NO_REGULAR_FILE)
        content = _read(descriptor, limit + 1)
    except OSError as refused:
        raise Unfit(refused.strerror or str(refused)) from None
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise Unfit(phrases.TOO_LARGE)
    return content, stat.S_IMODE(status.st_mode)


def _read(descriptor: int, most: int) -> bytes:
    content = b""
    while len(content) < most and (piece := os.read(descriptor, most - len(content))):
        content += piece
    return content


def whole_path(written: str, folder: str) -> str:
    """The path that somebody wrote: `~` is a home directory, and what is relative begins in `folder`."""
    return os.path.join(folder, os.path.expanduser(written))  # noqa: PTH111, PTH118  (`~nobody` stays)
