"""What an event must be, and what happens to it: refused, kept, known already, or passed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from kite.event_hub.core.checks import check_fields, check_request, check_right, check_subject
from kite.event_hub.core.envelope import Incoming, Refused, complete
from kite.event_hub.core.gathering import Gathering
from kite.event_hub.core.passing import Passing
from kite.event_hub.core.route import Route
from kite.event_hub.core.router import Router
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.stream import without_marks
from kite.event_hub.core.streams.streaming import Streaming
from kite.wire.frame import Ack
from kite.wire.limits import MAX_FRAME_BYTES


class Publishing:
    """The full path of an event.

    Args:
        router: knows who is subscribed.
        gathering: the present batch.
        passing: passes events on.
        new_id: makes an event id that was never used.
        instant: the present time as RFC 3339 text.

    Attributes:
        streaming: the streams, where there are any.
    """

    def __init__(
        self,
        *,
        router: Router[Session],
        gathering: Gathering,
        passing: Passing,
        new_id: Callable[[], str],
        instant: Callable[[], str],
    ) -> None:
        self.streaming: Streaming | None = None
        self._router = router
        self._gathering = gathering
        self._passing = passing
        self._new_id = new_id
        self._instant = instant

    def publish(self, session: Session, frame: Incoming, payload: bytes, *, is_plain: bool) -> None:
        """Check an event and pass it on. Who may not, or cannot, is told at once.

        Args:
            is_plain: whether it has no keys besides the envelope's.
        """
        event_id = frame.event_id
        try:
            route = self._admit(session, frame)
            if event_id is UNSET or frame.source is UNSET or frame.timestamp is UNSET:
                payload, event_id = self._complete(session, frame, payload)
            if route.streams or session.behind:
                kept = payload if is_plain else without_marks(payload)
                self._keep(session, route, frame, payload, kept, event_id)
                return
        except Refused as refused:
            refused.event_id = frame.event_id
            self._gathering.refuse(session, refused)
            return
        if frame.event_id is not UNSET and not session.recent.add(event_id):
            session.duplicates += 1
            if frame.ack:
                self._gathering.acknowledge(Ack(event_id=event_id, delivered=0, duplicate=True))
            return
        session.published += 1
        if route.groups or route.carries_replies or frame.reply_to is not UNSET:
            delivered = self._passing.pass_on(session, route, frame, payload, event_id)
        else:
            self._gathering.add(session, route.fanout, payload)
            delivered = route.counted
        if not route.groups:
            self._admit_to_lane(session, route)
        if frame.ack:
            self._gathering.acknowledge(Ack(event_id=event_id, delivered=delivered))

    def open_lane(self, session: Session) -> None:
        """What the full path has done may have changed everything: the lane learns of it here."""
        lane = session.lane
        lane.is_open = (
            lane.version == self._router.version and not session.is_leaving and not session.behind
        )

    def _keep(  # noqa: PLR0917  (the hot path of what is kept)
        self,
        session: Session,
        route: Route[Session],
        frame: Incoming,
        payload: bytes,
        kept: bytes,
        event_id: Any,
    ) -> None:
        """Hand an event to its streams, or let it wait behind one that was; raises `Refused`."""
        streaming = self.streaming
        assert streaming is not None
        if route.streams:
            streaming.check(session, frame, payload, self._gathering.now)
        streaming.take(session, frame, payload, kept, route.streams, event_id)

    def _admit(self, session: Session, frame: Incoming) -> Route[Session]:
        """Where an event goes, if everything about it is as it must be.

        Raises:
            Refused: with what is not.
        """
        route = self._router.routes.get(frame.event)
        if route is None:
            check_subject(frame.event)
            route = self._router.route(frame.event)
        if session.identity not in route.granted:
            check_right(session.identity, route, frame)
        check_fields(session, frame)
        if session in route.quiet:
            route = self._router.route_from(route, session)
        if frame.reply_to is not UNSET:
            check_request(session, frame.reply_to, route, frame)
        return route

    def _admit_to_lane(self, session: Session, route: Route[Session]) -> None:
        """Further events of the session on this subject need no second thought, if none is due.

        A right that depends on the event's content is not remembered in `granted`, replies have
        routes that are not kept, and `quiet` makes the route the publisher's own.
        """
        lane = session.lane
        if lane.version != self._router.version:
            lane.forget()
            lane.version = self._router.version
        if (
            self._router.routes.get(route.subject) is route
            and session.identity in route.granted
            and session not in route.quiet
        ):
            lane.admit(route.subject, route.fanout)

    def _complete(self, session: Session, frame: Incoming, payload: bytes) -> tuple[bytes, str]:
        event_id = frame.event_id
        made = self._new_id() if event_id is UNSET else None
        payload = complete(
            payload,
            event_id=made,
            source=session.name if frame.source is UNSET else None,
            timestamp=self._instant() if frame.timestamp is UNSET else None,
        )
        if len(payload) > MAX_FRAME_BYTES:
            raise Refused(
                "event_too_large", subject=frame.event, size=len(payload), limit=MAX_FRAME_BYTES
            )
        return payload, made or str(event_id)
