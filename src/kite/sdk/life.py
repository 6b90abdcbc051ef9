"""One life of a module: the shell around `core.session` that connects, announces, leaves."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, assert_never

from kite.errors import KiteError, Unavailable
from kite.sdk.cancellation import is_meant
from kite.sdk.compiled import pen_maker
from kite.sdk.connection import HubConnection, Lost
from kite.sdk.core import newest
from kite.sdk.core import session as decide
from kite.sdk.core.envelopes import Envelopes
from kite.sdk.core.farewell import Cause, Orders, estimate, orders
from kite.sdk.core.settlement import settlement
from kite.sdk.core.subscriptions import Durable
from kite.sdk.declaration import Declaration, LifeHandler
from kite.sdk.departure import Departure
from kite.sdk.gaps import Gaps
from kite.sdk.handlers import MAX_BACKLOG, Handler, exit_status
from kite.sdk.launcher_client import LauncherClient
from kite.sdk.link import Connect, Link
from kite.sdk.outgoing import encode_event
from kite.sdk.publisher import Publisher
from kite.sdk.registration import Registration
from kite.sdk.registry_client import RegistryClient
from kite.sdk.registry_copy import RegistryCopy
from kite.sdk.requests import Answers, Questions
from kite.wire.boot import BootLine
from kite.wire.frame import Error, Event, Gap

ENDPOINT = "event_hub.metadata.ws_endpoint"
_WARN_AT = 8


class Life:
    """What runs between a module's boot line and its end.

    Args:
        declaration: what the module's author has said.
        name: the module's name.
        boot: its token and the number of its life.
        registry: asked for the Hub's endpoint, and registered with.
        connect: makes a connection to the Hub.
        log: where steps and failures are told.

    Attributes:
        is_over: whether nothing can be published any more.
    """

    def __init__(
        self,
        declaration: Declaration,
        *,
        name: str,
        boot: BootLine,
        registry: RegistryClient,
        log: logging.Logger,
        connect: Connect = HubConnection.open,
    ) -> None:
        self.name = name
        self.number = boot.life
        self.replica = boot.replica
        self.log = log
        self.registry = registry
        self.directory = RegistryCopy(registry, self._run)
        self.token = boot.token
        self.launcher = LauncherClient(registry, boot.token)
        self.envelopes = Envelopes(name, secrets.token_hex(6), pen_maker())
        self.write = self.envelopes.pen.write
        self.publisher = Publisher()
        self.questions = Questions(self.envelopes, self.publisher)
        self.session = decide.Session()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.answers: dict[Handler, Answers] = {}
        self.declaration = declaration
        self.handlers = self._handlers(declaration)
        self.link: Link | None = None
        self._before: Link | None = None
        self.is_over = False
        self._connect = partial(connect, is_asked=True) if boot.is_asked else connect
        self._facts: asyncio.Queue[decide.Fact] = asyncio.Queue()
        self._endpoint: str | None = boot.ws_endpoint or None
        self._was_told = bool(boot.ws_endpoint)
        self._registration: Registration | None = None
        if declaration.offers_something:
            self._registration = Registration(
                registry,
                name,
                declaration.record,
                lambda error: self._tell(decide.Failed(error=error)),
            )
        self._own: set[asyncio.Task[None]] = set()
        self._orders: Orders | None = None
        self._departure: Departure | None = None
        self._start_begun = False
        self._cause: Cause | None = None
        self._in_a_hurry = False
        self._failures = 0
        self._keeping = False
        self._ready = asyncio.Event()

    # -- what the module asks for ------------------------------------------------------------

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str | None) -> asyncio.Task[Any]:
        """A task of the module; its failure ends the module."""
        task = asyncio.get_running_loop().create_task(self._heeding(coroutine), name=name)
        self.tasks.add(task)
        # One that is cancelled before its first step has not awaited its coroutine.
        task.add_done_callback(lambda _: coroutine.close())
        task.add_done_callback(self._task_done)
        return task

    async def _heeding(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The work's result; `sys.exit` in it is `stop`, and does not end the loop at once."""
        try:
            return await work
        except SystemExit as wish:
            self.stop(Cause.OWN, exit_status(wish, self.log))

    def stop(self, cause: Cause, status: int = 0) -> None:
        """Leave in good order; while leaving already, hurry if it is a signal."""
        if self._departure is not None:
            self._departure.hurry(cause)
            return
        if self._cause is None:
            self._cause = cause
        elif cause in (Cause.SIGNAL, Cause.LIFELINE):
            self._in_a_hurry = True
        self._tell(decide.StopAsked(status=status))

    async def ready(self) -> None:
        """Wait until `module.ready` has been published for the first time."""
        await self._ready.wait()

    def refresh_registration(self) -> None:
        """What is registered has changed."""
        if self._registration is not None and self._ready.is_set():
            self._registration.refresh()

    # -- facts in, actions out ---------------------------------------------------------------

    async def run(self) -> int:
        """Live; returns the exit status."""
        self._tell(decide.Begun())
        try:
            while True:
                fact = await self._facts.get()
                jitter = random.random()  # noqa: S311  (it spreads retries, it guards nothing)
                for action in self.session.handle(fact, time.monotonic(), jitter):
                    if isinstance(action, decide.Leave):
                        return await self._leave(action)
                    self._perform(action)
        finally:
            self.is_over = True
            await self._end_own_tasks()
            await self.publisher.close()
            if self.link is not None:
                self.link.abort()

    def _perform(self, action: decide.Join | decide.RunStartHandlers | decide.SayReady) -> None:
        match action:
            case decide.Join(delay=delay):
                self._run(self._join(delay))
            case decide.RunStartHandlers():
                assert self.link is not None
                self.publisher.attach(self.link.connection)
                self._start_begun = True
                self._run(self._start())
            case decide.SayReady():
                self._say_ready()
            case _:
                assert_never(action)

    def _tell(self, fact: decide.Fact) -> None:
        self._facts.put_nowait(fact)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._own.add(task)
        task.add_done_callback(self._own_done)

    def _own_done(self, task: asyncio.Task[None]) -> None:
        self._own.discard(task)
        try:
            failure = task.exception()
        except asyncio.CancelledError as given_up:
            failure = None if is_meant(task) else given_up
        if failure is not None:
            self.log.error("module.failed", exc_info=failure)
            self.stop(Cause.OWN, 1)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.log.error("task.failed name=%s", task.get_name(), exc_info=failure)
            self.stop(Cause.OWN, 1)

    # -- joining -----------------------------------------------------------------------------

    async def _join(self, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        link = Link(
            self.handlers,
            self.envelopes,
            on_shutdown=self._shutdown,
            on_answer=self.questions.answered,
            on_refused=self._refused,
            on_gap=self._missed,
            on_missed=self._not_resumed,
            on_lost=self._lost,
        )
        try:
            endpoint = await self._find_endpoint()
            before, self._before = self._before, link
            await link.open(self._connect, endpoint, self.token, after=before)
            self.link = link
            await self._register()
            if link.is_lost:
                raise Unavailable("connection_lost")
        except KiteError as failure:
            self.link = None
            link.abort()
            self._say_unavailable(failure)
            self._tell(decide.Failed(error=failure))
        except BaseException:
            self.link = None
            link.abort()
            raise
        else:
            self._failures = 0
            self._tell(decide.Joined())

    def _say_unavailable(self, failure: KiteError) -> None:
        """Once an outage: a restart of the Hub is over before that many tries."""
        self._failures += 1
        level = logging.WARNING if self._failures == _WARN_AT else logging.DEBUG
        self.log.log(level, "hub.unavailable code=%s: %s", failure.code, failure.message)

    async def _find_endpoint(self) -> str:
        if self._was_told and self._endpoint is not None:
            self._was_told = False  # if there is anything wrong with it, the Registry knows better
            return self._endpoint
        try:
            endpoint = await self.registry.get(ENDPOINT)
        except Unavailable:
            # The Hub's port never changes during a run, and the Hub knows our token without the
            # Registry: its outage need not be ours.
            if self._endpoint is None:
                raise
            return self._endpoint
        if not isinstance(endpoint, str):
            raise Unavailable("not_ready", what="the event hub")
        self._endpoint = endpoint
        return endpoint

    async def _register(self) -> None:
        registration = self._registration
        if registration is None:
            return
        try:
            await registration.register()
        except Unavailable:
            if not self._ready.is_set():
                raise
        if not self._ready.is_set() and not self._keeping:
            self._keeping = True
            self._run(registration.keep())

    def _lost(self, link: Link, lost: Lost) -> None:
        self.publisher.detach()
        if self.link is not link:
            return
        self.log.warning(
            "connection.lost code=%d reason=%r unsent=%d", lost.code, lost.reason, lost.unsent
        )
        if lost.error is not None:
            self.log.error(
                "events.missed code=%s missed=%s", lost.error.code, lost.error.missed or "unknown"
            )
        if self._registration is not None:
            self._registration.unheard()
        self._tell(decide.ConnectionLost(code=lost.code, reason=lost.reason))

    async def _start(self) -> None:
        for function in self.declaration.start_handlers:
            await self._heeding(_call(function))
            if self._cause is Cause.OWN:
                return
        for handler in self.handlers:
            handler.start()
        self._tell(decide.Started())

    def _say_ready(self) -> None:
        assert self.link is not None
        self.say("module.ready", {})
        self.publisher.attach(self.link.connection)
        if self.session.losses:
            self.log.info("connection.restored losses=%d", self.session.losses)
        self._ready.set()

    # -- what comes in -----------------------------------------------------------------------

    def _shutdown(self, event: Event) -> None:
        meant = orders(event.data, self.name, self.number)
        if meant is None:
            return
        promised = estimate(
            (handler.estimated_cleanup for handler in self.declaration.stop_handlers),
            backlog=any(handler.is_busy for handler in self.handlers),
            timeout=meant.timeout,
        )
        self.say("module.shutdown.ack", {"estimated_cleanup": promised})
        if self._orders is None:
            self._orders = meant
            self.log.info("module.stopping reason=%s", meant.reason)
        self.stop(Cause.SHUTDOWN)

    def _refused(self, error: Error) -> None:
        if self.questions.refused(error):
            return
        self.log.error(
            "event.refused code=%s event_id=%s: %s", error.code, error.event_id, error.message
        )
        for answers in self.answers.values():
            if answers.refused(error):
                return

    def _missed(self, gap: Gap) -> None:
        self.log.error(
            "events.missed durable=%s stream=%s first=%d last=%d missed=%d",
            gap.durable,
            gap.stream,
            gap.first,
            gap.last,
            gap.missed,
        )

    def _not_resumed(self, reason: str) -> None:
        self.log.warning("events.missed reason=%s missed=unknown", reason)
        for function in self.declaration.missed_handlers:
            self.spawn(self._catch_up(function), "on_missed")

    async def _catch_up(self, function: LifeHandler) -> None:
        try:
            await _call(function)
        except Exception as failure:
            self.log.error("handler.failed on_missed", exc_info=failure)

    def _settle(
        self, handler: Handler, durable: Durable, event: Event, failure: BaseException | None
    ) -> None:
        outcome = settlement(durable, event, failure)
        if outcome is not None and self.link is not None:
            self.link.settle(handler, outcome)

    def say(self, subject: str, data: dict[str, Any]) -> None:
        """Publish about this life, ahead of everything that waits; lost with the connection."""
        if self.link is None or not self.link.connection.is_open:
            return
        about = {"module_id": self.name, "life": self.number, **data}
        event = self.envelopes.make(subject, about, time.time())
        self.link.connection.send(encode_event(event))

    # -- leaving -----------------------------------------------------------------------------

    async def _leave(self, leave: decide.Leave) -> int:
        if leave.error is not None:
            self.log.error("%s", leave.error)
        await self._end_own_tasks()
        self._departure = Departure(
            self,
            self._cause or Cause.OWN,
            self._orders,
            clean_up=self._start_begun,
            in_a_hurry=self._in_a_hurry,
        )
        return await self._departure.leave(leave.status)

    async def _end_own_tasks(self) -> None:
        own = list(self._own)
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)

    def _handlers(self, declaration: Declaration) -> list[Handler]:
        handlers = []
        for listener in declaration.listeners:
            answers = None
            if listener.is_request:
                answers = Answers(listener.function, self.envelopes, self.publisher, self.log)
            subscription = listener.subscription(self.name)
            receive, limit = listener.receive, MAX_BACKLOG
            if subscription.drops_oldest:
                receive = Gaps(listener.pattern, receive, listener.on_gap, self.log)
                limit = newest.MAX_BACKLOG
            handler = Handler(
                subscription,
                answers or receive,
                concurrency=listener.concurrency,
                log=self.log,
                leave=lambda status: self.stop(Cause.OWN, status),
                refuse=answers.drop if answers is not None else None,
                max_backlog=limit,
            )
            if subscription.durable is not None:
                handler.done = partial(self._settle, handler, subscription.durable)
            if answers is not None:
                self.answers[handler] = answers
            handlers.append(handler)
        return handlers


async def _call(function: Callable[[], Awaitable[Any] | Any]) -> None:
    outcome = function()
    if isinstance(outcome, Awaitable):
        await outcome
