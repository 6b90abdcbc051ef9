"""What a client gets of the Hub's memory: what it missed, or what happened before it asked.

Each of these is one step in which nothing else happens, so that what is given again and what comes
afterwards meet without a hole and without a repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec import UNSET

from kite.clock import rfc3339
from kite.event_hub.core.delivery import Delivery
from kite.event_hub.core.history import History, Remembered
from kite.event_hub.core.rights import reply_audience
from kite.event_hub.core.route import Interest
from kite.event_hub.core.router import Router
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.requests import malformed
from kite.wire.frame import Resume, Subscribe
from kite.wire.subject import matches

_PIECE = 256 << 10


class Recall:
    """Gives again what was handed out.

    Args:
        epoch: this life of the Hub.
        history: what it remembers.
        router: knows who is subscribed.
        delivery: the way out.
        instant: the present time as RFC 3339 text.
    """

    def __init__(
        self,
        *,
        epoch: str,
        history: History,
        router: Router[Session],
        delivery: Delivery,
        instant: Callable[[], str],
    ) -> None:
        self.epoch = epoch
        self.history = history
        self.resumed = 0
        self.not_resumed = 0
        self._router = router
        self._delivery = delivery
        self._instant = instant
        self._born_at = instant()

    def place(self, frame: Subscribe, resume: Resume) -> int | str:
        """The position that a client had reached, or why what it missed cannot be given.

        Raises:
            Refused: `malformed_frame` where it does not say what it had heard.
        """
        named = (resume.source is UNSET, resume.event_id is UNSET)
        if named != ((resume.position is not UNSET),) * 2:
            raise malformed(frame, "'resume' must have 'source' and 'event_id', or 'position'")
        found: int | str | None = "another_epoch"
        if resume.epoch == self.epoch:
            if isinstance(resume.position, int):
                found = resume.position if self.history.reaches(resume.position) else "forgotten"
            else:
                found = self.history.find(str(resume.source), str(resume.event_id))
        if isinstance(found, int):
            self.resumed += 1
            return found
        self.not_resumed += 1
        return found or "unknown_event"

    def give_missed(
        self, session: Session, frame: Subscribe, position: int, before: Iterable[Interest]
    ) -> int:
        """Give a client what matches from a position on, but for what it has got already.

        Args:
            session: the client.
            frame: what it asks for.
            position: up to where it had heard.
            before: its other subscriptions on this connection.

        Returns:
            How many events these are.
        """
        others = [each for each in before if each.queue is None]
        wants = self._filter(session, frame.events)
        missed = (
            each
            for each in self.history.after(position)
            if wants(each.head.event)
            and not any(
                other.position <= each.position and matches(other.pattern, each.head.event)
                for other in others
            )
        )
        return self._push(session, frame, missed)

    def give_since(self, session: Session, frame: Subscribe, since: float) -> int:
        """Give a client what matches, no stream keeps, and was handed out at an instant or later.

        Args:
            session: the client.
            frame: what it asks for.
            since: the instant, in seconds since 1970.

        Returns:
            How many events these are.
        """
        at = self._delivery.now - (self._now() - since)
        wants = self._filter(session, frame.events)
        keeping = self._router.keeping
        return self._push(
            session,
            frame,
            (
                each
                for each in self.history.since(at)
                if wants(each.head.event) and not keeping(each.head.event)
            ),
        )

    def whole_since(self, since: float) -> str | None:
        """From when on everything is remembered, where that is later than an instant."""
        start = datetime.fromisoformat(self._born_at).timestamp()
        if self.history.forgotten_at is not None:
            start = self._now() - (self._delivery.now - self.history.forgotten_at)
        if start <= since:
            return None
        return rfc3339(start)

    def _now(self) -> float:
        return datetime.fromisoformat(self._instant()).timestamp()

    def _filter(self, session: Session, patterns: Iterable[str]) -> Callable[[str], bool]:
        known: dict[str, bool] = {}

        def wants(subject: str) -> bool:
            found = known.get(subject)
            if found is None:
                audience = reply_audience(subject)
                found = known[subject] = any(matches(each, subject) for each in patterns) and (
                    audience is None or session.identity.may_hear_from(audience)
                )
            return found

        return wants

    def _push(self, session: Session, frame: Subscribe, events: Iterable[Remembered]) -> int:
        """Queue the events in pieces; nobody is held for them."""
        count = size = 0
        piece: list[memoryview] = []
        drops = frame.overflow == "drop_oldest"
        for each in events:
            piece.append(each.frame)
            size += len(each.frame)
            count += 1
            if size >= _PIECE:
                self._delivery.give(session, b"".join(piece), len(piece), drops=drops)
                piece, size = [], 0
        if piece:
            self._delivery.give(session, b"".join(piece), len(piece), drops=drops)
        return count
