"""One client's conversation with the Hub: who it is, what waits for it, what it has done."""

from __future__ import annotations

from typing import Protocol

from kite.event_hub.core.dedup import Recent
from kite.event_hub.core.lane import Lane
from kite.event_hub.core.outbox import Outbox, Port
from kite.event_hub.core.rights import Identity
from kite.event_hub.core.stall import Stall


class Wire(Port, Protocol):
    """A connection's socket, as far as decisions reach it."""

    def pause(self) -> None:
        """Read no more for now."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def finish(self, code: int, reason: str) -> None:
        """Send the close frame behind what was pushed, and end; the peer may read it first."""
        ...


class Session:
    """The state of one connection.

    Attributes:
        number: counted from 1, never used again.
        identity: who it speaks for.
        lane: where its plain events may pass the full path by.
        recent: the ids its source has used lately, shared by all connections of the module.
        holds: publishers that are not read because of this one's outbox.
        held_by: subscribers because of which this one is not read.
        is_leaving: it was told to go, or has gone; what it still says is not heard.
        knows_start: it was told `hub.started`.
        last_timestamp: the latest timestamp that was found to be one.
        published, duplicates, refused, received: counts of events, refusals and frames.
        stalls: how often publishers were held because of it.
        late_replies: answers that it gave when nobody waited for them any more.
    """

    __slots__ = (
        "connected_at",
        "duplicates",
        "held_by",
        "holds",
        "identity",
        "is_leaving",
        "knows_start",
        "lane",
        "last_timestamp",
        "late_replies",
        "number",
        "outbox",
        "published",
        "received",
        "recent",
        "refused",
        "stall",
        "stalls",
        "wire",
    )

    def __init__(
        self,
        number: int,
        identity: Identity,
        *,
        wire: Wire,
        outbox: Outbox,
        recent: Recent,
        lane: Lane,
        stall: Stall,
        connected_at: float,
    ) -> None:
        self.number = number
        self.identity = identity
        self.wire = wire
        self.outbox = outbox
        self.recent = recent
        self.lane = lane
        self.stall = stall
        self.connected_at = connected_at
        self.holds: set[Session] = set()
        self.held_by: set[Session] = set()
        self.is_leaving = False
        self.knows_start = False
        self.last_timestamp = ""
        self.published = 0
        self.duplicates = 0
        self.refused = 0
        self.received = 0
        self.stalls = 0
        self.late_replies = 0

    @property
    def load(self) -> int:
        """Bytes that wait for it."""
        return self.outbox.load

    @property
    def name(self) -> str:
        """The module it speaks for."""
        return self.identity.module

    def hold(self, publisher: Session) -> None:
        """Stop reading a publisher until this one's outbox has room again."""
        if publisher.identity.is_core or publisher in self.holds or publisher.is_leaving:
            return
        self.holds.add(publisher)
        if not publisher.held_by:
            publisher.wire.pause()
        publisher.held_by.add(self)

    def release(self) -> None:
        """Let the publishers that are held because of this one be read again."""
        for publisher in self.holds:
            publisher.held_by.discard(self)
            if not publisher.held_by and not publisher.is_leaving:
                publisher.wire.resume()
        self.holds.clear()
