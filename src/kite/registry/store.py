"""The file that keeps what survives when the Registry alone is restarted.

Its first line is everything at one moment, each further line one change after that, in order. A
change is one short write; the file is written anew, and replaced atomically, where changes make up
more than half of it. It lies in the module's data directory, readable by its owner only, and is bound to the
kite token's digest: with another kite token everything begins anew. Nothing is forced to the disk:
the file is for a process that dies, not for a machine that does.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from kite import atomic_file
from kite.registry.kept import FORMAT, Kept, Step
from kite.wire.token import same

FILE_NAME: Final = "registry.json"
_MAX_PAUSE: Final = 0.5
_LEAST_ROOM: Final = 256 << 10
"""Bytes of changes for which no file is written anew."""

_log = logging.getLogger("kite.registry")


class Store:
    """Notes each change at once, and writes what `content` returns where that is not possible.

    Args:
        directory: None keeps nothing.
        content: everything; asked when it is time to write.
    """

    def __init__(self, directory: Path | None, content: Callable[[], Kept]) -> None:
        self._path = None if directory is None else directory / FILE_NAME
        self._content = content
        self._pause = 0.0
        self._pending: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_failed = False
        self._file: int | None = None
        self._room = 0

    def load(self, kite_digest: str) -> tuple[Kept, list[Step]]:
        """What the former life left: everything at one moment, and the changes since; empty when
        there is nothing, or it cannot be used. Of a file that is torn what is whole counts."""
        empty = Kept(kite=kite_digest)
        if self._path is None:
            return empty, []
        try:
            first, *lines = self._path.read_bytes().split(b"\n")
            kept = msgspec.json.decode(first, type=Kept)
        except FileNotFoundError:
            return empty, []
        except (OSError, ValueError, RecursionError) as wrong:
            _log.warning("store.discarded path=%s reason=%r", self._path, str(wrong))
            return empty, []
        if not same(kept.kite, kite_digest) or kept.format != FORMAT:
            _log.info("store.discarded path=%s reason='it belongs to another run'", self._path)
            return empty, []
        return kept, self._steps(lines)

    def _steps(self, lines: list[bytes]) -> list[Step]:
        """What the lines say, up to the first that is torn."""
        said = [
            line for line in lines if line
        ]  # the last line has an end, too, and nothing behind it
        steps: list[Step] = []
        try:
            while len(steps) < len(said):
                steps.append(msgspec.json.decode(said[len(steps)], type=Step))
        except (ValueError, RecursionError) as wrong:
            left = len(said) - len(steps)
            _log.warning(
                "store.discarded path=%s changes=%d reason=%r", self._path, left, str(wrong)
            )
        return steps

    def note(self, step: Step) -> None:
        """Keep one change, which `content` has by now as well."""
        if self._path is None or self._pending is not None:
            return
        line = msgspec.json.encode(step) + b"\n"
        if self._file is None or not self._append(self._file, line):
            self.changed()
        elif self._room < 0:
            self._write()

    def changed(self) -> None:
        """Write everything soon: in this round of the loop's end, or after a pause when that is dear."""
        if self._path is not None and self._pending is None:
            loop = asyncio.get_running_loop()
            self._pending = loop.create_future()
            self._timer = loop.call_later(self._pause, self._write)

    async def written(self) -> None:
        """Wait until everything that has changed stands in the file (or could not be written)."""
        if self._pending is not None:
            await asyncio.shield(self._pending)

    def close(self) -> None:
        """Write at once what is not written yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._write()
        self._leave()

    def _append(self, file: int, line: bytes) -> bool:
        """Whether the line stands in the file."""
        try:
            if os.fstat(file).st_nlink == 0:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            if os.write(file, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as failed:
            self._fail(failed)
            return False
        self._room -= len(line)
        return True

    def _write(self) -> None:
        pending, self._pending, self._timer = self._pending, None, None
        began = asyncio.get_running_loop().time()
        self._leave()
        try:
            assert self._path is not None
            content = msgspec.json.encode(self._content()) + b"\n"
            atomic_file.replace(self._path, content, mode=0o600)
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            self._room = max(len(content), _LEAST_ROOM)
        except OSError as failed:
            self._fail(failed)
        else:
            if self._has_failed:
                _log.info("store.recovered path=%s", self._path)
            self._has_failed = False
        # A large file is written less often, so that writing takes a tenth of the time at most.
        self._pause = min(10 * (asyncio.get_running_loop().time() - began), _MAX_PAUSE)
        if self._pause < 0.01:
            self._pause = 0.0
        if pending is not None and not pending.done():
            pending.set_result(None)

    def _fail(self, failed: OSError) -> None:
        """Say so once; the next change writes everything."""
        if not self._has_failed:
            _log.warning("store.failed path=%s reason=%r", self._path, str(failed))
        self._has_failed = True
        self._leave()

    def _leave(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
