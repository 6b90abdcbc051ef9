"""Requests that somebody waits for: an id for the core, a future for whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kite.errors import RequestError, Unavailable

SETTLES_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended; `code` is None when it is done."""

    code: str | None
    params: Mapping[str, Any]

    def check(self) -> None:
        """Return when it is done.

        Raises:
            RequestError: with the code and parameters of the refusal.
        """
        if self.code is not None:
            raise RequestError(self.code, **self.params)


class Operations:
    """The open ones."""

    def __init__(self) -> None:
        self._last = 0
        self._open: dict[int, asyncio.Future[Outcome]] = {}

    def open(self) -> tuple[int, asyncio.Future[Outcome]]:
        """A new operation."""
        self._last += 1
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._open[self._last] = future
        return self._last, future

    def settle(self, op: int, code: str | None, params: Mapping[str, Any]) -> None:
        """The core has decided."""
        future = self._open.pop(op, None)
        if future is not None and not future.done():
            future.set_result(Outcome(code, params))


async def outcome_of(future: asyncio.Future[Outcome], module: str) -> Outcome:
    """Wait for the outcome.

    Raises:
        Unavailable: `not_settled` after 60 s; the operation goes on.
    """
    done, _ = await asyncio.wait({future}, timeout=SETTLES_WITHIN)
    if not done:
        raise Unavailable("not_settled", module=module, seconds=int(SETTLES_WITHIN))
    return future.result()
