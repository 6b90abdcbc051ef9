"""A small file that is always whole: readers see the former content or the new one.

Each file has one writer, whose draft lies beside it under one name, so that kills leave no litter.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def replace(path: Path, data: bytes, *, is_durable: bool = False) -> None:
    """Put `data` in the place of the file's content, mode 0600, in a folder of mode 0700.

    Args:
        is_durable: also after a power cut (two fsyncs); else after a kill at any moment only.

    Raises:
        OSError: the disk is full or the folder cannot be written; the former content stands.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if is_durable:
                os.fsync(descriptor)
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    if is_durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; not every file system can, and then it need not."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
