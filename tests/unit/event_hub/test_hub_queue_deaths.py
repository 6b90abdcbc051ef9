"""Queue groups when a member dies: no event twice, none out of order, every one accounted for."""

from __future__ import annotations

from typing import Any

from hub_fakes import FORMS, Bench, Client
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

MEMBERS = st.integers(0, 2)


class QueueMachine(RuleBasedStateMachine):
    """Members read, stop reading, die and come back; some prefer the newest."""

    @initialize(form=st.sampled_from(sorted(FORMS)))
    def begin(self, form: str) -> None:
        self.bench = Bench(outbox_bytes=3000, parts=FORMS[form])
        self.writer = self.bench.client("writer")
        self.members: list[Client] = [self.join({}) for _ in range(3)]
        self.dead: list[Client] = []
        self.sent = 0
        self.accepted = 0

    def join(self, options: dict[str, Any]) -> Client:
        client = self.bench.client("member")
        client.send({"type": "subscribe", "events": ["work"], "queue": "q", "id": 1, **options})
        return client

    @rule(count=st.integers(1, 6), size=st.sampled_from([10, 600]))
    def publish(self, count: int, size: int) -> None:
        if self.writer.wire.is_paused:
            return
        for _ in range(count):
            [*_, ack] = self.writer.publish("work", self.sent, body="x" * size, ack=True)
            assert ack["delivered"] == 1
            self.sent += 1

    @rule(n=MEMBERS, appetite=st.sampled_from([0, 700, 5000]))
    def set_appetite(self, n: int, appetite: int) -> None:
        self.members[n].wire.appetite = appetite

    @rule(n=MEMBERS, size=st.sampled_from([1, 700, 5000]))
    def read(self, n: int, size: int) -> None:
        if self.members[n].wire.take(size):
            self.bench.switch.writable(self.members[n].session, self.bench.now)

    @rule(n=MEMBERS, drops=st.booleans())
    def die_and_come_back(self, n: int, drops: bool) -> None:
        self.bench.switch.close(self.members[n].session)
        self.dead.append(self.members[n])
        self.members[n] = self.join({"overflow": "drop_oldest"} if drops else {})

    @invariant()
    def every_event_is_one_members_and_in_order(self) -> None:
        if not hasattr(self, "sent"):
            return
        everybody = self.members + self.dead
        got = [[event["data"] for event in each.wire.events()] for each in everybody]
        assert all(numbers == sorted(numbers) for numbers in got)
        together = [number for numbers in got for number in numbers]
        assert len(together) == len(set(together)), "an event came twice"
        boxes = [each.session.outbox for each in everybody]
        assert sum(box.delivered + box.dropped + box.waiting for box in boxes) == self.sent


QueueMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestQueues = QueueMachine.TestCase


def test_what_waited_for_a_dead_member_is_counted_and_handed_to_nobody() -> None:
    bench = Bench()
    writer, stuck, other = (bench.client(name) for name in ("writer", "stuck", "other"))
    for each in (stuck, other):
        each.subscribe("work", queue="q")
    stuck.wire.appetite = 0
    for number in range(10):
        writer.publish("work", number)
    before = [event["data"] for event in other.wire.events()]
    bench.switch.close(stuck.session)
    bench.switch.flush()
    assert [event["data"] for event in other.wire.events()] == before
    assert bench.switch.tally.closed["stuck"].dropped == 10 - len(before) > 0
    writer.publish("work", 10)
    assert [event["data"] for event in other.wire.events()] == [*before, 10]
