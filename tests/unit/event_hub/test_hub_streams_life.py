"""Streams as a whole, with a real file, over lives of the Hub: disks that refuse, clients that come
and go, and an end at any moment. Whatever happens in whatever order:

- what was acknowledged is kept, once, under the number that was told, and comes to the durable;
- what was refused is not kept, unless it was sent again;
- what was settled and confirmed does not come again, what was not settled does.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hub_fakes import Client
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from stream_bench import StreamBench

DOCS: dict[str, Any] = {"docs": {"subjects": ["docs.>"]}, "all": {"subjects": [">"]}}
DURABLE = {
    "type": "subscribe", "events": ["docs.>"], "durable": "work", "stream": "docs", "start": "all",
    "max_deliver": 1000, "ack_wait": 5, "max_in_flight": 6,
}  # fmt: skip


class Whole(RuleBasedStateMachine):
    """What publisher and worker know for certain."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = TemporaryDirectory()
        self.bench = StreamBench(Path(self._directory.name), DOCS)
        self.sent = 0
        self.unanswered: set[str] = set()
        self.refused: set[str] = set()
        self.acked: dict[str, int | None] = {}
        self.confirmed: set[int] = set()
        self.open: set[int] = set()
        self.seen: dict[int, str] = {}
        self.owed: set[int] = set()
        self.worker: Client | None = None
        self.writer = self.bench.client("writer")
        self.worker_comes()

    def _publish(self, *names: str) -> None:
        self.unanswered |= set(names)
        self.refused -= set(names)
        frames = [
            {"type": "event", "event": "docs.a", "event_id": name, "data": 1, "ack": True}
            for name in names
        ]
        self._answered(self.writer.send(*frames))

    def _answered(self, frames: list[dict[str, Any]]) -> None:
        for frame in frames:
            name = frame["event_id"]
            if frame["type"] == "ack":
                assert name not in self.acked or frame.get("duplicate")
                self.acked.setdefault(name, frame.get("seq"))
                self.refused.discard(name)  # what it was sent for before
            else:
                assert frame["code"] == "stream_unavailable"
                assert name not in self.acked
                self.refused.add(name)
            self.unanswered.discard(name)

    def _hear(self, frames: list[dict[str, Any]]) -> None:
        for frame in frames:
            if frame["type"] == "event":
                seq = frame["seq"]
                assert seq not in self.confirmed, "it was settled, and that was confirmed"
                assert self.seen.setdefault(seq, frame["event_id"]) == frame["event_id"]
                assert frame["event_id"] not in self.refused
                self.open.add(seq)
                self.owed.discard(seq)
            elif frame["type"] == "ack" and "id" in frame:
                self.confirmed.add(frame["id"])

    def _settle_down(self, most: int = 1_000_000) -> None:
        self.bench.disk(most)
        self._answered(self.writer.got())
        if self.worker is not None:
            self._hear(self.worker.got())

    @rule(count=st.integers(1, 5))
    def publish(self, count: int) -> None:
        self._publish(*(f"e{self.sent + number}" for number in range(count)))
        self.sent += count

    @precondition(lambda self: self.refused or self.unanswered)
    @rule(data=st.data())
    def publish_again(self, data: st.DataObject) -> None:
        """What was refused, and what nobody has heard of."""
        self._publish(data.draw(st.sampled_from(sorted(self.refused | self.unanswered))))

    @rule(is_full=st.sampled_from([False, False, True]), most=st.sampled_from([1, 1, 1_000_000]))
    def disk(self, is_full: bool, most: int) -> None:
        self.bench.is_full = is_full
        self._settle_down(most)

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.bench.wait(seconds)
        self.bench.switch.flush()
        self._settle_down(0)

    @precondition(lambda self: self.worker is not None and self.open)
    @rule(data=st.data(), how=st.sampled_from(["ack", "ack", "sure", "nack"]))
    def work(self, data: st.DataObject, how: str) -> None:
        assert self.worker is not None
        seq = data.draw(st.sampled_from(sorted(self.open)))
        self.open.discard(seq)
        if how == "nack":
            self.owed.add(seq)
            frame: dict[str, Any] = {"type": "nack", "durable": "work", "seq": seq, "delay": 2}
        else:
            frame = {"type": "ack", "durable": "work", "seq": seq}
            frame |= {"id": seq} if how == "sure" else {}
        self._hear(self.worker.send(frame))

    def _lose(self) -> None:
        """What the worker had and has said nothing about must come again."""
        self.worker = None
        self.owed |= self.open
        self.open.clear()

    @precondition(lambda self: self.worker is not None)
    @rule()
    def worker_leaves(self) -> None:
        assert self.worker is not None
        self.bench.switch.close(self.worker.session)
        self._lose()

    @precondition(lambda self: self.worker is None)
    @rule()
    def worker_comes(self) -> None:
        self.worker = self.bench.client("worker")
        self._hear(self.worker.send(DURABLE))

    @rule()
    def end(self) -> None:
        """The Hub dies: what it had in hand is gone, what it had written is there."""
        self.bench.close()
        wall = self.bench.wall
        self.bench = StreamBench(Path(self._directory.name), DOCS, wall=wall)
        self._lose()
        self.writer = self.bench.client("writer")

    def teardown(self) -> None:
        try:
            self._finish()
        finally:
            self.bench.close()
            self._directory.cleanup()

    def _finish(self) -> None:
        """The disk is well, and everything is done in the end."""
        self.bench.is_full = False
        self.bench.wait(2)
        self._settle_down()
        for name in sorted(self.unanswered | self.refused):
            self._publish(name)
            self._settle_down()
        assert not self.unanswered | self.refused
        if self.worker is None:
            self.worker_comes()
        assert self.worker is not None
        for _ in range(200):
            self._settle_down()
            for seq in sorted(self.open):
                self.open.discard(seq)
                ack = {"type": "ack", "durable": "work", "seq": seq, "id": seq}
                self._hear(self.worker.send(ack))
            self._settle_down()
            if not self.owed and self.acked.keys() <= set(self.seen.values()):
                break
            self.bench.wait(2.5)
        assert not self.owed, "it was never settled, and did not come again"
        numbers = {name: seq for seq, name in self.seen.items()}
        assert len(numbers) == len(self.seen), "an event is kept twice"
        assert sorted(self.seen) == list(range(1, len(self.seen) + 1))
        assert numbers.keys() == self.acked.keys()
        assert all(seq in (None, numbers[name]) for name, seq in self.acked.items())


Whole.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestWhole = Whole.TestCase
