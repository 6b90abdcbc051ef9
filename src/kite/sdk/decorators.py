"""What an author writes above functions: which events they get, and when they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args, overload

from kite.sdk.core.subscriptions import Durable
from kite.sdk.declaration import (
    OWN_NAME,
    Declaration,
    EventHandler,
    LifeHandler,
    Listener,
    Offer,
    RequestHandler,
    StopHandler,
    check_runs,
)
from kite.sdk.gaps import OnGap
from kite.wire.frame import Overflow
from kite.wire.subject import check_pattern, check_subject

_OnEvent = TypeVar("_OnEvent", bound=EventHandler)
_OnRequest = TypeVar("_OnRequest", bound=RequestHandler)
_OnCall = TypeVar("_OnCall", bound=Callable[..., Any])
_OnLife = TypeVar("_OnLife", bound=LifeHandler)


class Decorators:
    """The decorators of a `Module`: each notes a function in its declaration."""

    def __init__(self) -> None:
        self._declaration = Declaration()

    def on(
        self,
        pattern: str,
        *,
        queue: str | None = None,
        echo: bool = True,
        concurrency: int = 1,
        overflow: Overflow = "hold",
        on_gap: OnGap | None = None,
        durable: str | None = None,
        stream: str | None = None,
        start: str | int = "new",
        ack_wait: float = 30.0,
        max_deliver: int = 5,
        max_in_flight: int | None = None,
    ) -> Callable[[_OnEvent], _OnEvent]:
        """Call the decorated function with each event that matches.

        What the function raises is logged with its traceback; the module goes on. Awaiting
        something that is cancelled counts as raising. `sys.exit(status)` in a handler is
        `stop(status)`: the module leaves in good order.

        With `durable`, the events are those that a stream of `kite.yaml` keeps, also what it kept
        while the module was away. An event is done when the function has returned. What it raises,
        or `ack_wait`, brings it again, later each time; after `max_deliver` attempts it is
        published on `_dead.<durable>` with the reason. It may come twice: after a crash, say.

        Args:
            pattern: a subject, with `*` for one token or a last `>` for one or more.
            queue: share the events with all who name the same queue: each goes to one of them.
            echo: whether the events that this process publishes come too.
            concurrency: how many events are handled at the same time. 1: one after the other, in
                the order in which they were published. Events that wait take up to 64 MiB; beyond
                that they are dropped, counted and told in the log.
            overflow: what happens when more waits than may. `hold`: publishers wait, within the Hub's
                limits. `drop_oldest`: nobody waits, and the oldest events are dropped; for what is
                soon out of date. Of these up to 4 MiB wait here, and as many in the Hub.
            on_gap: called, in place of the events that are missing and before those that follow,
                with how many they are (`.missed`) and when the first was dropped (`.since`, RFC
                3339). Without it the log tells, at most every 5 s (`events.dropped`).
            durable: name of a durable subscription; replicas of the module share it, and handlers
                that name the same one give the same options.
            stream: its stream, where several keep what matches.
            start: where it begins when it is new: `new`, `all`, a sequence number, or an RFC 3339
                instant.
            ack_wait: seconds for waiting here and being handled.
            max_deliver: attempts.
            max_in_flight: events that are here and not done; default: 8 for each that may be
                handled at the same time.

        Raises:
            RequestError: `invalid_pattern`.
            ModuleError: `module_already_running`; `handler_is_generator` for a function with `yield`.
            ValueError: a concurrency below 1, another word for `overflow`, `on_gap` without
                `drop_oldest`, or `durable` together with `queue`, `echo=False` or `drop_oldest`.
        """
        check_pattern(pattern)
        if overflow not in get_args(Overflow):
            raise ValueError(f"overflow is 'hold' or 'drop_oldest', not {overflow!r}")
        if on_gap is not None and overflow != "drop_oldest":
            raise ValueError("on_gap is for overflow='drop_oldest': nothing else drops events")
        if durable is not None and overflow != "hold":
            raise ValueError("a durable subscription drops nothing: it has no overflow")
        if durable is not None and (queue is not None or not echo):
            raise ValueError("a durable subscription has neither a queue nor echo=False")
        terms = None
        if durable is not None:
            terms = Durable(
                name=durable,
                stream=stream,
                start=start,
                ack_wait=ack_wait,
                max_deliver=max_deliver,
                max_in_flight=8 * concurrency if max_in_flight is None else max_in_flight,
            )

        def declare(function: _OnEvent) -> _OnEvent:
            self._declaration.listen(
                Listener(
                    pattern=pattern,
                    function=function,
                    queue=queue,
                    echo=echo,
                    concurrency=concurrency,
                    is_request=False,
                    durable=terms,
                    overflow=overflow,
                    on_gap=on_gap,
                )
            )
            return function

        return declare

    def handle(
        self, subject: str, *, queue: str | None = OWN_NAME, concurrency: int = 16
    ) -> Callable[[_OnRequest], _OnRequest]:
        """Answer requests with what the decorated function returns (any JSON value).

        Raising `RequestError("code", detail="…")` answers with that code and message; anything else
        it raises is logged with its traceback and answered with `handler_failed`. A request whose
        deadline has passed is skipped: nobody waits for it. `sys.exit` leaves as `stop` does, and is
        answered with `module_stopping`. Requests that wait take up to 64 MiB; who asks beyond that
        is answered with `busy` at once.

        Args:
            subject: of the requests; a pattern is allowed.
            queue: the queue group; by default one called like the module, so that its replicas
                share the requests. None: everybody gets every request, and the first answer counts.
            concurrency: how many requests are handled at the same time; the others wait.

        Raises:
            RequestError: `invalid_pattern`.
            ModuleError: `module_already_running`; `handler_is_generator` for a function with `yield`.
            ValueError: a concurrency below 1.
        """
        check_pattern(subject)

        def declare(function: _OnRequest) -> _OnRequest:
            self._declaration.listen(
                Listener(
                    pattern=subject,
                    function=function,
                    queue=queue,
                    echo=True,
                    concurrency=concurrency,
                    is_request=True,
                )
            )
            return function

        return declare

    def tool(
        self,
        name: str | None = None,
        *,
        description: str | None = None,
        subject: str | None = None,
        queue: str | None = OWN_NAME,
        concurrency: int = 16,
    ) -> Callable[[_OnCall], _OnCall]:
        """Offer the decorated function to be called by name: by agents, other modules, `kite call`.

        Its parameters are what it takes: names, and types that JSON has (also msgspec structs and
        dataclasses); a default makes one optional, and one of type `Request` gets the request.
        What does not fit is answered with `invalid_input` before the function is called. The types
        are registered as JSON Schema, the docstring's first paragraph as the description. What it
        returns or raises is as with `handle`.

        Args:
            name: default: the function's.
            description: what it does, where the docstring is not to be used.
            subject: where it is called; default: `<module>.<name>`.
            queue, concurrency: as of `handle`.

        Raises:
            ModuleError: `tool_signature`, `module_already_running`, `handler_is_generator`.
            RequestError: `invalid_subject`.
            ValueError: a bad name, one that is taken, a concurrency below 1.
        """
        from kite.sdk.tool import Tool  # noqa: PLC0415  (only who offers one pays for it)

        if subject is not None:
            check_subject(subject)

        def declare(function: _OnCall) -> _OnCall:
            tool = Tool(function, name=name, description=description, subject=subject)
            self._declaration.offer(Offer(tool=tool, queue=queue, concurrency=concurrency))
            return function

        return declare

    def on_start(self, function: _OnLife) -> _OnLife:
        """Run the decorated function once, connected and registered, before the module is ready.

        It may publish and request; events wait until it is through. What it raises ends the module
        with status 1; `sys.exit(status)` leaves as `stop(status)` does, before later ones run.
        """
        self._declaration.check_open("a start handler")
        check_runs(function, "on_start")
        self._declaration.start_handlers.append(function)
        return function

    def on_missed(self, function: _OnLife) -> _OnLife:
        """Run the decorated function when events were missed that cannot be had any more.

        After a lost connection handlers get what came meanwhile. Where that is not possible, since
        the Event Hub was started anew or it was too much, this is where a module compares what it
        knows with the source. What it raises is logged; the module goes on.
        """
        self._declaration.check_open("a handler of what was missed")
        check_runs(function, "on_missed")
        self._declaration.missed_handlers.append(function)
        return function

    @overload
    def on_stop(self, function: _OnLife, /) -> _OnLife: ...

    @overload
    def on_stop(self, /, *, estimated_cleanup: float = 0.0) -> Callable[[_OnLife], _OnLife]: ...

    def on_stop(self, function: Any = None, /, *, estimated_cleanup: float = 0.0) -> Any:
        """Run the decorated function before the module leaves; the last declared runs first.

        By then no events come any more, what had come is finished and the module's tasks have
        ended; publishing still works. All of it must be done within the time that the Launcher
        gives (`stop.timeout` of the manifest, default 10 s; 4 s after a plain signal).

        Args:
            estimated_cleanup: seconds that it takes, about: the Launcher is told.
        """
        self._declaration.check_open("a stop handler")

        def declare(stop: LifeHandler) -> LifeHandler:
            check_runs(stop, "on_stop")
            handler = StopHandler(function=stop, estimated_cleanup=estimated_cleanup)
            self._declaration.stop_handlers.append(handler)
            return stop

        return declare if function is None else declare(function)
