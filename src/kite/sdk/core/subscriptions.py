"""Which subscriptions a module needs, and on how many connections.

A connection gets one copy of an event however many of its subscriptions match, and the frame does
not say which one it is for. Two handlers whose patterns may match the same subject, but which
disagree about the queue group or the echo, would see each other's events if they shared a
connection: they get one each. All others share the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a module listens to.

    Args:
        pattern: what matches.
        queue: name of a queue group, of which one member gets each event; None: everybody.
        echo: whether the module's own events come too.
    """

    pattern: str
    queue: str | None = None
    echo: bool = True

    def conflicts(self, other: Subscription) -> bool:
        """Whether the two cannot share a connection."""
        differ = (self.queue, self.echo) != (other.queue, other.echo)
        return differ and overlaps(self.pattern, other.pattern)


def overlaps(one: str, other: str) -> bool:
    """Whether some subject matches both patterns."""
    first, second = one.split("."), other.split(".")
    for left, right in zip(first, second, strict=False):
        if ">" in (left, right):
            return True
        if "*" not in (left, right) and left != right:
            return False
    return len(first) == len(second)


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


def asks(subscriptions: Sequence[Subscription]) -> list[Ask]:
    """The subscribe frames that restore the subscriptions, in the order in which they were made.

    Each is granted whole or refused whole, so those with the same options go together.
    """
    grouped: dict[tuple[str | None, bool], list[str]] = {}
    for subscription in subscriptions:
        grouped.setdefault((subscription.queue, subscription.echo), []).append(subscription.pattern)
    return [
        Ask(patterns=tuple(patterns), queue=queue, echo=echo)
        for (queue, echo), patterns in grouped.items()
    ]
