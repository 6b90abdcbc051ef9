"""What runs a module's handlers: in order for events, side by side for requests.

A handler that raises is logged with its traceback, and the module goes on: this is the edge at
which a stranger's mistake ends.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import UNSET

from kite.clock import now_rfc3339
from kite.sdk.cancellation import is_meant
from kite.sdk.core.newest import make_room
from kite.sdk.core.patience import LOOK_EVERY, Patience
from kite.sdk.core.subscriptions import Subscription
from kite.sdk.event import Event
from kite.sdk.trace import follow, leave
from kite.wire import frame
from kite.wire.subject import matches

MAX_BACKLOG = 64 << 20
"""Bytes of events that may wait for one handler; beyond that they are dropped, and it is said."""

_COMPLAIN_EVERY = 5.0
_TYPICAL_BYTES = 512

Done = Callable[[frame.Event, BaseException | None], None]
Handle = Callable[[frame.Event], Awaitable[Any] | Any]
Begun = tuple[frame.Event, Awaitable[Any]]


class Handler:
    """One subscription and the function behind it.

    Args:
        subscription: what it listens to.
        handle: called with one event; may be a coroutine function. What it raises is logged.
        concurrency: how many events are handled at the same time; 1 keeps their order.
        log: where failures are told.
        leave: called with an exit status when `handle` calls `sys.exit`.
        refuse: called with each event that is dropped.
        max_backlog: bytes that may wait.

    Attributes:
        done: called with each event that was handled, and what the handler raised, if it did.
        dropped: events that came while the backlog was full, or had to make room then.
    """

    def __init__(
        self,
        subscription: Subscription,
        handle: Handle,
        *,
        concurrency: int,
        log: logging.Logger,
        leave: Callable[[int], None],
        refuse: Callable[[frame.Event], None] | None = None,
        max_backlog: int = MAX_BACKLOG,
    ) -> None:
        self.subscription = subscription
        self.dropped = 0
        self._handle = handle
        self._concurrency = concurrency
        self._log = log
        self._leave = leave
        self._refuse = refuse
        self._max_backlog = max_backlog
        self.done: Done | None = None
        self._waiting: deque[tuple[frame.Event, int]] = deque()
        self._bytes = 0
        self._running = 0
        self._started = False
        self._unlooked = 0
        self._turn: Patience | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun: dict[asyncio.Task[None] | None, Begun] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._complained_at = -_COMPLAIN_EVERY

    def wants(self, subject: str) -> bool:
        """Whether an event of this subject is for this handler."""
        return matches(self.subscription.pattern, subject)

    @property
    def is_started(self) -> bool:
        """Whether events are handled, and not only kept."""
        return self._started

    @property
    def is_busy(self) -> bool:
        """Whether something waits or is being handled."""
        return not self._idle.is_set()

    def put(self, event: frame.Event, size: int = _TYPICAL_BYTES) -> None:
        """Let the handler have an event when its turn comes.

        Args:
            size: bytes it takes, about.
        """
        if self._started and self._running < self._concurrency and not self._waiting:
            self._unlooked += 1
            if self._unlooked < LOOK_EVERY or not self._turn_is_long():
                is_traced = event.headers is not UNSET and follow(event.headers)
                try:
                    if (outcome := self._call(event)) is not None:
                        self._work((event, outcome))
                finally:
                    if is_traced:
                        leave()  # whose turn it is next has this very context
                return
        excess = self._bytes + size - self._max_backlog
        if excess > 0 and self._waiting and self.subscription.drops_oldest:
            pattern = self.subscription.pattern
            dropped, freed = make_room(self._waiting, excess, pattern, now_rfc3339())
            self.dropped += dropped
            self._bytes -= freed
        elif excess > 0 and self._waiting:
            self.dropped += 1
            self._complain()
            if self._refuse is not None:
                self._refuse(event)
            return
        self._waiting.append((event, size))
        self._bytes += size
        if self._running < self._concurrency:
            self._idle.clear()
            if self._started:
                self._work()

    def start(self) -> None:
        """Begin to handle what has come and what comes."""
        self._started = True
        for _ in range(min(self._concurrency, len(self._waiting))):
            self._work()

    async def idle(self) -> None:
        """Wait until nothing waits and nothing runs."""
        await self._idle.wait()

    async def cancel(self, timeout: float) -> list[frame.Event]:
        """End what runs, and return what was still waiting or had not taken its first step.

        Args:
            timeout: seconds to wait for a handler that does not end when it is cancelled.
        """
        self._started = False
        rest = [event for event, _ in self._begun.values()]
        rest += [event for event, _ in self._waiting]
        for _, outcome in self._begun.values():
            if inspect.iscoroutine(outcome):
                outcome.close()
        self._begun.clear()
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)
        self._idle.set()
        return rest

    def _turn_is_long(self) -> bool:
        """Whether the loop should have a turn before more is handled; asked every so many events."""
        self._unlooked = 0
        now = time.monotonic()
        if self._turn is None:
            self._turn = Patience(now)
            asyncio.get_running_loop().call_soon(self._turn_over)
        return self._turn.is_over(now, 0)

    def _turn_over(self) -> None:
        self._turn = None

    def _work(self, begun: Begun | None = None) -> None:
        """Handle in a task what waits; first, what has been begun and is to be awaited."""
        self._running += 1
        self._idle.clear()
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._drain(), name=self.subscription.pattern)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if begun is not None:
            self._begun[task] = begun

    async def _drain(self) -> None:
        handled = 0
        patience = Patience(time.monotonic())
        is_traced = True  # perhaps: what was begun is, where it has a trace
        try:
            begun = self._begun.pop(asyncio.current_task(), None)
            if begun is not None:
                await self._finish(*begun)
            while self._waiting:
                event, size = self._waiting.popleft()
                self._bytes -= size
                if is_traced or event.headers is not UNSET:
                    is_traced = follow(event.headers)
                # Most handlers are functions that just return: no coroutine is made for these.
                if (outcome := self._call(event)) is not None:
                    await self._finish(event, outcome)
                handled += 1
                if handled % LOOK_EVERY == 0 and patience.is_over(
                    time.monotonic(), len(self._waiting)
                ):
                    await asyncio.sleep(0)
                    patience.begins(time.monotonic())
        finally:
            self._running -= 1
            if not self._running and not self._waiting:
                self._idle.set()

    def _call(self, event: frame.Event) -> Awaitable[Any] | None:
        """Call the handler; what it returned, where that is to be awaited."""
        try:
            outcome = self._handle(event)
        except BaseException as failure:  # noqa: BLE001  (the edge: a module survives its handlers)
            self._failed(event, failure)
            return None
        if outcome is not None and inspect.isawaitable(outcome):
            return outcome
        if self.done is not None:
            self.done(event, None)
        return None

    async def _finish(self, event: frame.Event, outcome: Awaitable[Any]) -> None:
        try:
            await outcome
        except BaseException as failure:  # noqa: BLE001  (the edge: a module survives its handlers)
            self._failed(event, failure)
        else:
            if self.done is not None:
                self.done(event, None)

    def _failed(self, event: frame.Event, failure: BaseException) -> None:
        """A handler has raised. What is not its own fault is raised on."""
        match failure:
            case SystemExit():
                # Raised on, it would end the loop at once: no stop handlers, no answers to others.
                self._leave(exit_status(failure, self._log))
                return
            case asyncio.CancelledError() if not is_meant():
                self._log.error("handler.failed %r", Event(event), exc_info=failure)
            case Exception():
                self._log.error("handler.failed %r", Event(event), exc_info=failure)
            case _:
                raise failure
        if self.done is not None:
            self.done(event, failure)

    def _complain(self) -> None:
        now = time.monotonic()
        if now - self._complained_at >= _COMPLAIN_EVERY:
            self._complained_at = now
            self._log.error(
                "handler.overflowed pattern=%s dropped=%d waiting=%d bytes=%d",
                self.subscription.pattern,
                self.dropped,
                len(self._waiting),
                self._bytes,
            )


def exit_status(wish: SystemExit, log: logging.Logger) -> int:
    """What the interpreter makes of the argument of `sys.exit`: a text is told, and means 1."""
    if wish.code is None or isinstance(wish.code, int):
        return (wish.code or 0) & 0xFF
    log.error("%s", wish.code)
    return 1
