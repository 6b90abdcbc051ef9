"""Compresses rotated logs in a thread of its own, so that no log waits for another's compression.

A compressed file gets its name when it is whole and on disk; until then the plain one stands. The
thread has no lower priority: put aside while it holds the interpreter's lock it would hold up the
loop. What it does is bounded by what is captured.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO

from kite.launcher.rotated import PART, Rotated, all_rotated

_PIECE = 256 * 1024
_LEVEL = 6


class LogCompressor:
    """The compressing thread of a folder; it begins with the first log that is handed in.

    Args:
        names: held while files change their names.
    """

    def __init__(self, names: threading.Lock) -> None:
        self._names = names
        self._turn = threading.Condition()
        self._waiting: deque[Path] = deque()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def take(self, log: Path) -> None:
        """Hand in a log (`web.log`) whose older files are to be compressed. Never blocks."""
        with self._turn:
            if self._is_closing or log in self._waiting:
                return
            self._waiting.append(log)
            self._turn.notify()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="log-compressor", daemon=True
                )
                self._thread.start()

    def close(self, timeout: float = 1.0) -> None:
        """End the thread. What is not compressed yet is so at the next start."""
        with self._turn:
            self._is_closing = True
            self._turn.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    def _work(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._waiting or self._is_closing)
                if self._is_closing:
                    return
                log = self._waiting.popleft()
            # A disk that is full, or takes no files, leaves them as they are until the next rotation.
            with contextlib.suppress(OSError):
                self._compress_older(log)

    def _compress_older(self, log: Path) -> None:
        """All older files of a log, the youngest first: it is the one that stays longest."""
        while not self._is_closing:
            files = all_rotated(log.parent, log.name)
            plain = next((file for file in files if not file.is_compressed), None)
            if plain is None:
                return
            self._compress(log, plain)

    def _compress(self, log: Path, plain: Rotated) -> None:
        part = log.with_name(log.name + PART)
        try:
            with self._names:  # it may have moved on, but it is still the same file
                source = self._open_same(log, plain.inode)
            if source is None:
                return
            with source:
                if self._write(part, source, log.name):
                    self._put(part, log, plain.inode)
        finally:
            part.unlink(missing_ok=True)

    def _open_same(self, log: Path, inode: int) -> BinaryIO | None:
        now = self._find(log, inode)
        return now.path.open("rb") if now is not None else None

    def _find(self, log: Path, inode: int) -> Rotated | None:
        """Where a plain file is now; None when it is gone."""
        files = all_rotated(log.parent, log.name)
        same = (each for each in files if each.inode == inode and not each.is_compressed)
        return next(same, None)

    def _write(self, part: Path, source: BinaryIO, name: str) -> bool:
        """Whether it came to its end. The header names the file that is in it, by its inode."""
        seen = os.fstat(source.fileno())
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(part, flags, 0o600), "wb") as file:  # noqa: PTH123  (a descriptor)
            with gzip.GzipFile(
                filename=f"{name}.{seen.st_ino}",
                mode="wb",
                compresslevel=_LEVEL,
                fileobj=file,
                mtime=seen.st_mtime,
            ) as packed:
                while piece := source.read(_PIECE):
                    if self._is_closing:
                        return False
                    packed.write(piece)
            file.flush()
            os.utime(file.fileno(), ns=(seen.st_atime_ns, seen.st_mtime_ns))
            os.fsync(file.fileno())
        return True

    def _put(self, part: Path, log: Path, inode: int) -> None:
        """Let the compressed file take the plain one's place, wherever that is by now."""
        with self._names:
            now = self._find(log, inode)
            if now is not None:
                part.replace(now.path.with_name(f"{now.path.name}.gz"))
                now.path.unlink()
