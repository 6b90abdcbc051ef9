"""Clients that do anything in any order: every event is accounted for, in order, to the right ones."""

from __future__ import annotations

from typing import Any

import pytest
from hub_fakes import FORMS, Bench, Client
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kite.event_hub.core.lane import PURE
from kite.wire.subject import matches

SUBJECTS = ["a", "a.b", "a.c", "b.c"]
PATTERNS = ["a", "a.b", "a.*", "*.c", ">", "a.>"]
CLIENTS = 4


class HubMachine(RuleBasedStateMachine):
    """Plain subscriptions, readers of any appetite, and everybody may leave at any time.

    What each client should have got is kept as a list of numbers. At any time what it got is a
    prefix of that, and delivered + dropped + waiting is its length.
    """

    parts = PURE

    @initialize()
    def begin(self) -> None:
        self.bench = Bench(outbox_bytes=3000, parts=self.parts)
        self.clients: list[Client | None] = [None] * CLIENTS
        self.patterns: list[dict[str, bool]] = [{} for _ in range(CLIENTS)]
        self.due: list[list[int]] = [[] for _ in range(CLIENTS)]
        self.started: list[bool] = [False] * CLIENTS
        self.number = 0

    def client(self, n: int) -> Client:
        found = self.clients[n]
        if found is None or found.session.is_leaving:
            if found is not None:
                self.bench.switch.close(found.session)
            found = self.clients[n] = self.bench.client(f"m{n}")
            self.patterns[n] = {}
            self.due[n] = []
            self.started[n] = False
        return found

    @rule(n=st.integers(0, CLIENTS - 1), pattern=st.sampled_from(PATTERNS), echo=st.booleans())
    def subscribe(self, n: int, pattern: str, echo: bool) -> None:
        self.client(n).send({"type": "subscribe", "events": [pattern], "echo": echo, "id": 1})
        self.patterns[n][pattern] = echo
        self.started[n] = self.started[n] or pattern == ">"

    @rule(n=st.integers(0, CLIENTS - 1), pattern=st.sampled_from(PATTERNS))
    def unsubscribe(self, n: int, pattern: str) -> None:
        self.client(n).send({"type": "unsubscribe", "events": [pattern], "id": 1})
        self.patterns[n].pop(pattern, None)

    @rule(
        n=st.integers(0, CLIENTS - 1),
        subjects=st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=8),
        size=st.sampled_from([1, 100, 900]),
    )
    def publish(self, n: int, subjects: list[str], size: int) -> None:
        client = self.client(n)
        if client.wire.is_paused:
            return  # it is not read
        frames: list[dict[str, Any] | bytes] = []
        for subject in subjects:
            self.number += 1
            frames.append({"type": "event", "event": subject, "data": self.number, "x": "y" * size})
            for m, patterns in enumerate(self.patterns):
                reader = self.clients[m]
                if reader is None or reader.session.is_leaving:
                    continue
                if any(matches(p, subject) and (m != n or echo) for p, echo in patterns.items()):
                    self.due[m].append(self.number)
        client.send(*frames)

    @rule(n=st.integers(0, CLIENTS - 1), appetite=st.sampled_from([0, 1, 500, 5000]))
    def set_appetite(self, n: int, appetite: int) -> None:
        self.client(n).wire.appetite = appetite

    @rule(n=st.integers(0, CLIENTS - 1), size=st.sampled_from([1, 700, 5000]))
    def read(self, n: int, size: int) -> None:
        client = self.client(n)
        if client.wire.take(size):
            self.bench.switch.writable(client.session, self.bench.now)

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 2.5]))
    def wait(self, seconds: float) -> None:
        self.bench.now += seconds
        self.bench.switch.advance(self.bench.now)
        self.bench.switch.flush()

    @rule(n=st.integers(0, CLIENTS - 1))
    def leave(self, n: int) -> None:
        self.bench.switch.close(self.client(n).session)

    @invariant()
    def what_arrived_is_a_prefix_and_the_rest_is_accounted_for(self) -> None:
        if not hasattr(self, "bench"):
            return
        for n, client in enumerate(self.clients):
            if client is None:
                continue
            events = [e for e in client.wire.events() if not e["event"].startswith("hub.")]
            got = [event["data"] for event in events]
            assert got == self.due[n][: len(got)]
            box = client.session.outbox
            told = box.delivered + box.dropped + box.waiting
            assert told - self.started[n] - self.notices(client) == len(self.due[n])

    def notices(self, client: Client) -> int:
        """`hub.slow_consumer` events that went to the client: as many as were told or wait."""
        box = client.session.outbox
        waiting = sum(data.count(b"hub.slow_consumer") for data, events in box._queue if events)
        written = (bytes(client.wire.taken) + client.wire.pending).count(b'"hub.slow_consumer"')
        return written + waiting

    @invariant()
    def who_is_held_is_held_by_somebody(self) -> None:
        if not hasattr(self, "bench"):
            return
        for client in self.clients:
            if client is not None:
                session = client.session
                assert client.wire.is_paused == bool(session.held_by)
                for subscriber in session.held_by:
                    assert session in subscriber.holds
                    assert subscriber.outbox.is_over
                    assert not subscriber.is_leaving

    @invariant()
    def nobody_holds_others_for_long(self) -> None:
        if hasattr(self, "bench"):
            for session in self.bench.switch.sessions.values():
                assert session.stall.counted(self.bench.now) < 2.0 + 2.6 or session.is_leaving


class CompiledHubMachine(HubMachine):
    parts = FORMS.get("compiled", PURE)


HubMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestHub = HubMachine.TestCase


@pytest.mark.skipif("compiled" not in FORMS, reason="the hot path is not compiled here")
class TestCompiledHub(CompiledHubMachine.TestCase):
    settings = HubMachine.TestCase.settings
