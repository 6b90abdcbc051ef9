"""What one batch of a client's input has come to so far: events for others, answers to itself.

Consecutive events that lead to the same connections are gathered and pushed to each of them as one
piece of bytes. Answers follow the events they are about.
"""

from __future__ import annotations

from typing import Any

from kite.audit.entry import is_refusal
from kite.event_hub.core.delivery import Delivery, Effects
from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.lane import Run
from kite.event_hub.core.refusal import error
from kite.event_hub.core.route import Fanout
from kite.event_hub.core.session import Session
from kite.event_hub.core.tally import Tally
from kite.event_hub.core.websocket import text
from kite.wire.frame import Ack, Error, encode


class Gathering:
    """The present batch.

    Args:
        delivery: where everything goes.
        run: where events are gathered; the sessions' lanes append to it too.
        tally: counts refusals.
        effects: told of those that say that somebody may not do something.
    """

    def __init__(self, delivery: Delivery, run: Run, tally: Tally, effects: Effects) -> None:
        self._effects = effects
        self._delivery = delivery
        self._run = run
        self._tally = tally
        self._answers: list[bytes] = []

    @property
    def now(self) -> float:
        """When the batch came, on the loop's clock."""
        return self._delivery.now

    def add(self, session: Session, fanout: Fanout[Session], payload: bytes) -> None:
        """An event of the session for these connections."""
        run = self._run
        if fanout is not run.fanout:
            self.push_events(session)
            run.fanout = fanout
        run.add(payload)

    def acknowledge(self, ack: Ack) -> None:
        """Tell who publishes what became of an event."""
        self._answers.append(text(encode(ack)))

    def refuse(self, session: Session, refused: Refused) -> None:
        """Tell who sent it why a frame was not taken."""
        session.refused += 1
        self._tally.refused[refused.code] = self._tally.refused.get(refused.code, 0) + 1
        self.denied(session, refused.code, refused.params)
        frame = error(refused.code, id=refused.id, event_id=refused.event_id, **refused.params)
        self._answers.append(text(encode(frame)))

    def denied(self, session: Session, code: str, params: dict[str, Any]) -> None:
        """Something was not taken: where that is because the client may not, the audit log knows."""
        if is_refusal(code):
            self._effects.refused(session, code, str(params.get("what", code)))

    def push(self, session: Session) -> None:
        """Push everything that was gathered from the session."""
        self.push_events(session)
        if self._answers:
            chunk = b"".join(self._answers)
            self._answers.clear()
            self._delivery.push(session, chunk, 0, session)

    def push_events(self, session: Session) -> None:
        """Push the events to those they are for."""
        run = self._run
        if events := run.events:
            fanout = run.fanout
            self._delivery.fan_out(fanout, run.take(), events, session)

    def say(self, session: Session, frame: Ack | Error) -> None:
        """A word to one client at once, behind everything that was pushed to it before."""
        self._delivery.push(session, text(encode(frame)), 0, session)
