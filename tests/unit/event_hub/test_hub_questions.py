"""Requests that wait: told when nobody is left, forgotten in time, bounded, and exactly counted."""

from __future__ import annotations

from typing import Any

import pytest
from hub_fakes import Bench, Client
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kite.event_hub.core.questions import Question, Questions

CONNECTIONS = st.integers(0, 4)
SUBJECTS = st.sampled_from(["r.1", "r.2"])


class QuestionsMachine(RuleBasedStateMachine):
    """Against a list that is searched from the beginning."""

    @initialize()
    def begin(self) -> None:
        self.questions: Questions[int] = Questions(per_asker=3, pairs=8)
        self.open: list[tuple[int, str, set[int], float, str]] = []  # oldest first
        self.now = 100.0
        self.number = 0

    @rule(
        asker=CONNECTIONS,
        reply_to=SUBJECTS,
        awaited=st.sets(CONNECTIONS, min_size=1, max_size=3),
        seconds=st.sampled_from([0.3, 1.0, 5.5]),
    )
    def ask(self, asker: int, reply_to: str, awaited: set[int], seconds: float) -> None:
        self.number += 1
        mark = str(self.number)
        question = Question(
            asker, event_id=mark, subject="s", reply_to=reply_to, awaited=sorted(awaited)
        )
        look_at = self.questions.ask(question, self.now + seconds)
        assert look_at is None or self.now + seconds <= look_at <= self.now + seconds + 1
        self.open.append((asker, reply_to, awaited, self.now + seconds, mark))
        own = [each for each in self.open if each[0] == asker]
        if len(own) > 3:
            self.open.remove(own[0])
        while sum(len(each[2]) for each in self.open) > 8:
            del self.open[0]

    @rule(reply_to=SUBJECTS, responder=CONNECTIONS)
    def answer(self, reply_to: str, responder: int) -> None:
        waiting = [each for each in self.open if each[1] == reply_to]
        waiting.sort(key=lambda each: responder not in each[2])
        in_time = bool(waiting) and self.now < waiting[0][3]
        if waiting:
            self.open.remove(waiting[0])
        assert self.questions.answer(reply_to, responder, self.now) == in_time

    @rule(gone=CONNECTIONS)
    def leave(self, gone: int) -> None:
        self.open = [each for each in self.open if each[0] != gone]
        lost = set()
        for each in list(self.open):
            if gone in each[2]:
                each[2].discard(gone)
                if not each[2]:
                    self.open.remove(each)
                    if self.now < each[3]:
                        lost.add(each[4])
        assert {question.event_id for question in self.questions.leave(gone, self.now)} == lost

    @rule(seconds=st.sampled_from([0.1, 0.9, 3.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        look_at = self.questions.advance(self.now)
        self.open = [each for each in self.open if -(-each[3] // 1) > self.now]
        assert (look_at is None) == (not self.open)

    @invariant()
    def keeps_exactly_what_waits(self) -> None:
        if hasattr(self, "questions"):
            assert len(self.questions) == len(self.open)
            assert self.questions.pairs == sum(len(each[2]) for each in self.open)

    @invariant()
    def keeps_nothing_of_nobody(self) -> None:
        if hasattr(self, "questions") and not self.open:
            kept = self.questions
            tables = (kept._all, kept._of, kept._due_from, kept._at, kept._by_second)
            assert not any(tables)


QuestionsMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
TestQuestions = QuestionsMachine.TestCase


# ── through the hub ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def asker(bench: Bench) -> Client:
    client = bench.client("asker")
    client.subscribe("_reply.asker.>")
    return client


def worker(bench: Bench, name: str = "worker", **options: Any) -> Client:
    client = bench.client(name)
    client.subscribe("do", **options)
    return client


def ask(asker: Client, number: int = 1, **fields: Any) -> list[dict[str, Any]]:
    reply_to = f"_reply.asker.{number}"
    return asker.publish("do", event_id=f"q{number}", reply_to=reply_to, **fields)


def leave(bench: Bench, client: Client) -> None:
    bench.switch.close(client.session)
    bench.switch.flush()


def lost(client: Client) -> list[str]:
    return [frame["event_id"] for frame in client.got() if frame.get("code") == "responder_lost"]


@pytest.mark.parametrize("options", [{}, {"queue": "q"}, {"overflow": "drop_oldest"}])
def test_the_asker_is_told_when_the_responder_leaves(
    bench: Bench, asker: Client, options: dict[str, Any]
) -> None:
    one = worker(bench, **options)
    ask(asker)
    leave(bench, one)
    [error] = asker.got()
    assert error["type"] == "error"
    assert (error["code"], error["event_id"]) == ("responder_lost", "q1")
    assert "do" in error["message"]


def test_whoever_answered_may_leave(bench: Bench, asker: Client) -> None:
    one = worker(bench)
    ask(asker)
    one.publish("_reply.asker.1", 42)
    leave(bench, one)
    assert [frame["data"] for frame in asker.got()] == [42]
    assert one.session.late_replies == 0


def test_of_several_responders_all_must_be_gone(bench: Bench, asker: Client) -> None:
    workers = [worker(bench, f"w{n}") for n in range(3)]
    ask(asker)
    for each in workers[:2]:
        leave(bench, each)
    assert asker.got() == []
    leave(bench, workers[2])
    assert lost(asker) == ["q1"]


def test_of_a_queue_group_only_the_chosen_member_counts(bench: Bench, asker: Client) -> None:
    members = [worker(bench, f"w{n}", queue="q") for n in range(2)]
    ask(asker)
    [chosen] = [each for each in members if each.got()]
    [other] = [each for each in members if each is not chosen]
    leave(bench, other)
    assert asker.got() == []
    leave(bench, chosen)
    assert lost(asker) == ["q1"]


def test_spectators_are_no_responders(bench: Bench, asker: Client) -> None:
    one = worker(bench)
    worker(bench, "spectator", observe=True)
    everything = bench.client("everything")
    everything.subscribe(">")
    ask(asker)
    leave(bench, one)
    assert lost(asker) == ["q1"]


def test_who_is_cut_or_dismissed_is_gone_too(asker: Client, bench: Bench) -> None:
    one = worker(bench)
    ask(asker)
    bench.switch.dismiss(one.session, 4401, "the token is dead")
    bench.switch.flush()
    assert lost(asker) == ["q1"]


def test_a_request_that_was_never_written_is_told_of(bench: Bench, asker: Client) -> None:
    """What waited in the outbox of a member that dies is handed to nobody else."""
    one = worker(bench, "w1", queue="q")
    one.wire.appetite = 0
    ask(asker, 1)
    leave(bench, one)
    assert lost(asker) == ["q1"]


def test_a_repeat_of_a_request_is_not_asked_twice(bench: Bench, asker: Client) -> None:
    one = worker(bench)
    ask(asker)
    ask(asker)
    leave(bench, one)
    assert lost(asker) == ["q1"]


def test_a_late_answer_is_counted_where_it_came_from(bench: Bench, asker: Client) -> None:
    one = worker(bench)
    ask(asker)
    one.publish("_reply.asker.1", "first")
    one.publish("_reply.asker.1", "second")
    one.publish("_reply.asker.9", "to nothing")
    assert one.session.late_replies == 2
    assert [frame["data"] for frame in asker.got()] == ["first", "second", "to nothing"]


def test_an_answer_after_the_asker_left_goes_nowhere_and_is_counted(
    bench: Bench, asker: Client
) -> None:
    one = worker(bench)
    ask(asker)
    leave(bench, asker)
    [_, ack] = [*one.got(), *one.publish("_reply.asker.1", ack=True)]
    assert ack["delivered"] == 0
    assert one.session.late_replies == 1
    leave(bench, one)
    assert bench.switch.tally.closed["worker"].late_replies == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"kite-deadline": "2026-01-01T00:00:05.000Z"}, 5.0),
        ({"kite-deadline": "2026-01-01T01:00:05+01:00"}, 5.0),
        ({"kite-deadline": "9999-01-01T00:00:00Z"}, 3600.0),
        ({"kite-deadline": "2026-01-01T00:00:05"}, 60.0),
        ({"kite-deadline": "soon"}, 60.0),
        ({"kite-deadline": 5}, 60.0),
        ({"other": "x"}, 60.0),
        (None, 60.0),
    ],
)
def test_a_request_is_forgotten_at_its_deadline(
    bench: Bench, asker: Client, headers: Any, seconds: float
) -> None:
    one = worker(bench)
    fields = {"headers": headers} if headers is not None else {}
    ask(asker, 1, **fields)
    ask(asker, 2, **fields)
    assert any(seconds <= at - bench.now <= seconds + 1 for at in bench.shell.alarms)
    bench.now += seconds - 0.01
    one.publish("_reply.asker.1")
    assert one.session.late_replies == 0
    bench.now += 0.02
    one.publish("_reply.asker.2")
    assert one.session.late_replies == 1
    ask(asker, 3)
    bench.now += 62
    bench.switch.advance(bench.now)
    assert len(bench.switch.questions) == 0
    asker.got()
    leave(bench, one)
    assert asker.got() == []


def test_a_request_that_is_late_already_is_passed_on_and_not_waited_for(
    bench: Bench, asker: Client
) -> None:
    one = worker(bench)
    ask(asker, headers={"kite-deadline": "2025-12-31T23:59:59Z"})
    assert len(one.got()) == 2 - 1
    assert len(bench.switch.questions) == 0


def test_requests_that_share_a_reply_subject_are_told_apart_by_who_answers(
    bench: Bench, asker: Client
) -> None:
    one, two = worker(bench, "one", queue="q"), worker(bench, "two", queue="q")
    for number in range(2):
        asker.publish("do", event_id=f"q{number}", reply_to="_reply.asker.inbox")
    first = {frame["event_id"] for frame in one.got()}
    two.publish("_reply.asker.inbox")
    leave(bench, two)
    leave(bench, one)
    assert set(lost(asker)) == first


def test_what_waits_is_bounded() -> None:
    bench = Bench(requests=10, awaited=25)
    workers = [worker(bench, "one"), worker(bench, "two")]
    askers = [bench.client(f"a{n}") for n in range(3)]
    for client in askers:
        for number in range(50):
            client.publish("do", reply_to=f"_reply.{client.session.name}.{number}")
    questions = bench.switch.questions
    assert len(questions) == 12
    assert questions.pairs == 24
    for each in workers:
        leave(bench, each)
    assert [len(lost(client)) for client in askers] == [0, 2, 10]


def test_an_asker_that_falls_with_its_responder_is_no_trouble(bench: Bench) -> None:
    """A connection that answers itself, and leaves."""
    both = bench.client("asker")
    both.subscribe("do")
    ask(both)
    leave(bench, both)
    assert len(bench.switch.questions) == 0
