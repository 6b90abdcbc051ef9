"""`overflow: drop_oldest`: nobody is held because of it, and what is lost is told."""

from __future__ import annotations

from typing import Any

import pytest
from hub_fakes import Bench, Client

BIG = "x" * 1000


@pytest.fixture
def bench() -> Bench:
    return Bench(outbox_bytes=10_000)


def stuck(bench: Bench, *patterns: str, **options: Any) -> Client:
    """A client that has read all it was sent, and reads no more."""
    client = bench.client("reader")
    client.subscribe(*patterns, **options)
    client.wire.appetite = 0
    return client


def drain(bench: Bench, client: Client) -> list[dict[str, Any]]:
    """It reads again; what it gets."""
    client.got()
    while client.wire.take():
        bench.switch.writable(client.session, bench.now)
    return client.got()


@pytest.mark.parametrize("queue", [None, "q"])
def test_a_publisher_is_never_held_and_the_newest_arrive_behind_a_gap(
    bench: Bench, queue: str | None
) -> None:
    options = {"queue": queue} if queue else {}
    reader, writer = stuck(bench, "a", overflow="drop_oldest", **options), bench.client("writer")
    for number in range(200):
        writer.publish("a", number, body=BIG)
    assert not writer.wire.is_paused
    assert reader.session.stalls == 0
    box = reader.session.outbox
    assert box.load < 10_000 + 1200
    assert box.delivered + box.dropped + box.waiting == 200
    first, gap, *events = drain(bench, reader)
    assert first["data"] == 0
    assert gap == {"type": "gap", "missed": 199 - len(events), "since": "2026-01-01T00:00:00.000Z"}
    assert [event["data"] for event in events] == list(range(200 - len(events), 200))
    assert (box.delivered, box.dropped, box.gaps) == (1 + len(events), gap["missed"], 1)
    writer.publish("a", "after")
    assert [event["data"] for event in reader.got()] == ["after"]


def test_it_is_not_cut_however_long_it_does_not_read(bench: Bench) -> None:
    reader, writer = stuck(bench, "a", overflow="drop_oldest"), bench.client("writer")
    for _ in range(100):
        writer.publish("a", body=BIG)
        bench.now += 1
        bench.switch.advance(bench.now)
    assert reader.wire.finished is None


def test_a_strict_subscription_of_the_same_connection_keeps_its_promise(bench: Bench) -> None:
    reader, writer = stuck(bench, "news", overflow="drop_oldest"), bench.client("writer")
    reader.wire.appetite = None
    reader.subscribe("work")
    reader.wire.appetite = 0
    sent = 0
    for number in range(100):
        writer.publish("news", number, body=BIG)
        if number % 20 == 0:
            writer.publish("work", number, body=BIG)
            sent += 1
    assert not writer.wire.is_paused
    frames = drain(bench, reader)
    got = [frame["data"] for frame in frames if frame.get("event") == "work"]
    assert got == [0, 20, 40, 60, 80]
    news = [frame["data"] for frame in frames if frame.get("event") == "news"]
    assert news == sorted(news)
    assert len(news) + sum(f["missed"] for f in frames if f["type"] == "gap") == 100
    assert sent == 5


def test_strict_events_hold_their_publisher_whatever_waits_beside_them(bench: Bench) -> None:
    reader = stuck(bench, "news", overflow="drop_oldest")
    reader.wire.appetite = None
    reader.subscribe("work")
    reader.wire.appetite = 0
    newsman, worker = bench.client("newsman"), bench.client("worker")
    for _ in range(30):
        newsman.publish("news", body=BIG)
    assert not newsman.wire.is_paused
    while not worker.wire.is_paused:
        worker.publish("work", body=BIG)
    newsman.publish("news", body=BIG)
    assert not newsman.wire.is_paused
    assert reader.session.outbox.queued > 10_000
    drain(bench, reader)
    assert not worker.wire.is_paused


def test_what_matches_a_strict_subscription_too_is_never_dropped(bench: Bench) -> None:
    reader, writer = stuck(bench, "a.*", overflow="drop_oldest"), bench.client("writer")
    reader.wire.appetite = None
    reader.subscribe("a.b")
    reader.wire.appetite = 0
    while not writer.wire.is_paused:
        writer.publish("a.b", body=BIG)
    assert reader.session.outbox.dropped == 0


def test_a_cut_tells_what_no_gap_has_told(bench: Bench) -> None:
    """A slow consumer with both kinds learns of all it was not sent."""
    reader = stuck(bench, "news", overflow="drop_oldest")
    reader.wire.appetite = None
    reader.subscribe("work")
    reader.wire.appetite = 0
    writer = bench.client("writer")
    for _ in range(30):
        writer.publish("news", body=BIG)
    for _ in range(12):
        writer.publish("work", body=BIG)
    for _ in range(12):
        bench.now += 0.25
        bench.switch.advance(bench.now)
    assert reader.wire.finished is not None
    *events, error = drain(bench, reader)
    assert error["code"] == "slow_consumer"
    assert len(events) + error["missed"] == 42
    bench.switch.close(reader.session)
    box = reader.session.outbox
    assert box.delivered + box.dropped == 42


def test_subscribing_again_replaces_the_option(bench: Bench) -> None:
    reader, writer = stuck(bench, "a", overflow="drop_oldest"), bench.client("writer")
    reader.wire.appetite = None
    reader.subscribe("a", overflow="hold")
    reader.wire.appetite = 0
    for _ in range(20):
        writer.publish("a", body=BIG)
    assert writer.wire.is_paused


@pytest.mark.parametrize("wrong", ["newest", "", 1, None, True, ["drop_oldest"]])
def test_another_word_is_refused(bench: Bench, wrong: Any) -> None:
    client = bench.client("reader")
    frame = {"type": "subscribe", "events": ["a"], "overflow": wrong, "id": 1}
    [error] = client.send(frame)
    assert (error["code"], error["id"]) == ("malformed_frame", 1)


def test_the_hub_own_words_may_be_dropped_too(bench: Bench) -> None:
    reader = stuck(bench, "hub.client.*", overflow="drop_oldest")
    for number in range(300):
        bench.switch.announce("hub.client.connected", {"number": number})
    bench.switch.flush()
    frames = drain(bench, reader)
    assert frames[-1]["data"]["number"] == 299
    assert reader.session.outbox.gaps == 1
