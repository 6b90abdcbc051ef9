"""Which state of the table of tokens somebody has seen, and waiting for the next one."""

from __future__ import annotations

import asyncio
import secrets


class Revision:
    """Counts the changes of one life of the Registry.

    Attributes:
        epoch: names this life.
        number: how many changes there have been in it.
    """

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(8)
        self.number = 0
        self._changed = asyncio.Event()
        self._is_over = False

    def advance(self) -> None:
        """Something has changed: whoever waits goes on."""
        self.number += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def end(self) -> None:
        """Nobody waits any more."""
        self._is_over = True
        self._changed.set()

    async def beyond(self, epoch: str | None, number: int, *, seconds: float) -> bool:
        """Wait until this is not (epoch, number) any more; False when the time is over first."""
        if (epoch, number) != (self.epoch, self.number) or self._is_over:
            return True
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return False
        return True
