"""How a module leaves in good order: finish what has come, clean up, say so, go."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

from kite.errors import KiteError
from kite.sdk.cancellation import is_meant
from kite.sdk.core.farewell import LATE, Cause, Orders, patience, time_to_finish

if TYPE_CHECKING:
    from kite.sdk.declaration import StopHandler
    from kite.sdk.life import Life

_LAST_WORDS = 1.0


class Departure:
    """The end of a life, within the time that it may take.

    In this order: no new events; what has been received is finished; the module's tasks are
    cancelled; its stop handlers run, the last declared first; what was published goes out;
    `module.shutdown.ready`; the connection is closed.

    Args:
        clean_up: whether the stop handlers run (the start handlers have begun).
        in_a_hurry: a signal has followed what was asked.
    """

    def __init__(
        self,
        life: Life,
        cause: Cause,
        orders: Orders | None,
        *,
        clean_up: bool,
        in_a_hurry: bool = False,
    ) -> None:
        self._life = life
        self._cause = cause
        allowed = patience(cause, orders)
        self._patience = min(allowed, LATE) if in_a_hurry else allowed
        self._clean_up = clean_up
        self._limit: asyncio.Timeout | None = None

    def hurry(self, cause: Cause) -> None:
        """A signal has come, or the lifeline has ended, while the module is leaving."""
        if self._limit is None or cause not in (Cause.SIGNAL, Cause.LIFELINE):
            return
        late = asyncio.get_running_loop().time() + LATE
        if (self._limit.when() or late) > late and not self._limit.expired():
            self._limit.reschedule(late)

    async def leave(self, status: int) -> int:
        """Leave; returns the exit status, 1 where the cleanup failed or was not done in time."""
        life = self._life
        failed = False
        try:
            async with asyncio.timeout(self._patience) as limit:
                self._limit = limit
                await self._finish_received()
                await self._cancel_tasks()
                if self._clean_up:
                    for handler in reversed(life.declaration.stop_handlers):
                        failed |= not await self._run(handler)
        except TimeoutError:
            life.log.error("cleanup.timed_out after=%.1f", self._patience)
            failed = True
        finally:
            self._limit = None  # from here on a signal changes nothing
        await self._cancel_handlers()
        await self._cancel_tasks()
        await self._say_goodbye()
        return status or int(failed)

    async def _finish_received(self) -> None:
        life = self._life
        if not self._clean_up:
            return
        handlers = life.declaration.stop_handlers
        limit = time_to_finish(self._patience, (one.estimated_cleanup for one in handlers))
        try:
            async with asyncio.timeout(limit):
                await self._unsubscribe()
                for handler in life.handlers:
                    if handler.is_started:
                        await handler.idle()
        except TimeoutError:
            life.log.warning("handlers.cancelled after=%.1f", limit)
        await self._cancel_handlers()

    async def _unsubscribe(self) -> None:
        link = self._life.link
        if link is None or not link.connection.is_open:
            return
        try:
            await link.unsubscribe(self._life.handlers, timeout=_LAST_WORDS)
        except KiteError as failure:
            self._life.log.debug("unsubscribe.failed code=%s", failure.code)

    async def _cancel_tasks(self) -> None:
        tasks = list(self._life.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS)

    async def _cancel_handlers(self) -> None:
        for handler in self._life.handlers:
            answers = self._life.answers.get(handler)
            for event in await handler.cancel(_LAST_WORDS):
                if answers is not None:
                    answers.decline(event)

    async def _run(self, handler: StopHandler) -> bool:
        try:
            outcome = handler.function()
            if inspect.isawaitable(outcome):
                await outcome
        except (Exception, asyncio.CancelledError) as failure:
            if isinstance(failure, asyncio.CancelledError) and is_meant():
                raise
            self._life.log.exception("stop_handler.failed")
            return False
        return True

    async def _say_goodbye(self) -> None:
        life = self._life
        if life.link is None:
            return
        try:
            async with asyncio.timeout(_LAST_WORDS):
                if life.link.connection.is_open:
                    await life.publisher.drained()
                if self._cause is Cause.SHUTDOWN:
                    life.say("module.shutdown.ready", {})
                await life.link.close()
        except TimeoutError:
            life.link.abort()
        if life.publisher.outbox:
            life.log.error("events.lost count=%d", len(life.publisher.outbox))
