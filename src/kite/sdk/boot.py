"""Standard input of a module: the boot line first, then the lifeline.

The Launcher writes one line and keeps the pipe open; its end means that the module is to go.
Reading is done on the descriptor itself and never past what has come, so that nothing blocks and
no thread is needed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from kite.errors import ConfigError
from kite.wire.boot import BootLine, decode_boot_line
from kite.wire.token import is_token

_MAX_BOOT_LINE = 1 << 20
_CHUNK = 65536


class Lifeline:
    """Reads the boot line, then watches for the end of standard input.

    Args:
        on_end: called once, from the event loop, when the lifeline ends after the boot line.
        descriptor: what is read; default: standard input.
    """

    def __init__(self, on_end: Callable[[], None], *, descriptor: int = 0) -> None:
        self._on_end = on_end
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._boot: asyncio.Future[BootLine] = self._loop.create_future()
        self._watching = False

    async def boot_line(self) -> BootLine:
        """The boot line; waits until it has been written.

        Raises:
            ConfigError: `no_boot_line`.
        """
        try:
            self._loop.add_reader(self._descriptor, self._readable)
            self._watching = True
        except (OSError, ValueError):
            # A file or /dev/null cannot be waited for, and need not: all of it is there.
            while not self._boot.done():
                self._readable()
        return await self._boot

    def close(self) -> None:
        """Watch no more."""
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._descriptor)

    def _readable(self) -> None:
        try:
            chunk = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""  # a closed descriptor or a terminal that has gone: the end as well
        if self._boot.done():
            if not chunk:  # further lines are for nobody yet
                self._ended()
            return
        self._buffer += chunk
        line, newline, _ = self._buffer.partition(b"\n")
        if newline or not chunk or len(self._buffer) > _MAX_BOOT_LINE:
            self._decide(bytes(line), complete=bool(newline))
        if not chunk:
            self._ended()

    def _decide(self, line: bytes, *, complete: bool) -> None:
        self._buffer.clear()
        boot = decode_boot_line(line)
        # Never the line itself: a token may be in it.
        if boot is not None and is_token(boot.token):
            self._boot.set_result(boot)
        elif not complete and not line:
            self._boot.set_exception(ConfigError("no_boot_line", detail="it is empty"))
        else:
            self._boot.set_exception(
                ConfigError("no_boot_line", detail='expected {"token": "<64 hex>", "life": n}')
            )

    def _ended(self) -> None:
        self.close()
        if self._boot.done() and not self._boot.cancelled() and self._boot.exception() is None:
            self._on_end()
