"""A small disk that can be filled: a tmpfs in a mount namespace of this process and its children.

Nobody else sees it, and the kernel takes it away with the last of them, however they end. Where
this is not permitted there is no disk, and that fault is left out.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from pathlib import Path

_CLONE_NEWNS = 0x00020000
SIZE = 64 << 20


class SmallDisk:
    """Made with `mount`.

    Attributes:
        folder: where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / ".filler"

    @classmethod
    def mount(cls, folder: Path) -> SmallDisk | None:
        """Mount one over an existing empty folder; None where that is not permitted."""
        if os.geteuid() != 0:
            return None
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNS) != 0:
            return None
        private = ("mount", "--make-rprivate", "/")
        options = f"size={SIZE},mode=0700"
        small = ("mount", "-t", "tmpfs", "-o", options, "kite-chaos", str(folder))
        for words in (private, small):
            try:
                done = subprocess.run(words, capture_output=True, check=False, timeout=10)
            except (OSError, subprocess.TimeoutExpired):
                return None
            if done.returncode:
                return None
        return cls(folder)

    def fill(self) -> None:
        """Take every byte that is left."""
        with self._filler.open("ab", buffering=0) as file:
            room = os.statvfs(self.folder)
            with contextlib.suppress(OSError):
                size = os.fstat(file.fileno()).st_size
                os.posix_fallocate(file.fileno(), size, room.f_bavail * room.f_frsize)
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def free(self) -> None:
        """Give it back."""
        self._filler.unlink(missing_ok=True)

    @property
    def is_full(self) -> bool:
        """Whether it has been filled and not been freed."""
        return self._filler.exists()

    def unmount(self) -> None:
        """Take it away, with all that is on it. What is still open goes when that is closed."""
        subprocess.run(
            ("umount", "-l", str(self.folder)), capture_output=True, check=False, timeout=10
        )
