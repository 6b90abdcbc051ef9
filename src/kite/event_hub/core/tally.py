"""What the Hub as a whole has done, with what closed connections did."""

from __future__ import annotations

from dataclasses import dataclass, field

from kite.event_hub.core.session import Session


@dataclass(slots=True)
class Account:
    """What the closed connections of one module did, in events."""

    published: int = 0
    delivered: int = 0
    dropped: int = 0
    duplicates: int = 0
    refused: int = 0
    stalls: int = 0
    late_replies: int = 0
    gaps: int = 0

    def add(self, session: Session) -> None:
        """Take over the figures of a connection."""
        self.published += session.published
        self.delivered += session.outbox.delivered
        self.dropped += session.outbox.dropped
        self.duplicates += session.duplicates
        self.refused += session.refused
        self.stalls += session.stalls
        self.late_replies += session.late_replies
        self.gaps += session.outbox.gaps


@dataclass(slots=True)
class Tally:
    """Counts since the start.

    Attributes:
        published: events of the Hub's own.
        slow_consumers: connections that were cut.
        refused: frames that were refused, by code.
        closed: the accounts of closed connections, by module.
    """

    published: int = 0
    slow_consumers: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    closed: dict[str, Account] = field(default_factory=dict)

    def remember(self, session: Session) -> None:
        """A connection is gone; its figures stay."""
        self.closed.setdefault(session.name, Account()).add(session)
