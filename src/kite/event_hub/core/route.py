"""What a subject leads to: connections that each get a copy, and groups that choose one of theirs."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from msgspec import UNSET

from kite.event_hub.core.rights import Identity
from kite.wire.frame import Subscribe


class Member(Protocol):
    """A connection, as far as routing needs it."""

    @property
    def number(self) -> int:
        """Counted from 1, never used again."""
        ...

    @property
    def identity(self) -> Identity: ...

    @property
    def load(self) -> int:
        """Bytes that wait for it."""
        ...


M = TypeVar("M", bound=Member)


class Interest:
    """One subscription: (pattern, queue) on one connection, with its options.

    Its connection has got what matches from `position` on.
    """

    __slots__ = ("counts", "echo", "holds", "pattern", "position", "queue", "tokens")

    def __init__(
        self,
        pattern: str,
        *,
        queue: str | None = None,
        echo: bool = True,
        observe: bool = False,
        drops: bool = False,
        position: int = 0,
    ) -> None:
        self.pattern = pattern
        self.position = position
        self.queue = queue
        self.echo = echo
        self.counts = not observe
        self.holds = not drops
        self.tokens = pattern.count(".") + 1

    @property
    def responds(self) -> bool:
        """Whether it is somebody who may answer a request: no spectator, no bare `>`."""
        return self.counts and self.pattern != ">"


def interests_of(frame: Subscribe, position: int) -> list[Interest]:
    """The subscriptions that a frame asks for; from a position on their connection has everything."""
    return [
        Interest(
            pattern,
            queue=None if frame.queue is UNSET else frame.queue,
            echo=frame.echo,
            observe=frame.observe,
            drops=frame.overflow == "drop_oldest",
            position=position,
        )
        for pattern in frame.events
    ]


class Group(Generic[M]):
    """A queue group as one subject sees it: its members, and whether each counts.

    Attributes:
        holding: of the members those whose events are never dropped to make room.
        answering: of the members those who may answer a request.
    """

    __slots__ = ("answering", "holding", "members", "name")

    def __init__(
        self,
        name: str,
        members: list[tuple[M, bool]],
        *,
        holding: frozenset[M] = frozenset(),
        answering: frozenset[M] = frozenset(),
    ) -> None:
        self.name = name
        self.members = members
        self.holding = holding
        self.answering = answering

    def pick(self, turn: int) -> tuple[M, bool]:
        """The least loaded member, beginning to look at the `turn`-th, and whether it counts."""
        members = self.members
        size = len(members)
        first = turn % size
        best = members[first]
        least = best[0].load
        for step in range(1, size):
            if least == 0:
                break
            candidate = members[(first + step) % size]
            load = candidate[0].load
            if load < least:
                best, least = candidate, load
        return best


class Fanout(Generic[M]):
    """Connections that get the same bytes.

    Attributes:
        members: all of them.
        holding: those whose publishers are held when they do not keep up.
        dropping: the others, who lose the oldest events instead.
    """

    __slots__ = ("dropping", "holding", "members")

    def __init__(self, members: tuple[M, ...], dropping: tuple[M, ...] = ()) -> None:
        self.members = members
        self.dropping = dropping
        self.holding = tuple(m for m in members if m not in dropping) if dropping else members


class Route(Generic[M]):
    """What a subject leads to.

    Attributes:
        fanout: connections that each get a copy, through a subscription without a queue.
        counted: how many of these are no mere spectators.
        answering: of these connections those who may answer a request.
        groups: the queue groups, each of which chooses one member for each event.
        quiet: connections that matched with a subscription that does not want their own events.
        granted: identities that are known to be allowed to publish here (a memory).
        carries_replies: whether what is published here answers a request.
        streams: what keeps the events.
    """

    __slots__ = (
        "answering",
        "carries_replies",
        "counted",
        "fanout",
        "granted",
        "groups",
        "quiet",
        "streams",
        "subject",
    )

    def __init__(
        self,
        subject: str,
        fanout: Fanout[M],
        *,
        counted: int,
        answering: frozenset[M],
        groups: tuple[Group[M], ...],
        quiet: frozenset[M],
        carries_replies: bool = False,
        streams: tuple[Any, ...] = (),
    ) -> None:
        self.subject = subject
        self.fanout = fanout
        self.counted = counted
        self.answering = answering
        self.groups = groups
        self.quiet = quiet
        self.carries_replies = carries_replies
        self.streams = streams
        self.granted: set[Identity] = set()

    @property
    def has_responders(self) -> bool:
        """Whether anybody is there who may answer a request."""
        return bool(self.answering) or any(group.answering for group in self.groups)


class Chosen(Generic[M]):
    """Who gets one event, where queue groups have a say.

    Attributes:
        holds: the connections, and whether who publishes is held when one does not keep up.
        delivered: how many of them are no mere spectators.
        answering: those who may answer a request.
    """

    __slots__ = ("answering", "delivered", "holds")

    def __init__(self, holds: dict[M, bool], delivered: int, answering: frozenset[M]) -> None:
        self.holds = holds
        self.delivered = delivered
        self.answering = answering


class Seats(Generic[M]):
    """The connections that match a subject with a queue, or without one, while they are found.

    What one subscription promises holds whatever the others of the same connection say.
    """

    __slots__ = ("answering", "counts", "holding")

    def __init__(self) -> None:
        self.counts: dict[M, bool] = {}
        self.holding: set[M] = set()
        self.answering: set[M] = set()

    def add(self, member: M, interest: Interest) -> None:
        self.counts[member] = self.counts.get(member, False) or interest.counts
        if interest.holds:
            self.holding.add(member)
        if interest.responds:
            self.answering.add(member)

    def group(self, name: str) -> Group[M]:
        return Group(
            name,
            sorted(self.counts.items(), key=lambda item: item[0].number),
            holding=frozenset(self.holding),
            answering=frozenset(self.answering),
        )
