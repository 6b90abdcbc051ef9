"""The connections of one session: opened together, subscribed, lost together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol, Self

from msgspec import UNSET

from kite.errors import Unavailable
from kite.sdk.connection import HubConnection, Lost
from kite.sdk.core.envelopes import Envelopes
from kite.sdk.core.newest import mark
from kite.sdk.core.subscriptions import Ask, Subscription, arrange, asks
from kite.sdk.handlers import Handler
from kite.wire.frame import Error, Event, Gap, Resume, Settlement, encode

SHUTDOWN = "module.shutdown"
_REMEMBERED_SUBJECTS = 1024


class Connect(Protocol):
    """How a connection is made: `HubConnection.open`, or what a test puts in its place."""

    async def __call__(
        self,
        endpoint: str,
        token: str,
        *,
        on_event: Callable[[Event], None],
        on_lost: Callable[[Lost], None] | None = None,
        timeout: float = 10.0,
        is_asked: bool = False,
    ) -> HubConnection: ...


class Link:
    """The connections that a module's subscriptions need (one, nearly always).

    Args:
        handlers: who gets the events.
        envelopes: tells the module's own events and the answers to its requests.
        on_shutdown: called with each `module.shutdown`, whomever it names.
        on_answer: called with each answer to a request of this process.
        on_refused: called with the refusal of an event that nobody waits for.
        on_gap: called when a stream has not kept what a durable handler was still to get.
        on_missed: called with the reason when what came since the link before cannot be had.
        on_lost: called once, when one of the connections is lost; the others are ended then.
    """

    def __init__(
        self,
        handlers: Iterable[Handler],
        envelopes: Envelopes,
        *,
        on_shutdown: Callable[[Event], None],
        on_answer: Callable[[Event, str], None],
        on_refused: Callable[[Error], None],
        on_gap: Callable[[Gap], None] | None = None,
        on_missed: Callable[[str], None] | None = None,
        on_lost: Callable[[Link, Lost], None],
    ) -> None:
        self.is_lost = False
        self._handlers = list(handlers)
        self._envelopes = envelopes
        self._on_shutdown = on_shutdown
        self._on_answer = on_answer
        self._on_refused = on_refused
        self._on_gap = on_gap
        self._on_missed = on_missed
        self._on_lost = on_lost
        self._connections: list[HubConnection] = []
        self._routes: list[dict[str, tuple[Handler, ...]]] = []
        self._groups: list[list[Subscription]] = []
        self._places: list[dict[Ask, Resume | None]] = []
        self._closing = False

    async def open(
        self, connect: Connect, endpoint: str, token: str, *, after: Link | None = None
    ) -> Self:
        """Connect and subscribe; `module.shutdown` first.

        Args:
            after: the link before, of the same handlers: what was missed since comes first, whole,
                or `on_missed` is called.

        Raises:
            PeerError, RequestError, Unavailable: as `HubConnection.open` and `subscribe`.
        """
        control = [Subscription(pattern=SHUTDOWN), Subscription(pattern=self._envelopes.replies)]
        wanted = [handler.subscription for handler in self._handlers]
        self._groups = arrange([*control, *wanted])
        self._routes = [{} for _ in self._groups]
        self._places = [
            {ask: after.place(number, ask) if after else None for ask in asks(group)}
            for number, group in enumerate(self._groups)
        ]
        why_not = None
        try:
            for number, places in enumerate(self._places):
                connection = await connect(
                    endpoint, token, on_event=partial(self._deliver, number), on_lost=self._ended
                )
                connection.on_error = self._on_refused
                connection.on_gap = self._on_gap
                connection.on_dropped = partial(self._dropped, number)
                self._connections.append(connection)
                # One after the other goes out, and the answers are waited for together.
                acks = await asyncio.gather(
                    *(
                        connection.subscribe(
                            ask.patterns,
                            queue=ask.queue,
                            echo=ask.echo,
                            durable=ask.durable,
                            overflow=ask.overflow,
                            resume=(place or True) if ask.may_resume else False,
                        )
                        for ask, place in places.items()
                    )
                )
                for ask, ack in zip(list(places), acks, strict=True):
                    if isinstance(ack.epoch, str):
                        places[ask] = Resume(epoch=ack.epoch, position=ack.position)
                    why_not = ack.reason if ack.resumed is False else why_not
            if self.is_lost:
                raise Unavailable("connection_lost")
            if isinstance(why_not, str) and self._on_missed is not None:
                self._on_missed(why_not)
        except BaseException:
            self.abort()
            raise
        return self

    @property
    def connection(self) -> HubConnection:
        """The one over which the module publishes."""
        return self._connections[0]

    def place(self, number: int, ask: Ask) -> Resume | None:
        """How far a subscription of one of the connections has heard; None: nothing was granted yet.

        Also right where `open` failed half-way: what has come until then was handed on.
        """
        place = self._places[number].get(ask) if number < len(self._places) else None
        if place is None or number >= len(self._connections):
            return place
        last = self._connections[number].last_event
        if last is None:
            return place
        return Resume(epoch=place.epoch, source=last.source, event_id=last.event_id)

    async def unsubscribe(self, handlers: Sequence[Handler], *, timeout: float) -> None:
        """Ask for no more events for these handlers; what has come stays theirs.

        Raises:
            RequestError, Unavailable: as `HubConnection.unsubscribe`.
        """
        mine = {handler.subscription for handler in handlers}
        for connection, group in zip(self._connections, self._groups, strict=False):
            for ask in asks([subscription for subscription in group if subscription in mine]):
                name = ask.durable.name if ask.durable is not None else None
                await connection.unsubscribe(
                    ask.patterns, queue=ask.queue, durable=name, timeout=timeout
                )

    def settle(self, handler: Handler, settlement: Settlement) -> None:
        """Tell the Hub what has become of an event; without a connection it comes again."""
        for connection, group in zip(self._connections, self._groups, strict=False):
            if handler.subscription in group and connection.is_open:
                connection.send(encode(settlement))

    def abort(self) -> None:
        """End all connections at once; nobody is told."""
        self._closing = True
        for connection in self._connections:
            connection.abort()

    async def close(self) -> None:
        """End all connections in an orderly way; nobody is told."""
        self._closing = True
        for connection in self._connections:
            await connection.close()

    def _deliver(self, number: int, event: Event) -> None:
        subject = event.event
        wanting = self._routes[number].get(subject)
        if wanting is None:
            if subject == SHUTDOWN and number == 0:
                self._on_shutdown(event)
            request = self._envelopes.request_of(subject)
            if request is not None:
                self._on_answer(event, request)
                return
            wanting = self._find(number, subject)
        for handler in wanting:
            durable = handler.subscription.durable
            if durable is not None and event.durable not in (UNSET, durable.name):
                continue
            if handler.subscription.echo or not self._envelopes.is_own(event):
                handler.put(event, self._connections[number].frame_size)

    def _dropped(self, number: int, gap: Gap) -> None:
        """Events are missing here; they were of the one subscription of this connection."""
        for handler in self._handlers:
            subscription = handler.subscription
            if subscription.drops_oldest and subscription in self._groups[number]:
                handler.put(mark(subscription.pattern, gap), 0)

    def _find(self, number: int, subject: str) -> tuple[Handler, ...]:
        """Who wants events of this subject; where it is one handler, they go to it straight from now on."""
        routes, group = self._routes[number], self._groups[number]
        straight = self._connections[number].routes
        found = tuple(
            handler
            for handler in self._handlers
            if handler.subscription in group and handler.wants(subject)
        )
        if len(routes) >= _REMEMBERED_SUBJECTS:
            routes.clear()
            straight.clear()
        if subject != SHUTDOWN:  # an order to go is looked at each time
            routes[subject] = found
            if len(found) == 1 and found[0].subscription.is_plain:
                straight[subject] = found[0].put
        return found

    def _ended(self, lost: Lost) -> None:
        if self.is_lost:
            return
        self.is_lost = True
        if not self._closing:
            self.abort()
            self._on_lost(self, lost)
