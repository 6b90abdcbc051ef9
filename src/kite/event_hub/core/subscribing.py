"""What clients ask besides publishing: subscriptions, durable ones and replays, settlements."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET
from msgspec.structs import replace

from kite.event_hub.core.announcer import Announcer
from kite.event_hub.core.checks import check_subscribe
from kite.event_hub.core.delivery import Effects
from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.gathering import Gathering
from kite.event_hub.core.recall import Recall
from kite.event_hub.core.refusal import error
from kite.event_hub.core.route import interests_of
from kite.event_hub.core.router import Router
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.requests import check_replay, instant_of, malformed
from kite.event_hub.core.streams.streaming import Streaming
from kite.event_hub.limits import Limits
from kite.wire.frame import Ack, Replay, Resume, Settlement, Subscribe, Unsubscribe


class Subscribing:
    """Who is subscribed to what.

    Args:
        limits: how many subscriptions there may be.
        router: knows who is subscribed.
        gathering: the present batch.
        announcer: greets who subscribes.
        recall: what the Hub remembers.
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
        recall: Recall,
        effects: Effects,
        ring: Callable[[float], None],
    ) -> None:
        self.streaming: Streaming | None = None
        self._limits = limits
        self._router = router
        self._gathering = gathering
        self._announcer = announcer
        self._recall = recall
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
            if frame.resume is not UNSET and frame.resume is not False:
                self._resume(session, frame)
            elif frame.durable is not UNSET:
                self._take_part(session, frame, now)
            elif frame.replay is not UNSET:
                self._replay(session, frame, frame.replay)
            else:
                self._subscribe(session, frame)
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

    def finish_replay(self, session: Session, frame: Subscribe, replayed: int) -> None:
        """Streams have been read: add what none of them keeps, and then what comes.

        Args:
            session: whose replay it is.
            frame: with which it was asked for.
            replayed: events that came from streams.
        """
        replay = frame.replay
        assert replay is not UNSET
        if replay.follow:
            self._add(session, frame, self._recall.history.position)
            self._announcer.greet(session)
        whole_since = None
        if replay.since is not UNSET and frame.stream is UNSET:
            since = instant_of(frame, replay.since)
            replayed += self._recall.give_since(session, frame, since)
            whole_since = self._recall.whole_since(since)
        ack = Ack(id=frame.id, replayed=replayed, since=whole_since or UNSET)
        self._gathering.say(session, ack)
        self._effects.subscribed(session)

    def _subscribe(self, session: Session, frame: Subscribe) -> None:
        self._add(session, frame, self._recall.history.position)
        self._gathering.say(session, Ack(id=frame.id))
        self._announcer.greet(session)
        self._effects.subscribed(session)

    def _resume(self, session: Session, frame: Subscribe) -> None:
        """Subscribe in a way that can be resumed, or resume what an earlier connection had."""
        for key in ("queue", "durable", "replay"):
            if getattr(frame, key) is not UNSET:
                raise malformed(frame, f"'resume' and '{key}' exclude each other")
        place: int | str | None = None
        if isinstance(frame.resume, Resume):
            place = self._recall.place(frame, frame.resume)
        before = tuple(self._router.interests(session).values())
        end = self._recall.history.position
        self._add(session, frame, place if isinstance(place, int) else end)
        self._announcer.greet(session)
        ack = Ack(id=frame.id, epoch=self._recall.epoch, position=end)
        if isinstance(place, int):
            missed = self._recall.give_missed(session, frame, place, before)
            ack = replace(ack, resumed=True, replayed=missed)
        elif place is not None:
            ack = replace(ack, resumed=False, reason=place)
        self._gathering.say(session, ack)
        self._effects.subscribed(session)

    def _add(self, session: Session, frame: Subscribe, position: int) -> None:
        """From now on the session gets what matches; it has everything from a position on."""
        for interest in interests_of(frame, position):
            self._router.add(session, interest)

    def _replay(self, session: Session, frame: Subscribe, replay: Replay) -> None:
        check_replay(frame, replay)
        streaming = self.streaming
        from_stream = replay.seq is not UNSET or frame.stream is not UNSET
        if from_stream or (streaming is not None and streaming.touches(frame.events)):
            self._streams(frame).replay(session, frame)
        else:
            self.finish_replay(session, frame, 0)

    def _take_part(self, session: Session, frame: Subscribe, now: float) -> None:
        """Take part in a durable subscription."""
        streaming = self._streams(frame)
        self._gathering.say(session, streaming.take_part(session, frame))
        self._effects.subscribed(session)
        streaming.start(session, str(frame.durable), now)
        self._ring(now)

    def _streams(self, frame: Subscribe) -> Streaming:
        if self.streaming is None:
            raise Refused("stream_unknown", id=frame.id, detail="'hub.streams' names none")
        return self.streaming

    def _unsubscribe(self, session: Session, frame: Unsubscribe, now: float) -> None:
        if frame.durable is UNSET:
            queue = None if frame.queue is UNSET else frame.queue
            for pattern in frame.events:
                self._router.remove(session, pattern, queue)
        elif self.streaming is not None and not self.streaming.unsubscribe(session, frame, now):
            return  # it is acknowledged when it is on the disk
        self._gathering.say(session, Ack(id=frame.id))

    def _settle(self, session: Session, frame: Settlement, now: float) -> None:
        if self.streaming is None:
            raise Refused("durable_unknown", id=frame.id, durable=frame.durable[:100])
        self.streaming.settle(session, frame, now)
        self._ring(now)

    def _tell_denied(self, session: Session, pattern: str) -> None:
        what = f"subscribe to '{pattern}'"
        self._gathering.denied(session, "permission_denied", {"what": what})
        self._gathering.say(session, error("permission_denied", who=session.name, what=what))
