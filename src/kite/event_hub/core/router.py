"""Who gets an event: subscriptions by pattern, and for each subject the answer, remembered.

A pattern without wildcards stands in a dictionary; the others stand in a tree of tokens. What a
subject leads to is worked out once (a *route*) and kept until a subscription changes. Routes that
lead to the same connections share one *fanout*, so that a run of events on different subjects can
still be gathered and written in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic

from kite.event_hub.core.rights import reply_audience
from kite.event_hub.core.route import Chosen, Fanout, Group, Interest, M, Member, Route, Seats

_Key = tuple[M, str | None]
_ANY = frozenset({"*"})


class _Node(Generic[M]):
    __slots__ = ("children", "here", "rest")

    def __init__(self) -> None:
        self.children: dict[str, _Node[M]] = {}
        self.here: dict[_Key[M], Interest] = {}
        self.rest: dict[_Key[M], Interest] = {}

    def is_empty(self) -> bool:
        return not (self.children or self.here or self.rest)


class Router(Generic[M]):
    """All subscriptions of all connections.

    Args:
        max_routes: how many subjects are remembered at most.

    Attributes:
        routes: the remembered ones, for the hot path to look into. It is emptied, never replaced.
        version: how often routes were forgotten; what was derived from one is void with it.
        tokens: of all patterns together; the measure of the memory that subscriptions take.
        keeping: the streams that keep events on a subject.
    """

    def __init__(self, max_routes: int = 8192) -> None:
        self.routes: dict[str, Route[M]] = {}
        self.tokens = 0
        self.version = 0
        self.keeping: Callable[[str], tuple[Any, ...]] = _nothing
        self._max_routes = max_routes
        self._exact: dict[str, dict[_Key[M], Interest]] = {}
        self._root: _Node[M] = _Node()
        self._of: dict[M, dict[tuple[str, str | None], Interest]] = {}
        self._fanouts: dict[tuple[tuple[M, ...], tuple[M, ...]], Fanout[M]] = {}
        self._turns: dict[str, int] = {}
        self._own: dict[tuple[str, M], Route[M]] = {}
        self._inboxes: dict[str, Route[M]] = {}

    def interests(self, member: M) -> dict[tuple[str, str | None], Interest]:
        """The subscriptions of a connection by (pattern, queue); for reading."""
        return self._of.get(member, {})

    def add(self, member: M, interest: Interest) -> None:
        """Add a subscription with a valid pattern, or replace the options of the same one."""
        own = self._of.setdefault(member, {})
        key = (interest.pattern, interest.queue)
        if (replaced := own.get(key)) is None:
            self.tokens += interest.tokens
        else:
            interest.position = min(interest.position, replaced.position)
        own[key] = interest
        self._place(interest.pattern)[member, interest.queue] = interest
        self.forget()

    def remove(self, member: M, pattern: str, queue: str | None = None) -> bool:
        """Remove a subscription; False when there was none."""
        own = self._of.get(member)
        interest = own.pop((pattern, queue), None) if own else None
        if interest is None:
            return False
        if not own:
            del self._of[member]
        self.tokens -= interest.tokens
        self._displace(interest.pattern, (member, interest.queue))
        self.forget()
        return True

    def drop(self, member: M) -> None:
        """Remove all subscriptions of a connection."""
        own = self._of.pop(member, None)
        if own is None:
            return
        for interest in own.values():
            self.tokens -= interest.tokens
            self._displace(interest.pattern, (member, interest.queue))
        self.forget()

    def forget(self) -> None:
        """Forget the remembered routes: something changed."""
        self.version += 1
        self.routes.clear()
        self._own.clear()
        self._inboxes.clear()
        self._fanouts.clear()

    def route(self, subject: str) -> Route[M]:
        """Where events on a valid subject go.

        Each reply has a subject of its own, and most of those of one asker lead to the same place:
        of them only what their last token does not matter to is remembered.
        """
        found = self.routes.get(subject)
        if found is None:
            if reply_audience(subject) is not None:
                return self._route_of_reply(subject)
            found = self._resolve(subject, None)
            if len(self.routes) >= self._max_routes:
                self.forget()
            self.routes[subject] = found
        return found

    def _route_of_reply(self, subject: str) -> Route[M]:
        inbox, _, _ = subject.rpartition(".")
        if subject in self._exact:
            return self._resolve(subject, None)
        found = self._inboxes.get(inbox)
        if found is None or found.streams != self.keeping(subject):
            found = self._resolve(subject, None)
            if all(node.children.keys() <= _ANY for node in self._nodes(inbox.split("."))):
                if len(self._inboxes) >= self._max_routes:
                    self._inboxes.clear()
                self._inboxes[inbox] = found
        return found

    def _nodes(self, tokens: list[str]) -> list[_Node[M]]:
        """Where a subject that begins with these tokens has got to after them."""
        level = [self._root]
        for token in tokens:
            level = _deeper(level, token)
        return level

    def route_from(self, route: Route[M], publisher: M) -> Route[M]:
        """The route for one of its quiet connections, which does not want its own events."""
        key = (route.subject, publisher)
        found = self._own.get(key)
        if found is None:
            found = self._resolve(route.subject, publisher)
            if reply_audience(route.subject) is None:
                if len(self._own) >= self._max_routes:
                    self._own.clear()
                self._own[key] = found
        return found

    def pick(self, group: Group[M]) -> tuple[M, bool]:
        """Choose a member of the group, the least loaded one; among equals they take turns."""
        if len(self._turns) > self._max_routes:
            self._turns.clear()
        turn = self._turns.get(group.name, 0)
        self._turns[group.name] = turn + 1
        return group.pick(turn)

    def choose(self, route: Route[M]) -> Chosen[M]:
        """Let each group of the route choose a member for one event; a connection gets one copy."""
        fanout = route.fanout
        holds = dict.fromkeys(fanout.members, False) | dict.fromkeys(fanout.holding, True)
        delivered = route.counted
        answering = set(route.answering)
        counted = set(fanout.members)
        for group in route.groups:
            member, counts = self.pick(group)
            if counts and member not in counted:
                delivered += 1
                counted.add(member)
            holds[member] = holds.get(member, False) or member in group.holding
            if member in group.answering:
                answering.add(member)
        return Chosen(holds, delivered, frozenset(answering))

    def _resolve(self, subject: str, publisher: M | None) -> Route[M]:
        audience = reply_audience(subject)
        plain: Seats[M] = Seats()
        queues: dict[str, Seats[M]] = {}
        quiet: set[M] = set()
        for (member, queue), interest in self._matching(subject):
            if audience is not None and not member.identity.may_hear_from(audience):
                continue
            if not interest.echo:
                quiet.add(member)
                if member is publisher:
                    continue
            seats = plain if queue is None else queues.setdefault(queue, Seats())
            seats.add(member, interest)
        return Route(
            subject,
            self._fanout(plain),
            counted=sum(plain.counts.values()),
            answering=frozenset(plain.answering),
            groups=tuple(queues[name].group(name) for name in sorted(queues)),
            quiet=frozenset(quiet),
            carries_replies=audience is not None,
            streams=self.keeping(subject),
        )

    def _fanout(self, seats: Seats[M]) -> Fanout[M]:
        """The one for these connections; those that lead to the same share one."""
        members = tuple(sorted(seats.counts, key=_by_number))
        dropping = tuple(member for member in members if member not in seats.holding)
        fanout = self._fanouts.get((members, dropping))
        if fanout is None:
            fanout = self._fanouts[members, dropping] = Fanout(members, dropping)
        return fanout

    def _matching(self, subject: str) -> Iterator[tuple[_Key[M], Interest]]:
        yield from self._exact.get(subject, {}).items()
        tokens = subject.split(".")
        level = [self._root]
        for token in tokens:
            for node in level:
                yield from node.rest.items()
            level = _deeper(level, token)
        for node in level:
            yield from node.here.items()

    def _place(self, pattern: str) -> dict[_Key[M], Interest]:
        tokens = pattern.split(".")
        if "*" not in tokens and tokens[-1] != ">":
            return self._exact.setdefault(pattern, {})
        node = self._root
        for token in tokens if tokens[-1] != ">" else tokens[:-1]:
            node = node.children.setdefault(token, _Node())
        return node.rest if tokens[-1] == ">" else node.here

    def _displace(self, pattern: str, key: _Key[M]) -> None:
        if pattern in self._exact:
            del self._exact[pattern][key]
            if not self._exact[pattern]:
                del self._exact[pattern]
            return
        tokens = pattern.split(".")
        is_open = tokens[-1] == ">"
        path = [self._root]
        for token in tokens[:-1] if is_open else tokens:
            path.append(path[-1].children[token])
        del (path[-1].rest if is_open else path[-1].here)[key]
        for depth in range(len(path) - 1, 0, -1):
            if not path[depth].is_empty():
                break
            del path[depth - 1].children[tokens[depth - 1]]


def _deeper(level: list[_Node[M]], token: str) -> list[_Node[M]]:
    """The nodes that one more token of a subject leads to."""
    return [
        child
        for node in level
        for child in (node.children.get(token), node.children.get("*"))
        if child is not None
    ]


def _nothing(subject: str) -> tuple[Any, ...]:  # noqa: ARG001
    return ()


def _by_number(member: Member) -> int:
    return member.number
