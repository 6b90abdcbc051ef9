"""All replays. Those of one connection go on one after the other, as far as it has room."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.decisions import Missed
from kite.event_hub.core.streams.jobs import Found, Outcome, Read
from kite.event_hub.core.streams.outside import Outside, gap
from kite.event_hub.core.streams.replay import Replay
from kite.event_hub.core.streams.stream import marked
from kite.event_hub.core.websocket import text


class Replays:
    """All replays.

    Args:
        outside: the Hub.
        ticket: gives a number under which the outcome of a read comes back to a replay.
    """

    def __init__(self, outside: Outside, ticket: Callable[[Replay], int]) -> None:
        self._outside = outside
        self._ticket = ticket
        self._of: dict[Session, list[Replay]] = {}

    def count(self, session: Session) -> int:
        """How many of a connection are under way."""
        return len(self._of.get(session, ()))

    def begin(self, replay: Replay) -> None:
        """Read for a connection, when those that it asked for before are done."""
        self._of.setdefault(replay.session, []).append(replay)
        self.go_on(replay.session)

    def go_on(self, session: Session) -> None:
        """A connection may have room, or a stream may have grown."""
        while (queue := self._of.get(session)) and not self._step(queue[0]):
            self._end(queue[0])

    def grown(self) -> None:
        """Streams have grown."""
        for session in list(self._of):
            self.go_on(session)

    def leave(self, session: Session) -> None:
        """A connection is gone."""
        self._of.pop(session, None)

    def review(self, session: Session) -> None:
        """End those that the rights of a connection do not cover (any more), and say so."""
        for replay in list(self._of.get(session, ())):
            if denied := _denied(session, replay.frame.events):
                self._drop(replay)
                what = f"subscribe to '{denied}'"
                refused = Refused(
                    "permission_denied", id=replay.frame.id, who=session.name, what=what
                )
                self._outside.refuse(session, refused)
        self.go_on(session)

    def done(self, replay: Replay, outcome: Outcome) -> None:
        """What was read for one."""
        if replay not in self._of.get(replay.session, ()):
            return
        if isinstance(outcome, Found):
            replay.found(outcome)
        else:
            self._end(replay, getattr(outcome, "why", "?"))
        self.go_on(replay.session)

    def _step(self, replay: Replay) -> bool:
        """Push what there is room for, and read on; False when everything has been read."""
        session, pending = replay.session, replay.pending
        while pending and session.is_ready and not session.is_leaving:
            stream, what = pending.popleft()
            if isinstance(what, Missed):
                self._outside.push(session, gap(what, stream.name), 0)
                continue
            mark = b'"stream":%b,"seq":%d,' % (stream.json_name, what[0])
            self._outside.push(session, text(marked(what[1], mark)), 1)
        if pending or replay.is_reading or session.is_leaving or not session.is_ready:
            return True
        cursor = replay.next()
        if cursor is None:
            return False
        self._outside.read(
            Read(
                stream=cursor.stream.name,
                after=cursor.after,
                since=cursor.since,
                ticket=self._ticket(replay),
                others=cursor.earlier,
            )
        )
        return True

    def _end(self, replay: Replay, failure: str = "") -> None:
        self._drop(replay)
        self._outside.finished(replay, failure)

    def _drop(self, replay: Replay) -> None:
        queue = self._of[replay.session]
        queue.remove(replay)
        if not queue:
            del self._of[replay.session]


def _denied(session: Session, patterns: Iterable[str]) -> str | None:
    return next((each for each in patterns if not session.identity.may_subscribe(each)), None)
