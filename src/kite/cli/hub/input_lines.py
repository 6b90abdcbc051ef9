"""Lines of standard input as they come: `tail -f FILE | kite pub SUBJECT --lines`."""

from __future__ import annotations

import asyncio
import os
from collections import deque

from kite.errors import ConfigError
from kite.wire.limits import MAX_FRAME_BYTES

_CHUNK = 1 << 16


class InputLines:
    """The lines of a descriptor, one after the other, without their ends.

    The descriptor is left as it is: it may be shared with whoever comes after us, so it is not made
    non-blocking. It is read when there is something, which for a file is always.
    """

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._whole: deque[bytes] = deque()
        self._rest = bytearray()
        self._number = 0
        self._is_over = False

    async def next(self) -> tuple[int, bytes] | None:
        """The next line and its number, counted from 1; None at the end.

        Raises:
            ConfigError: `line_too_long`.
        """
        while not self._whole and not self._is_over:
            await _readable(self._descriptor)
            self._take(os.read(self._descriptor, _CHUNK))
        if not self._whole:
            return None
        self._number += 1
        line = self._whole.popleft()
        if len(line) > MAX_FRAME_BYTES:
            raise ConfigError("line_too_long", line=self._number, limit=MAX_FRAME_BYTES)
        return self._number, line.removesuffix(b"\r")

    def _take(self, data: bytes) -> None:
        self._is_over = not data
        self._rest += data
        if b"\n" in data:
            *whole, rest = bytes(self._rest).split(b"\n")
            self._whole.extend(whole)
            self._rest = bytearray(rest)
        if self._rest and (self._is_over or len(self._rest) > MAX_FRAME_BYTES):
            self._whole.append(bytes(self._rest))
            self._rest.clear()


async def _readable(descriptor: int) -> None:
    """Wait until there is something to read."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    try:
        loop.add_reader(descriptor, _done, ready)
    except PermissionError:  # a regular file, or /dev/null: there is always something, or the end
        return
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
