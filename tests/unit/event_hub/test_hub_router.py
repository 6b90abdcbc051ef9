"""The router against a matcher of ten lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from kite.event_hub.core.rights import Identity
from kite.event_hub.core.route import Group, Interest, Route
from kite.event_hub.core.router import Router
from kite.wire.subject import matches

TOKENS = ["a", "b", "c"]
SUBJECTS = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=4).map(".".join)
REPLIES = st.tuples(
    st.sampled_from(["m0", "m1", "operator"]),
    st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=2),
).map(lambda parts: ".".join(["_reply", parts[0], *parts[1]]))
PATTERNS_OF_REPLIES = REPLIES | st.tuples(
    st.sampled_from(["_reply", "*"]),
    st.lists(st.sampled_from(["m0", "m1", "*", "x", "y"]), min_size=1, max_size=2),
    st.sampled_from(["x", "y", "*", ">"]),
).map(lambda parts: ".".join([parts[0], *parts[1], parts[2]]))
PATTERNS = PATTERNS_OF_REPLIES | st.tuples(
    st.lists(st.sampled_from([*TOKENS, "*"]), min_size=0, max_size=3),
    st.sampled_from([*TOKENS, "*", ">"]),
).map(lambda parts: ".".join([*parts[0], parts[1]]))
NAMES = ["m0", "m1", "operator"]


@dataclass(eq=False)
class Peer:
    number: int
    identity: Identity
    load: int = 0
    told: list[str] = field(default_factory=list)


class RouterMachine(RuleBasedStateMachine):
    """Every route equals what the naive list of subscriptions says."""

    @initialize()
    def begin(self) -> None:
        self.router: Router[Peer] = Router(max_routes=5)
        self.peers = [Peer(n + 1, Identity(NAMES[n % 3])) for n in range(5)]
        self.model: dict[tuple[int, str, str | None], tuple[bool, bool, bool]] = {}

    @rule(
        n=st.integers(0, 4),
        pattern=PATTERNS,
        queue=st.sampled_from([None, None, "q", "r"]),
        options=st.fixed_dictionaries(
            {"echo": st.booleans(), "observe": st.booleans(), "drops": st.booleans()}
        ),
    )
    def subscribe(self, n: int, pattern: str, queue: str | None, options: dict[str, bool]) -> None:
        self.router.add(self.peers[n], Interest(pattern, queue=queue, **options))
        self.model[n, pattern, queue] = (options["echo"], options["observe"], options["drops"])

    @rule(n=st.integers(0, 4), pattern=PATTERNS, queue=st.sampled_from([None, "q"]))
    def unsubscribe(self, n: int, pattern: str, queue: str | None) -> None:
        had = self.model.pop((n, pattern, queue), None)
        assert self.router.remove(self.peers[n], pattern, queue) == (had is not None)

    @rule(data=st.data())
    def unsubscribe_existing(self, data: Any) -> None:
        if self.model:
            n, pattern, queue = data.draw(st.sampled_from(list(self.model)))
            del self.model[n, pattern, queue]
            assert self.router.remove(self.peers[n], pattern, queue)

    @rule(n=st.integers(0, 4))
    def drop(self, n: int) -> None:
        self.router.drop(self.peers[n])
        self.model = {key: value for key, value in self.model.items() if key[0] != n}

    @rule(subject=SUBJECTS | REPLIES, publisher=st.none() | st.integers(0, 4))
    def route(self, subject: str, publisher: int | None) -> None:
        self.check_route(subject, publisher)

    @rule(one=REPLIES, publisher=st.none() | st.integers(0, 4))
    def route_replies_to_one_inbox(self, one: str, publisher: int | None) -> None:
        for last in "xyz":
            self.check_route(f"{one.rpartition('.')[0]}.{last}", publisher)

    def check_route(self, subject: str, publisher: int | None) -> None:
        route = self.router.route(subject)
        if publisher is not None and self.peers[publisher] in route.quiet:
            route = self.router.route_from(route, self.peers[publisher])
        plain: dict[int, bool] = {}
        queues: dict[str, dict[int, bool]] = {}
        answering: dict[str | None, set[int]] = {}
        holding: dict[str | None, set[int]] = {}
        for (n, pattern, queue), (echo, observe, drops) in self.model.items():
            reader = NAMES[n % 3]
            if not matches(pattern, subject) or (n == publisher and not echo):
                continue
            if subject.startswith("_reply.") and reader not in (subject.split(".")[1], "operator"):
                continue
            if not observe and pattern != ">":
                answering.setdefault(queue, set()).add(n)
            if not drops:
                holding.setdefault(queue, set()).add(n)
            group = plain if queue is None else queues.setdefault(queue, {})
            group[n] = group.get(n, False) or not observe
        assert [peer.number - 1 for peer in route.fanout.members] == sorted(plain)
        assert route.counted == sum(plain.values())
        assert indexes(route.fanout.holding) == holding.get(None, set())
        assert indexes(route.fanout.dropping) == set(plain) - holding.get(None, set())
        assert indexes(route.answering) == answering.get(None, set())
        assert route.has_responders == bool(answering)
        assert route.carries_replies == subject.startswith("_reply.")
        found = {
            group.name: {peer.number - 1: counts for peer, counts in group.members}
            for group in route.groups
        }
        assert found == queues
        for group in route.groups:
            assert indexes(group.holding) == holding.get(group.name, set())
            assert indexes(group.answering) == answering.get(group.name, set())
        self.check_choice(route)

    def check_choice(self, route: Route[Peer]) -> None:
        """One member of each group beside all plain ones; who holds anywhere, holds."""
        chosen = self.router.choose(route)
        plain = set(route.fanout.members)
        assert plain <= set(chosen.holds)
        others = set(chosen.holds) - plain
        for group in route.groups:
            assert {peer for peer, _ in group.members} & set(chosen.holds)
        assert len(others) <= len(route.groups)
        assert route.counted <= chosen.delivered <= route.counted + len(others)
        assert all(chosen.holds[peer] for peer in route.fanout.holding)
        assert route.answering <= chosen.answering <= set(chosen.holds)

    @invariant()
    def counts_its_tokens(self) -> None:
        if hasattr(self, "model"):
            patterns = [pattern for _, pattern, _ in self.model]
            assert self.router.tokens == sum(p.count(".") + 1 for p in patterns)

    @invariant()
    def keeps_nothing_of_nobody(self) -> None:
        if hasattr(self, "model") and not self.model:
            assert self.router._root.is_empty()
            assert not self.router._exact
            assert not self.router._of

    @invariant()
    def bounds_its_memory(self) -> None:
        if hasattr(self, "router"):
            assert len(self.router.routes) <= 5
            assert len(self.router._inboxes) <= 5


def indexes(peers: Iterable[Peer]) -> set[int]:
    return {peer.number - 1 for peer in peers}


RouterMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestRouter = RouterMachine.TestCase
assert Bundle  # the machine has none: its model is all it needs


def peers(*loads: int) -> list[tuple[Peer, bool]]:
    return [(Peer(n + 1, Identity("m"), load), True) for n, load in enumerate(loads)]


def test_a_group_picks_the_least_loaded_member() -> None:
    members = peers(5, 2, 9)
    assert [Group("q", members).pick(turn)[0].number for turn in range(4)] == [2, 2, 2, 2]


def test_members_without_load_take_turns() -> None:
    members = peers(0, 0, 0)
    assert [Group("q", members).pick(turn)[0].number for turn in range(4)] == [1, 2, 3, 1]


def test_two_groups_do_not_share_their_turns() -> None:
    router: Router[Peer] = Router()
    both = [Peer(1, Identity("m")), Peer(2, Identity("m"))]
    for peer in both:
        router.add(peer, Interest("s", queue="q"))
        router.add(peer, Interest("s", queue="r"))
    chosen: dict[str, list[int]] = {"q": [], "r": []}
    for _ in range(4):
        for group in router.route("s").groups:
            chosen[group.name].append(router.pick(group)[0].number)
    assert chosen == {"q": [1, 2, 1, 2], "r": [1, 2, 1, 2]}


def test_subjects_that_lead_to_the_same_connections_share_a_fanout() -> None:
    router: Router[Peer] = Router()
    router.add(Peer(1, Identity("m")), Interest(">"))
    assert router.route("a").fanout is router.route("b.c").fanout
