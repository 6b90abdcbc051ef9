"""The way of an accepted event to those it is for, and of a request to its answer."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET

from kite.event_hub.core.delivery import Delivery, Effects
from kite.event_hub.core.envelope import Incoming, seconds_left
from kite.event_hub.core.gathering import Gathering
from kite.event_hub.core.questions import Question, Questions
from kite.event_hub.core.refusal import error
from kite.event_hub.core.route import Chosen, Route
from kite.event_hub.core.router import Router
from kite.event_hub.core.session import Session
from kite.event_hub.core.websocket import text


class Passing:
    """Passes events on.

    Args:
        router: knows who is subscribed.
        gathering: the present batch.
        delivery: the way out.
        questions: requests that wait.
        effects: the shell.
        instant: the present time as RFC 3339 text.
    """

    def __init__(
        self,
        *,
        router: Router[Session],
        gathering: Gathering,
        delivery: Delivery,
        questions: Questions[Session],
        effects: Effects,
        instant: Callable[[], str],
    ) -> None:
        self._router = router
        self._gathering = gathering
        self._delivery = delivery
        self._questions = questions
        self._effects = effects
        self._instant = instant

    def pass_on(
        self,
        session: Session,
        route: Route[Session],
        frame: Incoming,
        payload: bytes,
        event_id: str,
    ) -> int:
        """Gather an accepted event for its subscribers; returns how many these are."""
        delivered, answering = route.counted, route.answering
        if route.groups:
            self._gathering.push_events(session)
            chosen = self.hand_out(route, payload, session)
            delivered, answering = chosen.delivered, chosen.answering
        else:
            self._gathering.add(session, route.fanout, payload)
        now = self._delivery.now
        if route.carries_replies and not self._questions.answer(frame.event, session, now):
            session.late_replies += 1
        if frame.reply_to is not UNSET:
            self._expect_answer(session, frame, event_id, answering)
        return delivered

    def hand_out(
        self, route: Route[Session], payload: bytes, publisher: Session | None
    ) -> Chosen[Session]:
        """Each group chooses a member for this very event; a connection gets one copy."""
        chosen = self._router.choose(route)
        self._delivery.hand_out(chosen.holds, text(payload), publisher)
        return chosen

    def tell_lost(self, question: Question[Session]) -> None:
        """Nobody is left to answer a request."""
        lost = error("responder_lost", event_id=question.event_id, subject=question.subject)
        self._gathering.say(question.asker, lost)

    def _expect_answer(
        self, session: Session, frame: Incoming, event_id: str, answering: frozenset[Session]
    ) -> None:
        """Remember a request until it is answered, or its deadline."""
        seconds = seconds_left(frame.headers, self._instant)
        if seconds <= 0 or not answering or session.is_leaving:
            return
        question = Question(
            session,
            event_id=event_id,
            subject=frame.event,
            reply_to=str(frame.reply_to),
            awaited=(each for each in answering if not each.is_leaving),
        )
        if not question.awaited:  # passing it on was too much for whoever was to get it
            self.tell_lost(question)
        elif look_at := self._questions.ask(question, self._delivery.now + seconds):
            self._effects.alarm(look_at)
