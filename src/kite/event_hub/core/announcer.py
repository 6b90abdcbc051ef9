"""The Hub's own events, and what it says once to each connection that was not there to hear it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kite.event_hub.core.delivery import Delivery
from kite.event_hub.core.passing import Passing
from kite.event_hub.core.router import Router
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.streaming import Streaming
from kite.event_hub.core.tally import Tally
from kite.event_hub.core.websocket import text
from kite.wire.frame import Event, encode

NAME = "event_hub"
REGISTRY = "registry"
STARTED = "hub.started"
SLOW_CONSUMER = "hub.slow_consumer"
REPAIRED = "hub.stream_repaired"
SILENT = "hub.client.silent"
CONNECTED = "hub.client.connected"


class Announcer:
    """Speaks for the Hub.

    Args:
        epoch: names this life of the Hub.
        router: knows who is subscribed.
        passing: hands events out.
        delivery: the way out.
        tally: counts what was published.
        new_id: makes an event id that was never used.
        instant: the present time as RFC 3339 text.

    Attributes:
        streaming: the streams, where there are any.
        silences: tells which connections are silent now.
        presences: tells which modules are there. The Registry alone is greeted with that: its leases
            hang on it, and it may have begun after they came.
        repairs: what was found damaged in them when the Hub started.
    """

    def __init__(
        self,
        *,
        epoch: str,
        router: Router[Session],
        passing: Passing,
        delivery: Delivery,
        tally: Tally,
        new_id: Callable[[], str],
        instant: Callable[[], str],
    ) -> None:
        self.epoch = epoch
        self.streaming: Streaming | None = None
        self.silences: Callable[[], Sequence[dict[str, Any]]] = tuple
        self.presences: Callable[[], Sequence[dict[str, Any]]] = tuple
        self.repairs: Sequence[dict[str, Any]] = ()
        self._router = router
        self._passing = passing
        self._delivery = delivery
        self._tally = tally
        self._new_id = new_id
        self._instant = instant

    def announce(self, subject: str, data: dict[str, Any]) -> int:
        """Publish an event; returns to how many connections."""
        payload = self._own_event(subject, data)
        self._tally.published += 1
        route = self._router.route(subject)
        if route.streams and self.streaming is not None:
            self.streaming.take_own(subject, payload, route.streams)
            return route.counted
        return self.pass_on(subject, payload)

    def pass_on(self, subject: str, payload: bytes) -> int:
        """Hand out an event that is kept already, or cannot be; returns to how many connections."""
        route = self._router.route(subject)
        return len(self._passing.hand_out(route, payload, None).holds)

    def greet(self, session: Session) -> None:
        """Say what is said once to each connection that wants to hear it, since it was not there."""
        if not session.knows_start and self._hears(session, STARTED):
            session.knows_start = True
            self._tell(session, STARTED, {"epoch": self.epoch})
        if self.repairs and not session.knows_repairs and self._hears(session, REPAIRED):
            session.knows_repairs = True
            for repair in self.repairs:
                self._tell(session, REPAIRED, repair)
        if (
            session.identity.module == REGISTRY
            and not session.knows_presences
            and self._hears(session, CONNECTED)
        ):
            session.knows_presences = True
            for presence in self.presences():
                self._tell(session, CONNECTED, presence)
        if session.knows_silences:
            return
        silences = self.silences()
        if silences and self._hears(session, SILENT):
            session.knows_silences = True
            for silence in silences:
                self._tell(session, SILENT, silence)

    def _tell(self, session: Session, subject: str, data: dict[str, Any]) -> None:
        self._delivery.greet(session, text(self._own_event(subject, data)))

    def _hears(self, session: Session, subject: str) -> bool:
        route = self._router.route(subject)
        return session in route.fanout.members or any(
            session is member for group in route.groups for member, _ in group.members
        )

    def _own_event(self, subject: str, data: dict[str, Any]) -> bytes:
        event = Event(
            event=subject,
            data=data,
            event_id=self._new_id(),
            source=NAME,
            timestamp=self._instant(),
        )
        return encode(event)
