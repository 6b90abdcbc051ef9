"""The memory of changes: whoever follows gets every change that concerns it, or is told otherwise."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kite.registry.core.changes import Changes, Follower

MOST, MOST_BYTES = 6, 60
NAMES = st.sampled_from(["a", "ab", "abc", "b", "ba"])
PREFIXES = st.sampled_from(["", "a", "ab", "b", "c"])


class Reader:
    """A follower, with what it was sent and what it should have been."""

    def __init__(self, prefix: str) -> None:
        self.woken = 0
        self.got: list[bytes] = []
        self.owed: list[int] = []
        self.follower = Follower(prefix, self.wake)

    def wake(self) -> None:
        self.woken += 1


class Machine(RuleBasedStateMachine):
    """A small memory, and readers that come, go and linger."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = Changes(MOST, MOST_BYTES)
        self.all: list[tuple[str, bytes]] = []
        self.readers: list[Reader] = []

    def _concerning(self, prefix: str, since: int) -> list[int]:
        return [
            revision
            for revision, (name, _) in enumerate(self.all, 1)
            if revision > since and name.startswith(prefix)
        ]

    @rule(name=NAMES, size=st.sampled_from([0, 5, 20, 100]))
    def change(self, name: str, size: int) -> None:
        idle = [reader for reader in self.readers if reader.follower.due is None]
        before = [reader.woken for reader in idle]
        revision = self.changes.add(name, lambda number: b"%d %s" % (number, b"x" * size))
        self.all.append((name, b"%d %s" % (revision, b"x" * size)))
        assert revision == len(self.all)
        for reader, woken in zip(idle, before, strict=True):
            concerns = name.startswith(reader.follower.prefix)
            assert reader.woken - woken == int(concerns)
        for reader in self.readers:
            if name.startswith(reader.follower.prefix):
                reader.owed.append(revision)

    @rule(prefix=PREFIXES, back=st.integers(-1, 10))
    def come(self, prefix: str, back: int) -> None:
        since = self.changes.revision - back
        reader = Reader(prefix)
        is_whole = self.changes.follow(reader.follower, since)
        assert is_whole == (self.changes.oldest - 1 <= since <= self.changes.revision)
        if is_whole:
            reader.owed = self._concerning(prefix, since)
        self.readers.append(reader)

    @rule(data=st.data(), most=st.sampled_from([1, 30, 10_000]))
    def read(self, data: st.DataObject, most: int) -> None:
        if not self.readers:
            return
        reader = data.draw(st.sampled_from(self.readers))
        was_forgotten = bool(reader.owed) and reader.owed[0] < self.changes.oldest
        taken = self.changes.take(reader.follower, most)
        if was_forgotten:
            assert taken is None
            reader.owed.clear()
            return
        assert taken == [self.all[revision - 1][1] for revision in reader.owed[: len(taken or ())]]
        assert taken or not reader.owed
        del reader.owed[: len(taken)]
        if most == 10_000:
            assert not reader.owed

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.readers:
            reader = data.draw(st.sampled_from(self.readers))
            self.readers.remove(reader)
            self.changes.leave(reader.follower)
            reader.owed.clear()

    @invariant()
    def it_stays_small(self) -> None:
        assert len(self.changes) <= MOST
        assert self.changes.size <= MOST_BYTES
        kept = self.all[len(self.all) - len(self.changes) :]
        assert self.changes.size == sum(len(text) for _, text in kept)

    @invariant()
    def who_owes_nothing_is_not_due(self) -> None:
        for reader in self.readers:
            assert reader.follower.due == (reader.owed[0] if reader.owed else None)


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestChanges = Machine.TestCase


def test_a_thousand_changes_of_others_push_nobody_out() -> None:
    changes = Changes(MOST, MOST_BYTES)
    reader = Reader("mine")
    assert changes.follow(reader.follower, 0)
    for _ in range(1000):
        changes.add("other", lambda number: b"%d" % number)
    assert (reader.woken, reader.follower.due) == (0, None)
    changes.add("mine.too", lambda number: b"%d" % number)
    assert changes.take(reader.follower, 100) == [b"1001"]
