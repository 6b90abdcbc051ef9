"""The table of tokens against a naive model, and its rules one by one."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kite.errors import RequestError
from kite.registry.core.posted import Grant
from kite.registry.core.tokens import MAX_SESSIONS, TokenTable
from kite.wire.subject import allows

KITE = "kite-digest"
NAMES = st.sampled_from(["alpha", "beta"])
LISTS = st.sampled_from([None, (), ("a.>",), ("a.b",), ("a.>", "b.*")])


def grant(name, number, publish=None, subscribe=None, **more):
    return Grant(digest=f"{name}-{number}", name=name, publish=publish, subscribe=subscribe, **more)


class TokensMachine(RuleBasedStateMachine):
    """The model: grants by name, and sessions with their deadlines."""

    @initialize()
    def begin(self):
        self.table = TokenTable(KITE)
        self.named = {}
        self.sessions = {}
        self.now = 0.0
        self.serial = 0

    def new(self, name, publish):
        self.serial += 1
        return grant(name, self.serial, publish=publish)

    @rule(
        bodies=st.dictionaries(NAMES, st.lists(LISTS, max_size=3)),
        keeps=st.booleans(),
    )
    def post(self, bodies, keeps):
        posted = {}
        for name, lists in bodies.items():
            fresh = [self.new(name, publish) for publish in lists]
            old = list(self.named.get(name, ()))[:1] if keeps else []
            posted[name] = tuple(old + fresh)
        self.table.post(posted)
        self.named.update(posted)
        self.drop_orphans()

    @rule(name=NAMES, publish=LISTS)
    def repost_with_other_lists(self, name, publish):
        former = self.named.get(name, ())
        posted = {name: tuple(Grant(digest=g.digest, name=name, publish=publish) for g in former)}
        self.table.post(posted)
        self.named.update(posted)
        self.drop_orphans()

    def drop_orphans(self):
        live = {g.digest: g for grants in self.named.values() for g in grants}
        for digest, (session, _deadline) in list(self.sessions.items()):
            parent = live.get(session.parent)
            good = parent is not None and (
                parent.publish is None
                if session.publish is None
                else all(allows(parent.publish, p) for p in session.publish)
            )
            if not good:
                del self.sessions[digest]

    @rule(name=NAMES, publish=LISTS, ttl=st.integers(1, 50))
    def open_session(self, name, publish, ttl):
        parents = self.named.get(name, ())
        if not parents:
            return
        parent = parents[-1]
        self.serial += 1
        digest = f"session-{self.serial}"
        wide = publish is not None and not all(allows(parent.publish, p) for p in publish)
        wish = {"publish": publish, "subscribe": (), "ttl": ttl, "now": self.now, "wall": self.now}
        if wide:
            with pytest.raises(RequestError) as refused:
                self.table.open_session(parent, digest, **wish)
            assert refused.value.code == "permission_denied"
            return
        session = self.table.open_session(parent, digest, **wish)
        self.sessions[digest] = (session, self.now + ttl)

    @rule(seconds=st.integers(0, 30))
    def time_passes(self, seconds):
        self.now += seconds
        over = {d for d, (_s, deadline) in self.sessions.items() if deadline <= self.now}
        assert {g.digest for g in self.table.expire(self.now)} == over
        for digest in over:
            del self.sessions[digest]

    @invariant()
    def same_as_naive(self):
        expected = {g.digest for grants in self.named.values() for g in grants}
        assert {g.digest for g in self.table.grants()} == expected | set(self.sessions)
        for each in self.table.grants():
            assert self.table.grant_of(each.digest) == each
        deadlines = [deadline for _s, deadline in self.sessions.values()]
        assert self.table.next_deadline() == (min(deadlines) if deadlines else None)

    @invariant()
    def no_session_is_wider_than_its_parent(self):
        for each in self.table.grants():
            if each.parent is not None:
                parent = self.table.grant_of(each.parent)
                assert parent is not None
                assert parent.name == each.name
                if each.publish is None:
                    assert parent.publish is None
                else:
                    assert all(allows(parent.publish, pattern) for pattern in each.publish)


TestTokens = TokensMachine.TestCase


def table_of(**named):
    table = TokenTable(KITE)
    table.post({name: tuple(grants) for name, grants in named.items()})
    return table


def open_session(table, parent, digest="s", publish=(), subscribe=(), ttl=60.0, now=0.0):
    return table.open_session(
        parent, digest, publish=publish, subscribe=subscribe, ttl=ttl, now=now, wall=now
    )


def test_nothing_is_known_before_the_first_post():
    table = TokenTable(KITE)
    assert not table.is_known
    table.post({})
    assert table.is_known


def test_a_replaced_token_is_dead_and_others_stay():
    table = table_of(alpha=[grant("alpha", 1)], beta=[grant("beta", 1)])
    assert table.post({"alpha": (grant("alpha", 2),)})
    assert table.grant_of("alpha-1") is None
    assert table.grant_of("alpha-2").name == "alpha"
    assert table.grant_of("beta-1").name == "beta"


def test_posting_the_same_again_changes_nothing():
    table = table_of(alpha=[grant("alpha", 1)])
    assert not table.post({"alpha": (grant("alpha", 1),)})


@pytest.mark.parametrize(
    "posted",
    [
        {"beta": (grant("alpha", 1),)},
        {"beta": (Grant(digest=KITE, name="beta"),)},
        {"beta": (Grant(digest="s", name="beta"),)},
    ],
    ids=["another's", "the kite token", "a session"],
)
def test_a_token_of_somebody_else_is_refused_and_nothing_changes(posted):
    table = table_of(alpha=[grant("alpha", 1)])
    open_session(table, table.grant_of("alpha-1"))
    before = table.grants()
    renamed = {
        name: tuple(Grant(digest=g.digest, name=name) for g in gs) for name, gs in posted.items()
    }
    with pytest.raises(RequestError) as refused:
        table.post({"gamma": (grant("gamma", 1),), **renamed})
    assert refused.value.params["place"] == "$.beta"
    assert table.grants() == before


def test_a_token_may_pass_to_another_name_in_one_body():
    table = table_of(alpha=[grant("alpha", 1)])
    table.post({"alpha": (), "beta": (Grant(digest="alpha-1", name="beta"),)})
    assert table.grant_of("alpha-1").name == "beta"


def test_two_names_may_swap_their_tokens():
    table = table_of(alpha=[grant("alpha", 1)], beta=[grant("beta", 1)])
    table.post({
        "alpha": (Grant(digest="beta-1", name="alpha"),),
        "beta": (Grant(digest="alpha-1", name="beta"),),
    })  # fmt: skip
    assert table.grant_of("beta-1").name == "alpha"
    assert table.grant_of("alpha-1").name == "beta"


def test_a_session_carries_its_modules_name_and_no_scopes():
    table = table_of(alpha=[grant("alpha", 1, scopes=("launcher.control",), life=3)])
    session = open_session(table, table.grant_of("alpha-1"), publish=("x.y",))
    assert (session.name, session.scopes, session.life) == ("alpha", (), 3)
    assert session.parent == "alpha-1"
    assert session.expires_at == 60.0


@pytest.mark.parametrize(
    ("own", "wished", "good"),
    [
        (None, (">",), True),
        (None, None, True),
        (("a.>",), ("a.b", "a.*.c"), True),
        (("a.>",), None, True),
        (("a.>",), ("a.>",), True),
        (("a.*",), ("a.>",), False),
        (("a.>",), ("a.b", "b.c"), False),
        ((), ("a",), False),
        ((), (), True),
    ],
)
@pytest.mark.parametrize("which", ["publish", "subscribe"])
def test_a_session_is_never_wider(own, wished, good, which):
    table = table_of(alpha=[grant("alpha", 1, **{which: own})])
    parent = table.grant_of("alpha-1")
    if good:
        session = open_session(table, parent, **{which: wished})
        assert getattr(session, which) == (own if wished is None else wished)
    else:
        with pytest.raises(RequestError) as refused:
            open_session(table, parent, **{which: wished})
        assert refused.value.code == "permission_denied"
        assert table.grants() == [parent]


def test_a_session_may_read_its_modules_replies():
    table = table_of(alpha=[grant("alpha", 1, subscribe=("a.b",))])
    session = open_session(table, table.grant_of("alpha-1"), subscribe=("_reply.alpha.page.>",))
    assert session.subscribe == ("_reply.alpha.page.>",)
    with pytest.raises(RequestError):
        open_session(table, table.grant_of("alpha-1"), "t", subscribe=("_reply.beta.>",))


def test_too_many_sessions_of_one_module():
    table = table_of(alpha=[grant("alpha", 1)], beta=[grant("beta", 1)])
    for number in range(MAX_SESSIONS):
        open_session(table, table.grant_of("alpha-1"), f"s{number}", ttl=100)
    with pytest.raises(RequestError) as refused:
        open_session(table, table.grant_of("alpha-1"), "more")
    assert refused.value.code == "limit_reached"
    open_session(table, table.grant_of("beta-1"), "of-another")
    table.expire(100.0)
    open_session(table, table.grant_of("alpha-1"), "again", now=100.0)


def test_sessions_of_the_former_life_count_when_their_parent_is_posted():
    table = TokenTable(KITE)
    for digest, parent in (("good", "alpha-1"), ("orphan", "alpha-0"), ("over", "alpha-1")):
        expires_at = 5.0 if digest == "over" else 1000.0
        session = Grant(
            digest=digest, name="alpha", publish=(), subscribe=(), parent=parent,
            expires_at=expires_at,
        )  # fmt: skip
        table.restore(session, now=500.0, wall=10.0)
    assert table.grant_of("good") is None
    assert len(table.sessions()) == 3  # a second crash before the post loses nothing
    table.post({"alpha": (grant("alpha", 1),)})
    table.expire(500.0)
    assert [each.digest for each in table.sessions()] == ["good"]
    assert table.next_deadline() == 1490.0
