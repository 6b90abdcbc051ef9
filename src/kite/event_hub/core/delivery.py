"""Pushing to subscribers, and what follows when one does not keep up.

Who feeds a subscriber that is over its outbox limit is held: its connection is not read until there
is room again. Meanwhile the subscriber's clock runs, and when that is exhausted it is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from kite.event_hub.core.history import History
from kite.event_hub.core.outbox import Outbox
from kite.event_hub.core.route import Fanout
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.jobs import Job
from kite.event_hub.limits import Limits


class Effects(Protocol):
    """What the Hub's decisions ask of the shell."""

    def wake(self) -> None:
        """Call `flush` as soon as the input that is at hand has been handed in."""
        ...

    def alarm(self, at: float) -> None:
        """Call `advance` at this time (or earlier)."""
        ...

    def subscribed(self, session: Session) -> None:
        """A subscription was granted, and its ack is on its way."""
        ...

    def refused(self, session: Session, code: str, what: str) -> None:
        """A client was refused something that may be in the audit log."""
        ...

    def store(self, job: Job) -> None:
        """Do this on the disk, and call `stored` with what came of it."""
        ...


class Delivery:
    """The way out to all clients.

    Args:
        limits: how much may wait, and for how long.
        effects: the shell.
        history: remembers what was handed out.
        cut: parts with a slow consumer.

    Attributes:
        now: what time it is, as the shell said last.
    """

    def __init__(
        self, limits: Limits, effects: Effects, history: History, cut: Callable[[Session], None]
    ) -> None:
        self.now = 0.0
        self._history = history
        self._limits = limits
        self._effects = effects
        self._cut = cut
        self._over: set[Session] = set()
        self._full: list[Session] = []
        self._to_flush: list[Outbox] = []

    def push(self, member: Session, chunk: bytes, events: int, publisher: Session | None) -> None:
        """Queue whole frames for one client.

        Args:
            member: the client.
            chunk: the frames.
            events: how many of them are events: all or none.
            publisher: who feeds it; None is the Hub itself, which is never held.
        """
        if member.outbox.push(chunk, events):
            self._hold(member, publisher)
            self._part()

    def give(self, member: Session, chunk: bytes, events: int, *, drops: bool) -> None:
        """Queue for one client what others have had already; nobody is held for it.

        Args:
            member: the client.
            chunk: whole frames.
            events: how many events they are.
            drops: whether the oldest go when there is no room.
        """
        if drops:
            member.outbox.push_newest(chunk, events)
        else:
            self.push(member, chunk, events, None)

    def greet(self, member: Session, chunk: bytes) -> None:
        """Queue an event that this client alone gets. It may resume from it."""
        self._history.add(chunk, 0, self.now)
        self.push(member, chunk, 1, None)

    def fan_out(
        self, fanout: Fanout[Session], chunk: bytes, events: int, publisher: Session
    ) -> None:
        """Queue events for all connections that they lead to.

        Args:
            fanout: the connections.
            chunk: whole frames.
            events: how many these are.
            publisher: who feeds them.
        """
        self._history.add(chunk, events, self.now)
        for member in fanout.holding:
            if member.outbox.push(chunk, events):
                self._hold(member, publisher)
        for member in fanout.dropping:
            member.outbox.push_newest(chunk, events)
        self._part()

    def hand_out(
        self, holds: Mapping[Session, bool], chunk: bytes, publisher: Session | None
    ) -> None:
        """Queue one event for several clients.

        Args:
            holds: the clients, and whether who feeds them waits when there is no room; else the
                oldest goes.
            chunk: its frame.
            publisher: who feeds them; None is the Hub itself.
        """
        self._history.add(chunk, 1, self.now)
        for member, is_held in holds.items():
            if not is_held:
                member.outbox.push_newest(chunk, 1)
            elif member.outbox.push(chunk, 1):
                self._hold(member, publisher)
        self._part()

    def wake(self, outbox: Outbox) -> None:
        """An outbox has something to flush."""
        if not self._to_flush:
            self._effects.wake()
        self._to_flush.append(outbox)

    def flush(self) -> None:
        """Write what was pushed since the last time."""
        ready, self._to_flush = self._to_flush, []
        for outbox in ready:
            outbox.flush()

    def _hold(self, member: Session, publisher: Session | None) -> None:
        """A subscriber is over its limit: who feeds it waits, and its clock runs."""
        if member.is_leaving:
            return
        if publisher is not None:
            member.hold(publisher)
        if member not in self._over:
            self._over.add(member)
            member.stalls += 1
            member.stall.start(self.now, member.outbox.taken())
            if (deadline := member.stall.next_deadline()) is not None:
                self._effects.alarm(deadline)
        if member.outbox.queued > self._limits.outbox_most_bytes:
            self._full.append(member)

    def _part(self) -> None:
        """Cut who is full: after the event was queued for everyone else, so that all of them hear of
        it in the same order."""
        while self._full:
            member = self._full.pop()
            if not member.is_leaving:
                self._cut(member)

    def writable(self, session: Session, now: float) -> None:
        """The client's socket has taken everything that was written to it."""
        if not session.outbox.writable() or session not in self._over:
            return
        self._over.discard(session)
        session.stall.stop(now, session.outbox.taken())
        session.release()
        if session.stall.is_exhausted(now):
            self._cut(session)

    def forget(self, session: Session) -> None:
        """The client goes: who was held because of it is let go."""
        self._over.discard(session)
        is_held = bool(session.held_by)
        session.release()
        for subscriber in session.held_by:
            subscriber.holds.discard(session)
        session.held_by.clear()
        if is_held:
            session.wire.resume()

    def advance(self, now: float) -> list[float]:
        """Cut whose clock is exhausted; returns when to look at the others again."""
        deadlines: list[float] = []
        for session in list(self._over):
            stall = session.stall
            stall.advance(now, session.outbox.taken())
            if stall.is_exhausted(now):
                self._cut(session)
            elif (deadline := stall.next_deadline()) is not None:
                deadlines.append(deadline)
        return deadlines
