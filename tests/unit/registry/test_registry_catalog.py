"""The catalogue against a naive model, and what its rules mean one by one."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kite.errors import RequestError
from kite.registry.core.catalog import CORE, Catalog, Limits
from kite.registry.core.registration import Registration

TTL = 30.0
NAMES = st.sampled_from(["alpha", "beta", "event_hub"])
LIVES = st.none() | st.integers(1, 3)


def endpoint(serial):
    """One of three."""
    return f"http://127.0.0.1:{1000 + serial % 3}"


class CatalogMachine(RuleBasedStateMachine):
    """The model: a list of (name, life, deadline, serial) in the order of registration."""

    @initialize()
    def begin(self):
        self.catalog = Catalog()
        self.naive = []
        self.now = 100.0
        self.serial = 0
        self.owned = set()

    def mine(self, name, life):
        return [
            each
            for each in self.naive
            if each[0] == name and (life is None or name in CORE or each[1] in (life, None))
        ]

    @rule(name=NAMES, life=LIVES)
    def own(self, name, life):
        mine = {each[3] for each in self.mine(name, life)}
        assert self.catalog.has_own(name, life) == any(serial in self.owned for serial in mine)

    def take(self, gone):
        self.naive = [each for each in self.naive if each not in gone]

    @rule(name=NAMES, life=LIVES, is_own=st.booleans())
    def register(self, name, life, is_own):
        self.serial += 1
        if is_own:
            self.owned.add(self.serial)
        said = Registration(metadata={"serial": self.serial}, api_endpoint=endpoint(self.serial))
        self.catalog.register(name, life, said, ttl=TTL, now=self.now, wall=self.now, is_own=is_own)
        self.take(self.mine(name, life))
        core = name in CORE
        self.naive.append(
            (name, None if core else life, None if core else self.now + TTL, self.serial)
        )

    @rule(name=NAMES, life=LIVES)
    def renew(self, name, life):
        mine = self.mine(name, life)
        if not mine:
            with pytest.raises(RequestError) as refused:
                self.catalog.renew(name, life, now=self.now)
            assert refused.value.code == "not_registered"
            return
        assert self.catalog.renew(name, life, now=self.now) == TTL
        self.naive = [
            (*each[:2], self.now + TTL, each[3]) if each in mine and each[2] is not None else each
            for each in self.naive
        ]

    @rule(name=NAMES, life=LIVES)
    def deregister(self, name, life):
        gone = self.catalog.deregister(name, life)
        mine = [] if name in CORE else self.mine(name, life)
        assert {entry.key for entry in gone} == {each[:2] for each in mine}
        self.take(mine)

    @rule(name=NAMES, life=LIVES)
    def take_out(self, name, life):
        self.catalog.take_out(name, life)
        self.take([each for each in self.naive if each[:2] == (name, life) and name not in CORE])

    @rule(name=NAMES, lives=st.frozensets(st.integers(1, 3)))
    def keep_lives(self, name, lives):
        over = [
            each
            for each in self.naive
            if each[0] == name and each[1] is not None and each[1] not in lives
        ]
        gone = self.catalog.keep_lives(name, lives)
        assert {entry.key for entry in gone} == {each[:2] for each in over}
        self.take(over)

    @rule(seconds=st.integers(0, 40))
    def time_passes(self, seconds):
        self.now += seconds
        due = [each for each in self.naive if each[2] is not None and each[2] <= self.now]
        gone = self.catalog.expire(self.now)
        assert {entry.key for entry in gone} == {each[:2] for each in due}
        self.take(due)

    @rule()
    def stalled(self):
        self.catalog.renew_all(self.now)
        self.naive = [
            (*each[:2], None if each[2] is None else self.now + TTL, each[3]) for each in self.naive
        ]

    @invariant()
    def same_as_naive(self):
        last = {name: serial for name, _life, _deadline, serial in self.naive}
        records = self.catalog.records(now=self.now, wall=self.now)
        assert {r["module_id"]: r["metadata"]["serial"] for r in records} == last
        assert [r["module_id"] for r in records] == sorted(last)
        assert self.catalog.size == sum(entry.size for entry in self.catalog.entries())
        ports = {1000 + each[3] % 3 for each in self.naive}
        assert self.catalog.ports() == ports
        assert self.catalog.ports() is self.catalog.ports()
        deadlines = [each[2] for each in self.naive if each[2] is not None]
        assert self.catalog.next_deadline() == (min(deadlines) if deadlines else None)


TestCatalog = CatalogMachine.TestCase


def register(catalog, name="alpha", life=None, now=0.0, **fields):
    return catalog.register(name, life, Registration(**fields), ttl=TTL, now=now, wall=1e9 + now)


def test_a_record_tells_when_it_expires_by_the_wall():
    catalog = Catalog()
    register(catalog, now=5.0)
    record = catalog.record("alpha", now=10.0, wall=1e9 + 10.0)
    assert record["registered_at"] == "2001-09-09T01:46:45.000Z"
    assert record["expires_at"] == "2001-09-09T01:47:15.000Z"
    # The wall clock was set back by an hour: the lease is as long as before.
    assert catalog.record("alpha", now=10.0, wall=1e9 - 3590)["expires_at"] == (
        "2001-09-09T00:47:15.000Z"
    )


def test_a_core_entry_outlives_everything():
    catalog = Catalog()
    register(catalog, "event_hub", life=1)
    assert catalog.deregister("event_hub", None) == []
    assert catalog.keep_lives("event_hub", frozenset()) == []
    assert catalog.expire(1e12) == []
    assert catalog.record("event_hub", now=0, wall=0)["expires_at"] is None


def test_only_given_fields_stand_in_the_record():
    catalog = Catalog()
    register(catalog, name="alpha", module_type="service", tools=[])
    assert set(catalog.record("alpha", now=0, wall=0)) == {
        "module_id", "module_type", "tools", "registered_at", "expires_at",
    }  # fmt: skip


def test_one_life_of_two_leaves_and_the_other_is_the_record():
    catalog = Catalog()
    register(catalog, life=1, metadata={"n": 1})
    register(catalog, life=2, metadata={"n": 2})
    assert catalog.record("alpha", now=0, wall=0)["metadata"] == {"n": 2}
    catalog.deregister("alpha", 2)
    assert catalog.record("alpha", now=0, wall=0)["metadata"] == {"n": 1}


def test_too_many_entries_are_refused_and_change_nothing():
    catalog = Catalog(limits=Limits(entries=2))
    register(catalog, "alpha")
    register(catalog, "beta")
    with pytest.raises(RequestError) as refused:
        register(catalog, "gamma")
    assert refused.value.code == "limit_reached"
    register(catalog, "alpha")  # replacing is no more
    assert [entry.module_id for entry in catalog.entries()] == ["beta", "alpha"]


def test_too_many_bytes_are_refused_and_change_nothing():
    catalog = Catalog(limits=Limits(size=1000))
    register(catalog, "alpha", metadata={"x": "y" * 600})
    before = catalog.size
    with pytest.raises(RequestError) as refused:
        register(catalog, "beta", metadata={"x": "y" * 600})
    assert refused.value.code == "limit_reached"
    assert catalog.size == before
    register(catalog, "alpha", metadata={"x": "z" * 700})
    assert catalog.size > before


def test_ports_are_those_of_endpoints_on_this_machine():
    catalog = Catalog()
    register(
        catalog,
        api_endpoint="http://127.0.0.1:1001",
        health_endpoint="http://localhost:1002/h",
        metadata={"ws_endpoint": "ws://127.0.0.1:1003/ws", "other": "http://127.0.0.1:1"},
    )
    register(catalog, "beta", api_endpoint="https://example.org:1004")
    register(catalog, "gamma", api_endpoint="http://0.0.0.0:1005", health_endpoint="/h")
    assert catalog.ports() == {1001, 1002, 1003, 1005}
