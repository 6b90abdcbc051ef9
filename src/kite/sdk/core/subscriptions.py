"""Which subscriptions a module needs, and on how many connections.

A connection gets one copy of an event however many of its subscriptions match, and the frame does
not say which one it is for. Two handlers whose patterns may match the same subject, but which
disagree about the queue group or the echo, would see each other's events if they shared a
connection: they get one each. So do those with `drop_oldest`, as a frame `gap` does not say either
which subscription it is for. All others share the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from kite.wire.frame import Overflow
from kite.wire.subject import overlaps


class Durable(msgspec.Struct, frozen=True, kw_only=True):
    """What is agreed with the Hub about a durable subscription.

    Args:
        name: of it, in this module.
        stream: which; None where only one can be meant.
        start: where a new one begins: `new`, `all`, a sequence number, or an RFC 3339 instant.
        ack_wait: seconds until an event that is not done is delivered again.
        max_deliver: attempts until it is a dead letter.
        max_in_flight: events that are here and not done.
    """

    name: str
    stream: str | None = None
    start: str | int = "new"
    ack_wait: float = 30.0
    max_deliver: int = 5
    max_in_flight: int = 8


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a module listens to.

    Args:
        pattern: what matches.
        queue: name of a queue group, of which one member gets each event; None: everybody.
        echo: whether the module's own events come too.
        durable: of a stream, and not of what is published at the moment. On its connection there
            is nothing else: what a stranger writes into an event cannot look like a delivery.
        overflow: what happens when more waits than may: publishers are held, or the oldest go.
    """

    pattern: str
    queue: str | None = None
    echo: bool = True
    durable: Durable | None = None
    overflow: Overflow = "hold"

    @property
    def drops_oldest(self) -> bool:
        """Whether the oldest of what waits is dropped where it is too much."""
        return self.overflow == "drop_oldest"

    @property
    def is_plain(self) -> bool:
        """Whether each event that comes for it is its own: none has to be looked at."""
        return self.echo and self.durable is None

    def conflicts(self, other: Subscription) -> bool:
        """Whether the two cannot share a connection."""
        if self.drops_oldest or other.drops_oldest:
            return self != other
        if (self.durable is None) != (other.durable is None):
            return True
        if self.durable is not None:
            return False
        differ = (self.queue, self.echo) != (other.queue, other.echo)
        return differ and overlaps(self.pattern, other.pattern)


def arrange(subscriptions: Iterable[Subscription]) -> list[list[Subscription]]:
    """Spread subscriptions over connections: as few as a first fit finds, without duplicates."""
    connections: list[list[Subscription]] = [[]]
    for subscription in subscriptions:
        for connection in connections:
            if not any(subscription.conflicts(other) for other in connection):
                if subscription not in connection:
                    connection.append(subscription)
                break
        else:
            connections.append([subscription])
    return connections


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One subscribe frame: the patterns that share their options."""

    patterns: tuple[str, ...]
    queue: str | None
    echo: bool
    durable: Durable | None = None
    overflow: Overflow = "hold"

    @property
    def may_resume(self) -> bool:
        """Whether what a lost connection missed can be had again: of a queue the others got it, and a
        durable subscription sees to it itself."""
        return self.queue is None and self.durable is None


def asks(subscriptions: Sequence[Subscription]) -> list[Ask]:
    """The subscribe frames that restore the subscriptions, in the order in which they were made.

    Each is granted whole or refused whole, so those with the same options go together.
    """
    grouped: dict[tuple[str | None, bool, Durable | None, Overflow], list[str]] = {}
    for each in subscriptions:
        options = (each.queue, each.echo, each.durable, each.overflow)
        grouped.setdefault(options, []).append(each.pattern)
    return [
        Ask(patterns=tuple(patterns), queue=queue, echo=echo, durable=durable, overflow=overflow)
        for (queue, echo, durable, overflow), patterns in grouped.items()
    ]
