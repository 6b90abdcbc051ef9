"""What clients ask besides publishing: subscriptions, durable ones and replays, settlements."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET

from kite.event_hub.core.announcer import Announcer
from kite.event_hub.core.checks import check_subscribe
from kite.event_hub.core.delivery import Effects
from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.gathering import Gathering
from kite.event_hub.core.refusal import error
from kite.event_hub.core.route import Interest
from kite.event_hub.core.router import Router
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.streaming import Streaming
from kite.event_hub.limits import Limits
from kite.wire.frame import Ack, Settlement, Subscribe, Unsubscribe


class Subscribing:
    """Who is subscribed to what.

    Args:
        limits: how many subscriptions there may be.
        router: knows who is subscribed.
        gathering: the present batch.
        announcer: greets who subscribes.
        effects: the shell.
        ring: sets the alarm of the streams.

    Attributes:
        streaming: the streams, where there are any.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        router: Router[Session],
        gathering: Gathering,
        announcer: Announcer,
        effects: Effects,
        ring: Callable[[float], None],
    ) -> None:
        self.streaming: Streaming | None = None
        self._limits = limits
        self._router = router
        self._gathering = gathering
        self._announcer = announcer
        self._effects = effects
        self._ring = ring

    def receive(
        self, session: Session, frame: Subscribe | Unsubscribe | Settlement, now: float
    ) -> None:
        """Do what a client asks, and answer.

        Raises:
            Refused: with what is wrong; nothing has changed then.
        """
        if isinstance(frame, Subscribe):
            check_subscribe(session, frame, self._router, self._limits)
        # What was published before is routed as things stood then.
        self._gathering.push(session)
        if isinstance(frame, Subscribe):
            if frame.durable is UNSET and frame.replay is UNSET:
                self._subscribe(session, frame)
            else:
                self._subscribe_to_stream(session, frame, now)
        elif isinstance(frame, Unsubscribe):
            self._unsubscribe(session, frame, now)
        else:
            self._settle(session, frame, now)

    def end_what_is_not_covered(self, session: Session, now: float) -> None:
        """End the subscriptions that the session's rights do not cover any more, and say so."""
        for pattern, queue in list(self._router.interests(session)):
            if not session.identity.may_subscribe(pattern):
                self._router.remove(session, pattern, queue)
                self._tell_denied(session, pattern)
        if (streaming := self.streaming) is not None:
            for name, pattern in streaming.uncovered(session):
                streaming.unsubscribe(session, Unsubscribe(events=[pattern], durable=name), now)
                self._tell_denied(session, pattern)

    def _subscribe(self, session: Session, frame: Subscribe) -> None:
        queue = None if frame.queue is UNSET else frame.queue
        drops = frame.overflow == "drop_oldest"
        for pattern in frame.events:
            interest = Interest(
                pattern, queue=queue, echo=frame.echo, observe=frame.observe, drops=drops
            )
            self._router.add(session, interest)
        self._gathering.say(session, Ack(id=frame.id))
        self._announcer.greet(session)
        self._effects.subscribed(session)

    def _subscribe_to_stream(self, session: Session, frame: Subscribe, now: float) -> None:
        if (streaming := self.streaming) is None:
            raise Refused("stream_unknown", id=frame.id, detail="'hub.streams' names none")
        if (ack := streaming.subscribe(session, frame)) is not None:
            self._gathering.say(session, ack)
            self._effects.subscribed(session)
            streaming.start(session, str(frame.durable), now)
            self._ring(now)

    def _unsubscribe(self, session: Session, frame: Unsubscribe, now: float) -> None:
        if frame.durable is UNSET:
            queue = None if frame.queue is UNSET else frame.queue
            for pattern in frame.events:
                self._router.remove(session, pattern, queue)
        elif (streaming := self.streaming) is not None:
            streaming.unsubscribe(session, frame, now)
        self._gathering.say(session, Ack(id=frame.id))

    def _settle(self, session: Session, frame: Settlement, now: float) -> None:
        if self.streaming is None:
            raise Refused("durable_unknown", id=frame.id, durable=frame.durable[:100])
        self.streaming.settle(session, frame, now)
        self._ring(now)

    def _tell_denied(self, session: Session, pattern: str) -> None:
        what = f"subscribe to '{pattern}'"
        self._gathering.say(session, error("permission_denied", who=session.name, what=what))
