"""What comes back from the streams: events that are kept now, replays, dead letters, confirmations.

An event that a stream keeps is passed on, and acknowledged, when it is on the disk, and what its
publisher said after it with it.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from kite.event_hub.core.announcer import Announcer
from kite.event_hub.core.delivery import Delivery, Effects
from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.gathering import Gathering
from kite.event_hub.core.passing import Passing
from kite.event_hub.core.refusal import error
from kite.event_hub.core.router import Router
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.batch import Batch, Item
from kite.event_hub.core.streams.jobs import Pick, Read
from kite.event_hub.core.streams.replay import Replay
from kite.event_hub.core.streams.stream import MOST_BYTES
from kite.event_hub.core.streams.streaming import Streaming
from kite.event_hub.core.subscribing import Subscribing
from kite.wire.frame import Ack

DEAD = "_dead."
_LETTER_BYTES = 4 << 10
"""Of a dead letter, besides the event in it."""


class Release:
    """The Hub as the streams see it.

    Args:
        router: knows who is subscribed.
        gathering: the present batch.
        passing: passes events on.
        delivery: the way out.
        announcer: the Hub's own events.
        subscribing: goes on where a replay ends.
        effects: the shell.

    Attributes:
        streaming: the streams, where there are any.
    """

    def __init__(
        self,
        *,
        router: Router[Session],
        gathering: Gathering,
        passing: Passing,
        delivery: Delivery,
        announcer: Announcer,
        subscribing: Subscribing,
        effects: Effects,
    ) -> None:
        self.streaming: Streaming | None = None
        self._router = router
        self._gathering = gathering
        self._passing = passing
        self._delivery = delivery
        self._announcer = announcer
        self._subscribing = subscribing
        self._effects = effects

    def release(self, batch: Batch) -> None:
        """Pass on what waited for the disk, and tell who published it."""
        speaker: Session | None = None
        for item in batch.items:
            if item.session is not speaker:
                if speaker is not None:
                    self._gathering.push(speaker)
                speaker = item.session
            if speaker is not None and not item.payload:
                self._answer_repeat(speaker, item)
            elif batch.failure and item.stream:
                self._tell_failure(item, batch.failure)
            elif speaker is None:
                self._release_own(item)
            else:
                self._release_one(speaker, item, batch)
        if speaker is not None:
            self._gathering.push(speaker)

    def _release_own(self, item: Item) -> None:
        if not item.is_told:
            self._announcer.pass_on(item.subject, item.payload)

    def _release_one(self, session: Session, item: Item, batch: Batch) -> None:
        subject, event_id, frame, stream = item.subject, item.event_id, item.frame, item.stream
        assert frame is not None
        assert self.streaming is not None
        self.streaming.kept(session.name, event_id)
        route = self._router.routes.get(subject) or self._router.route(subject)
        if session in route.quiet:
            route = self._router.route_from(route, session)
        delivered = self._passing.pass_on(session, route, frame, item.payload, event_id)
        if frame.reply_to is not UNSET and not route.has_responders:
            # Whoever could have answered has left while the event was written.
            lost = error("responder_lost", event_id=event_id, subject=subject)
            self._gathering.say(session, lost)
        if not item.ack:
            return
        if stream:
            seq = batch.firsts[stream] + item.place
            ack = Ack(event_id=event_id, delivered=delivered, stream=stream, seq=seq)
        else:
            ack = Ack(event_id=event_id, delivered=delivered)
        self._gathering.acknowledge(ack)

    def _answer_repeat(self, session: Session, item: Item) -> None:
        """What has become of the event that it repeats counts, not of this transaction."""
        assert self.streaming is not None
        if self.streaming.repeats_kept(session.name, item.event_id):
            self._gathering.acknowledge(Ack(event_id=item.event_id, delivered=0, duplicate=True))
        else:
            self._tell_failure(item, "the event that it repeats was not kept")

    def _tell_failure(self, item: Item, why: str) -> None:
        session = item.session
        if session is None or self.streaming is None:
            # The Hub's own words are said at least to those who are there.
            self._release_own(item)
            return
        if item.payload:
            session.published -= 1
            self.streaming.unkept(session.name, item.event_id)
        self._gathering.refuse(
            session, Refused("stream_unavailable", event_id=item.event_id, detail=why)
        )

    # ── what readers of streams ask ─────────────────────────────────────────────────────────

    def push(self, session: Session, chunk: bytes, events: int) -> None:
        """Queue what was read from a stream, or a word about it."""
        self._delivery.push(session, chunk, events, None)

    def read(self, job: Read | Pick) -> None:
        """Have something read from the disk."""
        self._effects.store(job)

    def refuse(self, session: Session, refused: Refused) -> None:
        """Tell a connection what cannot be, after all."""
        self._gathering.denied(session, refused.code, refused.params)
        self._gathering.say(session, error(refused.code, id=refused.id, **refused.params))

    def bury(self, name: str, data: dict[str, Any]) -> None:
        """Publish a dead letter; an event that leaves no room for it is told by its number."""
        if data["event"] is not None and len(data["event"]) > MOST_BYTES - _LETTER_BYTES:
            data = {**data, "event": None}
        self._announcer.announce(DEAD + name, data)

    def finished(self, replay: Replay, failure: str) -> None:
        """A replay has read everything: from here on its client hears what comes."""
        session = replay.session
        if session.is_leaving:
            return
        if failure:
            lost = error("stream_unavailable", id=replay.frame.id, detail=failure)
            self._gathering.say(session, lost)
            return
        self._subscribing.finish_replay(session, replay.frame, replay.replayed)
