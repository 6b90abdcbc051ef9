"""A client that comes back gets what it missed, all of it and once, or is told that it cannot."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hub_fakes import FORMS, Bench, Client
from hypothesis import given, settings
from hypothesis import strategies as st

from kite.event_hub.core.history import History
from kite.event_hub.core.websocket import text
from kite.event_hub.limits import HistoryConfig

RESUMABLE = {"resume": True}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def subscribe(client: Client, *patterns: str, **options: Any) -> list[dict[str, Any]]:
    return client.send({"type": "subscribe", "events": patterns, "id": "s", **options})


def events(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [frame for frame in frames if frame["type"] == "event"]


def data(frames: list[dict[str, Any]]) -> list[Any]:
    return [frame["data"] for frame in events(frames)]


def ack(frames: list[dict[str, Any]]) -> dict[str, Any]:
    [found] = [frame for frame in frames if frame["type"] == "ack"]
    return found


def after(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "resume": {"epoch": "e1", "source": event["source"], "event_id": event["event_id"]},
    }


def test_what_was_missed_comes_before_what_comes(bench: Bench) -> None:
    writer, reader = bench.client("writer"), bench.client("reader")
    assert ack(subscribe(reader, "a.*", **RESUMABLE)) == {
        "type": "ack", "id": "s", "epoch": "e1", "position": 0,
    }  # fmt: skip
    writer.publish("a.x", 1)
    writer.publish("b.x", "not asked for")
    [last] = reader.got()
    bench.switch.close(reader.session)
    for number in (2, 3):
        writer.publish("a.x", number)
    writer.publish("b.x", "not asked for")

    again = bench.client("reader")
    frames = subscribe(again, "a.*", **after(last))
    assert data(frames) == [2, 3]
    assert frames[-1] == {
        "type": "ack", "id": "s", "epoch": "e1", "position": 5, "resumed": True, "replayed": 2,
    }  # fmt: skip
    writer.publish("a.y", 4)
    assert data(again.got()) == [4]


def test_one_that_got_nothing_resumes_from_its_ack(bench: Bench) -> None:
    writer, reader = bench.client("writer"), bench.client("reader")
    writer.publish("a", "before")
    place = ack(subscribe(reader, "a", **RESUMABLE))
    bench.switch.close(reader.session)
    writer.publish("a", "missed")
    resume = {"epoch": place["epoch"], "position": place["position"]}
    assert data(subscribe(bench.client("reader"), "a", resume=resume)) == ["missed"]


def test_what_is_given_again_has_the_senders_own_bytes(bench: Bench) -> None:
    frame = (
        b'{"type" : "event","event":"a.b","data":{"n":1.50,"s":"\\u00e9\xc3\xa9"},"x":[ ],'
        b'"event_id":"1","source":"writer","timestamp":"2026-01-01T00:00:00Z"}'
    )
    bench.client("writer").send(frame)
    reader = bench.client("reader")
    subscribe(reader, "a.b", resume={"epoch": "e1", "position": 0})
    assert frame in bytes(reader.wire.taken)


@pytest.mark.parametrize(
    ("resume", "reason"),
    [
        ({"epoch": "e0", "position": 0}, "another_epoch"),
        ({"epoch": "e1", "source": "writer", "event_id": "no"}, "unknown_event"),
        ({"epoch": "e1", "source": "other", "event_id": "made-1"}, "unknown_event"),
        ({"epoch": "e1", "position": 99}, "forgotten"),
        ({"epoch": "e1", "position": -1}, "forgotten"),
    ],
)
def test_who_cannot_resume_is_told_and_subscribed(
    bench: Bench, resume: dict[str, Any], reason: str
) -> None:
    writer, reader = bench.client("writer"), bench.client("reader")
    writer.publish("a", "missed")
    frames = subscribe(reader, "a", resume=resume)
    assert frames == [
        {"type": "ack", "id": "s", "epoch": "e1", "position": 1, "resumed": False, "reason": reason}
    ]
    writer.publish("a", "later")
    assert data(reader.got()) == ["later"]
    assert (bench.switch.recall.resumed, bench.switch.recall.not_resumed) == (0, 1)


@pytest.mark.parametrize(
    "history", [HistoryConfig(bytes=2000), HistoryConfig(seconds=5), HistoryConfig(bytes=0)]
)
def test_the_memory_is_bounded(history: HistoryConfig) -> None:
    bench = Bench(history=history)
    writer, reader = bench.client("writer"), bench.client("reader")
    subscribe(reader, "a", **RESUMABLE)
    writer.publish("a", 0)
    [last] = reader.got()
    for number in range(10):
        bench.wait(1)
        writer.publish("a", str(number) * 300)
    assert bench.switch.history.size <= history.bytes
    found = ack(subscribe(bench.client("reader"), "a", **after(last)))
    assert (found["resumed"], found["reason"]) == (False, "unknown_event")
    resume = {"epoch": "e1", "position": 1}
    found = ack(subscribe(bench.client("reader"), "a", resume=resume))
    assert (found["resumed"], found["reason"]) == (False, "forgotten")


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"resume": {"epoch": "e1"}}, "position"),
        ({"resume": {"epoch": "e1", "source": "a"}}, "position"),
        ({"resume": {"epoch": "e1", "source": "a", "event_id": "b", "position": 1}}, "position"),
        ({"resume": True, "queue": "q"}, "queue"),
        ({"resume": True, "durable": "d"}, "durable"),
        ({"resume": {"epoch": "e1", "position": 0}, "replay": {"seq": 1}}, "replay"),
        ({"resume": 5}, "resume"),
        ({"resume": {"position": 5}}, "epoch"),
    ],
)
def test_what_cannot_be_meant_is_refused(bench: Bench, fields: Any, detail: str) -> None:
    reader = bench.client("reader")
    [error] = subscribe(reader, "a", **fields)
    assert (error["code"], error["id"]) == ("malformed_frame", "s")
    assert detail in error["message"]
    bench.client("writer").publish("a")
    assert reader.got() == []


def test_the_greeting_comes_first_and_can_be_resumed_from(bench: Bench) -> None:
    writer, reader = bench.client("writer"), bench.client("reader")
    greeting, _ = subscribe(reader, ">", **RESUMABLE)
    bench.switch.close(reader.session)
    writer.publish("a", "missed")
    again = subscribe(bench.client("reader"), ">", **after(greeting))
    assert [each["event"] for each in events(again)] == ["hub.started", "a"]


def test_an_event_comes_once_over_the_frames_of_a_resumption(bench: Bench) -> None:
    bench.client("writer").send(
        {"type": "event", "event": "a.b", "data": 1},
        {"type": "event", "event": "a.c", "data": 2},
    )
    reader = bench.client("reader")
    resume = {"epoch": "e1", "position": 0}
    assert data(subscribe(reader, "a.b", resume=resume)) == [1]
    assert data(subscribe(reader, "a.*", resume=resume, echo=False)) == [2]
    assert data(subscribe(reader, "a.b", resume=resume)) == []
    bench.client("writer").publish("a.b", 3)
    assert data(reader.got()) == [3]
    assert data(subscribe(reader, ">", resume={"epoch": "e1", "position": 2})) == [{"epoch": "e1"}]


def test_replies_to_others_are_nobodys(bench: Bench) -> None:
    bench.client("answerer").publish("_reply.asker.1", "secret")
    curious = bench.client("curious")
    assert data(subscribe(curious, ">", resume={"epoch": "e1", "position": 0})) == [{"epoch": "e1"}]
    asker = bench.client("asker")
    resume = {"epoch": "e1", "position": 0}
    assert data(subscribe(asker, "_reply.asker.*", resume=resume)) == ["secret"]


def test_what_went_to_a_queue_can_be_resumed_from_a_plain_subscription(bench: Bench) -> None:
    worker = bench.client("worker")
    worker.subscribe("a", queue="q")
    bench.client("writer").publish("a", 1)
    assert data(worker.got()) == [1]
    reader = bench.client("reader")
    assert data(subscribe(reader, "a", resume={"epoch": "e1", "position": 0})) == [1]


def test_nobody_is_held_for_what_is_given_again() -> None:
    bench = Bench(outbox_bytes=64 << 10, history=HistoryConfig(bytes=1 << 20))
    writer = bench.client("writer")
    for _ in range(10):
        writer.publish("a", "x" * 50_000)
    reader = bench.client("reader", appetite=0)
    subscribe(reader, "a", resume={"epoch": "e1", "position": 0})
    assert not writer.wire.is_paused
    reader.wire.take()
    bench.switch.writable(reader.session, bench.now)
    assert len(data(reader.got())) == 10


def test_with_drop_oldest_the_newest_of_what_was_missed_stay() -> None:
    bench = Bench(outbox_bytes=64 << 10, history=HistoryConfig(bytes=1 << 20))
    writer = bench.client("writer")
    for number in range(40):
        writer.publish("a", str(number % 10) * 20_000)
    reader = bench.client("reader", appetite=0)
    resume = {"epoch": "e1", "position": 0}
    subscribe(reader, "a", resume=resume, overflow="drop_oldest")
    reader.wire.take()
    bench.switch.writable(reader.session, bench.now)
    frames = reader.got()
    [gap] = [frame for frame in frames if frame["type"] == "gap"]
    assert gap["missed"] + len(data(frames)) == 40
    assert data(frames)[-1][0] == "9"


def test_a_replay_needs_no_stream() -> None:
    start = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    bench = Bench(
        history=HistoryConfig(seconds=100),
        instant=lambda now: (start + timedelta(seconds=now - 1000)).isoformat(),
    )
    writer = bench.client("writer")
    for number in range(3):
        writer.publish("a", number)
        bench.wait(10)
    reader = bench.client("reader")
    since = (start + timedelta(seconds=5)).isoformat()
    frames = subscribe(reader, "a", replay={"since": since})
    assert data(frames) == [1, 2]
    assert frames[-1] == {"type": "ack", "id": "s", "replayed": 2}
    writer.publish("a", 3)
    assert data(reader.got()) == [3]
    # What was before the Hub is not remembered, and what was forgotten is not.
    long_ago = {"since": (start - timedelta(seconds=5)).isoformat(), "follow": False}
    found = ack(subscribe(bench.client("other"), "a", replay=long_ago))
    assert found["since"] == "2026-01-01T00:00:00.000Z"
    bench.wait(75)
    found = ack(subscribe(bench.client("other"), "a", replay=long_ago))
    assert (found["replayed"], found["since"]) == (3, "2026-01-01T00:00:00.000Z")
    bench.wait(10)
    found = ack(subscribe(bench.client("other"), "a", replay=long_ago))
    assert found["replayed"] == 2
    assert found["since"] == "2026-01-01T00:00:10.000Z"


def test_everybody_hears_of_a_cut_in_the_same_order() -> None:
    """A reader that is full is cut while an event is handed out: what others get, and what is
    remembered, has the event first and then the news."""
    bench = Bench(outbox_bytes=1000, outbox_most_bytes=2000)
    first, stuck, last = (bench.client(name) for name in ("first", "stuck", "last"))
    for client in (first, last):
        subscribe(client, ">")
    stuck.wire.appetite = 0
    subscribe(stuck, "a")
    writer = bench.client("launcher")
    writer.send(*({"type": "event", "event": "a", "data": "x" * 900} for _ in range(4)))
    orders = [[each["event"] for each in events(client.got())] for client in (first, last)]
    assert orders[0] == orders[1]
    assert "hub.slow_consumer" in orders[0]
    again = subscribe(bench.client("again"), "a", "hub.slow_consumer", **RESUMABLE_FROM_START)
    order = [each["event"] for each in events(again)]
    assert order == [each for each in orders[0] if each != "hub.started"]


RESUMABLE_FROM_START = {"resume": {"epoch": "e1", "position": 0}}

_STEP = st.one_of(
    st.tuples(st.just("publish"), st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.just("queue"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("announce"), st.just(0), st.just(0)),
    st.tuples(st.just("lose"), st.integers(0, 400), st.integers(0, 5)),
)


@pytest.mark.parametrize("form", sorted(FORMS))
@settings(max_examples=60, deadline=None)
@given(steps=st.lists(_STEP, min_size=5, max_size=60))
def test_a_flaky_client_hears_what_a_steady_one_hears(form: str, steps: list[Any]) -> None:
    """Its connection is lost after any number of bytes, in the middle of a frame too; it stays away
    for some events, resumes from the last it got, and has heard the same in the same order."""
    bench = Bench(parts=FORMS[form])
    writers = [bench.client(f"w{number}") for number in range(4)]
    steady = bench.client("steady")
    patterns = ("s.>", "*.1", "hub.slow_consumer")
    subscribe(steady, *patterns)
    flaky = bench.client("flaky")
    place = ack(subscribe(flaky, *patterns, **RESUMABLE))
    anchor = {"epoch": "e1", "position": place["position"]}
    heard: list[dict[str, Any]] = []

    def publish(who: int, number: int) -> None:
        writers[who].send(
            *(
                {"type": "event", "event": f"{name}.{number}", "data": {"n": number}}
                for name in ("s", "t", "s")
            )
        )

    for kind, one, other in steps:
        if kind == "publish":
            publish(one, other)
        elif kind == "queue" and other:
            writers[one].send({"type": "subscribe", "events": ["s.>"], "queue": "q"})
        elif kind == "queue":
            writers[one].send({"type": "unsubscribe", "events": ["s.>"], "queue": "q"})
        elif kind == "announce":
            bench.switch.announce("hub.slow_consumer", {"by": "test"})
        else:
            del flaky.wire.taken[max(0, len(flaky.wire.taken) - one) :]
            got = events(flaky.wire.messages())
            heard += got
            bench.switch.close(flaky.session)
            if got:
                anchor = after(got[-1])["resume"]
            for number in range(other):
                publish(number % 4, 1)
            flaky = bench.client("flaky")
            assert ack(subscribe(flaky, *patterns, resume=anchor))["resumed"]
    heard += events(flaky.wire.messages())
    assert heard == steady.wire.events()


def test_an_id_that_stands_in_other_events_is_not_mistaken() -> None:
    history = History(1 << 20, 60)
    frame = b'{"type":"event","event":"%s","source":"%s","event_id":"%s","data":"x"}'
    tricky = b'{"type":"event","event":"b","source":"w","event_id":"2","data":{"event_id":"1"}}'
    history.add(text(frame % (b"a", b"w", b"1")) + text(tricky), 2, 1.0)
    history.add(text(frame % (b"c", b"other", b"1")), 1, 2.0)
    assert history.find("w", "1") == 1
    assert history.find("other", "1") == 3
    assert history.find("w", "x") is None
    assert [each.head.event for each in history.after(1)] == ["b", "c"]
    assert [each.head.event for each in history.since(1.5)] == ["c"]
    assert history.events == 3
