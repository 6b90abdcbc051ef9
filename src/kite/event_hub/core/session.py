"""One client's conversation with the Hub: who it is, what waits for it, what it has done."""

from __future__ import annotations

from typing import Protocol

from kite.event_hub.core.dedup import Recent
from kite.event_hub.core.hold import Holder
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


class Session(Holder):
    """The state of one connection.

    Attributes:
        number: counted from 1, never used again.
        identity: who it speaks for.
        lane: where its plain events may pass the full path by.
        recent: the ids its source has used lately, shared by all connections of the module.
        behind: events it published that wait for a commit, or behind one that does.
        holds: publishers that are not read because of this one's outbox.
        held_by: because of whom this one is not read.
        is_leaving: it was told to go, or has gone; what it still says is not heard.
        knows_start: it was told `hub.started`.
        knows_silences: it was told which connections are silent.
        knows_presences: it was told which modules are there.
        knows_repairs: it was told what was found damaged when the Hub started.
        last_timestamp: the latest timestamp that was found to be one.
        published, duplicates, refused, received: counts of events, refusals and frames.
        stalls: how often publishers were held because of it.
        late_replies: answers that it gave when nobody waited for them any more.
    """

    __slots__ = (
        "behind",
        "connected_at",
        "duplicates",
        "held_by",
        "identity",
        "is_leaving",
        "knows_presences",
        "knows_repairs",
        "knows_silences",
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
        super().__init__()
        self.number = number
        self.identity = identity
        self.wire = wire
        self.outbox = outbox
        self.recent = recent
        self.lane = lane
        self.stall = stall
        self.connected_at = connected_at
        self.behind = 0
        self.held_by: set[Holder] = set()
        self.is_leaving = False
        self.knows_start = False
        self.knows_repairs = False
        self.knows_presences = False
        self.knows_silences = False
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
    def is_ready(self) -> bool:
        """Whether there is room for what was kept for it; if not, its socket will say when."""
        return self.outbox.load < self.outbox.comfortable

    @property
    def name(self) -> str:
        """The module it speaks for."""
        return self.identity.module
