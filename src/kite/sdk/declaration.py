"""What the author of a module has said: who listens to what, what runs first and last."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from kite.errors import ModuleError
from kite.sdk.core.subscriptions import Durable, Subscription
from kite.sdk.event import Event, Request
from kite.sdk.gaps import OnGap
from kite.wire import frame
from kite.wire.frame import Overflow
from kite.wire.subject import check_subject

if TYPE_CHECKING:
    from kite.sdk.tool import Tool

Nothing = Awaitable[None] | None
EventHandler = Callable[[Event], Nothing]
RequestHandler = Callable[[Request], Awaitable[Any] | Any]
LifeHandler = Callable[[], Nothing]

OWN_NAME = ""
"""As a queue: the group that is called like the module, so that replicas share the work."""


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """One handler with what it listens to.

    Args:
        pattern: of the events or requests.
        function: the author's.
        queue: a queue group, None for none, `OWN_NAME` for the module's own.
        echo: whether the module's own events come too.
        concurrency: how many are handled at the same time.
        is_request: whether what the function returns is an answer.
        durable: of a stream.
        overflow, on_gap: see `Module.on`.
    """

    pattern: str
    function: Callable[[Any], Any]
    queue: str | None
    echo: bool
    concurrency: int
    is_request: bool
    durable: Durable | None = None
    overflow: Overflow = "hold"
    on_gap: OnGap | None = None

    def subscription(self, module: str) -> Subscription:
        """What is asked of the Hub."""
        queue = module if self.queue == OWN_NAME else self.queue
        return Subscription(
            pattern=self.pattern,
            queue=queue,
            echo=self.echo,
            durable=self.durable,
            overflow=self.overflow,
        )

    def receive(self, event: frame.Event) -> Any:
        """Call the function with an event."""
        return self.function(Event(event))


class StopHandler(msgspec.Struct, frozen=True, kw_only=True):
    """What runs before the module leaves; `estimated_cleanup` in seconds."""

    function: LifeHandler
    estimated_cleanup: float


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A tool and how it is listened for; the fields are `Listener`'s."""

    tool: Tool
    queue: str | None
    concurrency: int

    def listener(self, module: str) -> Listener:
        """What hears its calls in a module of this name."""
        return Listener(
            pattern=check_subject(self.tool.subject(module)),
            function=self.tool,
            queue=self.queue,
            echo=True,
            concurrency=self.concurrency,
            is_request=True,
        )


class Declaration(msgspec.Struct):
    """Everything that has been said so far.

    Args:
        lived_by: the name of the module that lives by it. From then on only what is registered
            changes.
    """

    listeners: list[Listener] = msgspec.field(default_factory=list)
    start_handlers: list[LifeHandler] = msgspec.field(default_factory=list)
    stop_handlers: list[StopHandler] = msgspec.field(default_factory=list)
    missed_handlers: list[LifeHandler] = msgspec.field(default_factory=list)
    tools: list[Offer] = msgspec.field(default_factory=list)
    registered: dict[str, Any] | None = None
    lived_by: str | None = None

    @property
    def offers_something(self) -> bool:
        """Whether there is something to register: the author said so, or it answers requests."""
        said = self.registered is not None or bool(self.tools)
        return said or any(one.is_request for one in self.listeners)

    def check_open(self, what: str) -> None:
        """Whether handlers may still be declared.

        Raises:
            ModuleError: `module_already_running`.
        """
        if self.lived_by is not None:
            raise ModuleError("module_already_running", module=self.lived_by, what=what)

    def listen(self, listener: Listener) -> None:
        """Add a handler.

        Raises:
            ModuleError: `module_already_running`, `handler_is_generator`.
            ValueError: a concurrency below 1, or options that contradict another handler's of the
                same durable subscription.
        """
        self.check_open(f"a handler for '{listener.pattern}'")
        check_runs(listener.function, listener.pattern)
        if listener.concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {listener.concurrency}")
        if (mine := listener.durable) is not None:
            for other in self.listeners:
                theirs = other.durable
                if theirs is not None and theirs.name == mine.name and theirs != mine:
                    raise ValueError(
                        f"durable '{mine.name}' is given two different sets of options"
                    )
        self.listeners.append(listener)

    def offer(self, offer: Offer) -> None:
        """Add a tool.

        Raises:
            ModuleError: `module_already_running`.
            ValueError: a second one of the same name, a concurrency below 1.
        """
        name = offer.tool.name
        self.check_open(f"the tool '{name}'")
        if any(name == other.tool.name for other in self.tools):
            raise ValueError(f"there are two tools '{name}': give one of them another name")
        if offer.concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {offer.concurrency}")
        self.tools.append(offer)

    def begin(self, module: str) -> None:
        """A module of this name lives by it from now on: where its tools are called is known."""
        for offer in self.tools:
            self.listen(offer.listener(module))
        self.lived_by = module

    def register(self, fields: Mapping[str, Any]) -> None:
        """Add to what is registered; the `metadata` of several calls are merged."""
        said = self.registered if self.registered is not None else {}
        metadata = {**said.get("metadata", {}), **(fields.get("metadata") or {})}
        said.update({name: value for name, value in fields.items() if value is not None})
        if metadata:
            said["metadata"] = metadata
        self.registered = said

    def record(self) -> Mapping[str, Any]:
        """The registration: what was said, and what the handlers show."""
        record = dict(self.registered or {})
        record.setdefault("events_subscribe", self._patterns())
        if self.tools:
            mine = [offer.tool.record(self.lived_by or "") for offer in self.tools]
            record["tools"] = [*record.get("tools", ()), *mine]
        return record

    def _patterns(self) -> Sequence[str]:
        return list(dict.fromkeys(listener.pattern for listener in self.listeners))


def check_runs(function: Callable[..., Any], purpose: str) -> None:
    """Whether calling a function runs it: a generator's call only makes something to iterate over.

    Args:
        purpose: what it is declared for: a pattern, `on_start`, `on_stop`, `on_missed`.

    Raises:
        ModuleError: `handler_is_generator`.
    """
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        name = getattr(function, "__qualname__", repr(function))
        raise ModuleError("handler_is_generator", function=name, pattern=purpose)
