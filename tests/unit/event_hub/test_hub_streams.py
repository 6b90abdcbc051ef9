"""Streams in conversation: what clients see of events that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hub_fakes import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_bench import StreamBench

from kite.event_hub.store.file import FILE

DOCS = {"docs": {"subjects": ["docs.>"]}}

Open = Callable[..., StreamBench]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Open]:
    """Start a life of the Hub; the one before is gone."""
    lives: list[StreamBench] = []

    def make(streams: dict[str, Any] = DOCS, *, later: float = 0.0, **limits: Any) -> StreamBench:
        if lives:
            lives[-1].close()
        lives.append(StreamBench(tmp_path, streams, **limits))
        lives[-1].wall += later
        return lives[-1]

    yield make
    lives[-1].close()


def data(frames: list[dict[str, Any]]) -> list[Any]:
    return [frame["data"] for frame in frames if frame["type"] == "event"]


def durable(client: Client, name: str = "work", *patterns: str, **options: Any) -> dict[str, Any]:
    [ack, *_] = client.send(
        {
            "type": "subscribe",
            "events": patterns or ["docs.>"],
            "durable": name,
            "id": "d",
            **options,
        }
    )
    return ack


def fill(bench: StreamBench, count: int, subject: str = "docs.a") -> None:
    writer = bench.client("filler")
    writer.send(*({"type": "event", "event": subject, "data": n} for n in range(1, count + 1)))
    bench.disk()
    bench.switch.close(writer.session)


def test_nobody_hears_of_an_event_before_it_is_kept(start: Open) -> None:
    bench = start()
    reader, writer = bench.client("reader"), bench.client("writer")
    reader.subscribe("docs.>")
    assert writer.publish("docs.a", 1, event_id="i", ack=True) == []
    assert reader.got() == []
    assert bench.disk() == 1
    assert writer.got() == [
        {"type": "ack", "event_id": "i", "delivered": 1, "stream": "docs", "seq": 1}
    ]
    assert data(reader.got()) == [1]


def test_what_a_connection_says_afterwards_waits_behind_it(start: Open) -> None:
    bench = start()
    reader, writer, other = (bench.client(name) for name in ("reader", "writer", "other"))
    reader.subscribe(">")
    writer.publish("plain", 0)
    writer.publish("docs.a", 1)
    writer.publish("plain", 2)
    other.publish("plain", "other")
    assert data(reader.got()) == [0, "other"]
    writer.publish("plain", 3)
    bench.disk()
    assert data(reader.got()) == [1, 2, 3]
    writer.publish("plain", 4)
    assert data(reader.got()) == [4]


def test_what_comes_during_a_commit_goes_together_in_the_next(start: Open) -> None:
    bench = start()
    writer = bench.client("writer")
    for number in range(10):
        writer.publish("docs.a", number, ack=True)
    assert bench.disk() == 2
    assert [ack["seq"] for ack in writer.got()] == list(range(1, 11))


def test_a_repeat_is_known_after_a_restart(start: Open) -> None:
    bench = start()
    writer = bench.client("writer")
    writer.publish("docs.a", 1, event_id="x", ack=True)
    bench.disk()
    writer = (bench := start()).client("writer")
    assert writer.publish("docs.a", 1, event_id="x", ack=True) == []
    bench.client("other").publish("docs.a", 1, event_id="x")
    bench.disk()
    assert writer.got() == [{"type": "ack", "event_id": "x", "delivered": 0, "duplicate": True}]
    assert bench.switch.streaming is not None
    assert bench.switch.streaming.streams["docs"].extent.last == 2


def test_an_id_is_forgotten_with_the_window_over_a_restart(start: Open) -> None:
    writer = (bench := start()).client("writer")
    writer.publish("docs.a", 1, event_id="x")
    bench.disk()
    bench.close()
    bench.file.open(bench.wall + 119)
    assert bench.file.open(bench.wall + 119).ids
    assert not bench.file.open(bench.wall + 121).ids


def test_a_full_disk_is_told_and_the_same_event_may_come_again(start: Open) -> None:
    bench = start()
    reader, writer = bench.client("reader"), bench.client("writer")
    reader.subscribe(">")
    bench.is_full = True
    writer.publish("docs.a", 1, event_id="x", ack=True)
    writer.publish("plain", 2)
    bench.disk()
    [error] = writer.got()
    assert (error["code"], error["event_id"]) == ("stream_unavailable", "x")
    assert data(reader.got()) == [2]
    [error] = writer.publish("docs.a", 1, event_id="y")
    assert error["code"] == "stream_unavailable"
    bench.is_full = False
    bench.now += 1
    writer.publish("docs.a", 1, event_id="x", ack=True)
    bench.disk()
    [ack] = writer.got()
    assert (ack["seq"], ack.get("duplicate")) == (1, None)


def test_a_durable_gets_what_came_while_it_was_away(start: Open) -> None:
    bench = start()
    worker = bench.client("worker")
    assert durable(worker) == {"type": "ack", "id": "d", "stream": "docs", "seq": 0}
    bench.switch.close(worker.session)
    fill(bench, 3)
    worker = bench.client("worker")
    durable(worker)
    bench.disk()
    events = worker.got()
    assert [(each["seq"], each["attempt"], each["durable"]) for each in events] == [
        (1, 1, "work"), (2, 1, "work"), (3, 1, "work"),
    ]  # fmt: skip
    assert {each["stream"] for each in events} == {"docs"}


def test_what_was_settled_stays_settled_over_a_restart(start: Open) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    fill(bench, 3)
    worker.got()
    worker.send({"type": "ack", "durable": "work", "seq": 2, "id": "sure"})
    assert worker.got() == []
    bench.disk()
    assert worker.got() == [{"type": "ack", "id": "sure", "seq": 2}]
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    bench.disk()
    assert [each["seq"] for each in worker.got()] == [1, 3]


def test_a_durable_begins_where_it_is_told_to(start: Open) -> None:
    bench = start()
    fill(bench, 2)
    bench.wait(60)
    fill(bench, 2, "docs.b")
    starts: list[tuple[Any, list[int]]] = [
        ("new", []), ("all", [1, 2, 3, 4]), ({"seq": 2}, [2, 3, 4]),
        ({"time": "2027-01-15T08:00:30Z"}, [3, 4]), ({"time": "2030-01-01T00:00:00Z"}, []),
    ]  # fmt: skip
    for number, (where, expected) in enumerate(starts):
        client = bench.client("worker")
        client.send(
            {"type": "subscribe", "events": ["docs.>"], "durable": f"d{number}", "start": where}
        )
        bench.disk()
        frames = client.got()
        assert [frame["seq"] for frame in frames if frame["type"] == "event"] == expected, where


def test_a_filter_skips_what_does_not_match(start: Open) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker, "work", "docs.b")
    fill(bench, 2)
    fill(bench, 1, "docs.b")
    assert [each["seq"] for each in worker.got()] == [3]


def test_a_dead_letter_has_the_event_its_reason_and_its_attempts(start: Open) -> None:
    bench = start()
    undertaker, worker = bench.client("undertaker"), bench.client("worker")
    undertaker.subscribe("_dead.>")
    durable(worker, max_deliver=2)
    fill(bench, 1)
    worker.send({"type": "nack", "durable": "work", "seq": 1, "reason": "broken"})
    bench.disk()
    worker.send({"type": "nack", "durable": "work", "seq": 1, "reason": "broken still"})
    bench.disk()
    [letter] = undertaker.got()
    assert (letter["event"], letter["source"]) == ("_dead.work", "event_hub")
    told = letter["data"]
    assert told.pop("event")["data"] == 1
    assert told == {
        "module_id": "worker", "durable": "work", "stream": "docs", "seq": 1,
        "attempts": 2, "reason": "broken still",
    }  # fmt: skip


def test_dead_letters_can_be_kept_themselves(start: Open) -> None:
    bench = start({**DOCS, "dead": {"subjects": ["_dead.>"]}})
    worker = bench.client("worker")
    durable(worker)
    fill(bench, 1)
    worker.send({"type": "term", "durable": "work", "seq": 1, "reason": "no"})
    bench.disk()
    keeper = bench.client("undertaker")
    durable(keeper, "bury", "_dead.>", start="all")
    bench.disk()
    [letter] = data(keeper.got())
    assert letter["reason"] == "no"


def test_a_missed_deadline_brings_it_again_to_another_member(start: Open) -> None:
    bench = start()
    one = bench.client("worker")
    durable(one, ack_wait=5)
    fill(bench, 1)
    two = bench.client("worker")
    durable(two, ack_wait=5)
    bench.wait(5)
    bench.disk()
    assert [each["attempt"] for each in (*one.got(), *two.got()) if "attempt" in each] == [1, 2]


def test_durables_of_two_modules_are_two(start: Open) -> None:
    bench = start()
    clients = [bench.client(name) for name in ("one", "two")]
    for client in clients:
        durable(client)
    fill(bench, 2)
    assert [len(client.got()) for client in clients] == [2, 2]


def test_a_replay_ends_in_the_present_without_a_gap(start: Open) -> None:
    bench = start()
    fill(bench, 3)
    reader, writer = bench.client("reader"), bench.client("writer")
    replay = {"type": "subscribe", "events": ["docs.>"], "replay": {"seq": 2}, "id": "r"}
    assert reader.send(replay) == []
    writer.publish("docs.a", "meanwhile")
    bench.disk()
    writer.publish("docs.a", "later")
    bench.disk()
    frames = reader.got()
    assert data(frames) == [2, 3, "meanwhile", "later"]
    acks = [frame for frame in frames if frame["type"] == "ack"]
    assert acks == [{"type": "ack", "id": "r", "replayed": 2}]


def test_a_replay_since_an_instant_need_not_follow(start: Open) -> None:
    bench = start()
    fill(bench, 1)
    bench.wait(60)
    fill(bench, 1, "docs.b")
    reader = bench.client("reader")
    replay = {"since": "2027-01-15T08:00:30+00:00", "follow": False}
    reader.send({"type": "subscribe", "events": ["docs.>"], "replay": replay, "id": "r"})
    bench.disk()
    fill(bench, 1)
    *events, ack = reader.got()
    assert [each["event"] for each in events] == ["docs.b"]
    assert ack == {"type": "ack", "id": "r", "replayed": 1}


def test_a_reader_that_does_not_read_is_not_flooded(start: Open) -> None:
    bench = start()
    filler = bench.client("filler")
    for _ in range(8):
        filler.publish("docs.a", "x" * 500_000)
        bench.disk()
    reader = bench.client("reader", appetite=0)
    replay = {"type": "subscribe", "events": ["docs.>"], "replay": {"seq": 1}, "id": "r"}
    reader.send(replay)
    bench.disk()
    assert reader.session.outbox.load < 3 << 20
    for _ in range(20):
        reader.wire.take()
        bench.switch.writable(reader.session, bench.now)
        bench.disk()
    assert len(data(reader.got())) == 8


def test_retention_by_count_age_and_size(start: Open) -> None:
    bench = start(
        {
            "count": {"subjects": ["count.>"], "max_events": 3},
            "age": {"subjects": ["age.>"], "max_age": 60.0},
            "size": {"subjects": ["size.>"], "max_size": 100_000},
        }
    )
    assert bench.switch.streaming is not None
    streams = bench.switch.streaming.streams
    fill(bench, 5, "count.a")
    assert (streams["count"].extent.first, streams["count"].extent.last) == (3, 5)
    fill(bench, 2, "age.a")
    bench.wait(30)
    fill(bench, 1, "age.a")
    bench.wait(31)
    bench.disk()
    assert (streams["age"].extent.first, streams["age"].extent.last) == (3, 3)
    writer = bench.client("writer")
    for _ in range(5):
        writer.publish("size.a", "x" * 40_000)
        bench.disk()
    assert streams["size"].extent.size <= 100_000
    assert (streams["size"].extent.first, streams["size"].extent.last) == (4, 5)


def test_what_retention_took_is_told_to_the_durable(start: Open) -> None:
    bench = start({"docs": {"subjects": ["docs.>"], "max_events": 2}})
    worker = bench.client("worker")
    durable(worker)
    bench.switch.close(worker.session)
    fill(bench, 5)
    worker = bench.client("worker")
    durable(worker)
    bench.disk()
    gap, *events = worker.got()
    assert gap == {
        "type": "gap", "stream": "docs", "first": 1, "last": 3, "missed": 3, "durable": "work",
    }  # fmt: skip
    assert [each["seq"] for each in events] == [4, 5]


def test_a_publisher_is_held_while_the_disk_is_behind(start: Open) -> None:
    bench = start()
    writer = bench.client("writer")
    while not writer.wire.is_paused:
        writer.publish("docs.a", "x" * 1_000_000)
    assert bench.switch.streaming is not None
    bench.disk()
    assert not writer.wire.is_paused


def test_the_marks_are_the_hubs(start: Open) -> None:
    bench = start()
    reader, worker = bench.client("reader"), bench.client("worker")
    reader.subscribe("docs.>")
    durable(worker)
    bench.client("writer").publish("docs.a", 1, seq="mine", x=5)
    bench.disk()
    assert reader.got()[0]["seq"] == "mine"
    [event] = worker.got()
    assert (event["seq"], event["x"]) == (1, 5)


@given(
    batches=st.lists(
        st.tuples(
            st.sampled_from(["one", "two"]),
            st.lists(st.sampled_from(["docs.a", "plain", "other", "shared"]), max_size=8),
            st.booleans(),
        ),
        max_size=12,
    )
)
@settings(deadline=None, max_examples=60)
def test_each_publishers_order_stays(batches: list[tuple[str, list[str], bool]]) -> None:
    """Kept and plain events, with groups and without, on the lane and beside it."""
    with TemporaryDirectory() as directory:
        bench = StreamBench(Path(directory), DOCS)
        reader = bench.client("reader")
        reader.subscribe("docs.>", "plain", "other")
        reader.subscribe("shared", queue="q")
        writers = {name: bench.client(name) for name in ("one", "two")}
        sent: dict[str, list[int]] = {"one": [], "two": []}
        for name, subjects, is_written in batches:
            frames = []
            for subject in subjects:
                sent[name].append(len(sent[name]))
                frames.append(compact(subject, name, len(sent[name]) - 1))
            writers[name].send(*frames)
            if is_written:
                bench.disk()
        bench.disk()
        bench.disk()
        got = reader.got()
        for name, numbers in sent.items():
            assert [each["data"] for each in got if each.get("source") == name] == numbers
        bench.close()


def compact(subject: str, source: str, number: int) -> bytes:
    """As the lane likes it."""
    return (
        f'{{"type":"event","event":"{subject}","source":"{source}",'
        f'"timestamp":"2026-01-01T00:00:00.000Z","event_id":"{source}{number}","data":{number}}}'
    ).encode()


def test_what_was_damaged_at_the_start_is_told_to_who_comes_later(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"none " * 5000)
    bench = StreamBench(tmp_path, DOCS)
    reader = bench.client("reader")
    frame = {"type": "subscribe", "events": ["hub.stream_repaired"]}
    [told] = data(reader.send(frame, frame))
    assert told["kind"] == "damaged_file"
    bench.close()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"durable": "Bad Name"}, "malformed_frame"),
        ({"durable": "d", "queue": "q"}, "malformed_frame"),
        ({"durable": "d", "start": "yesterday"}, "malformed_frame"),
        ({"durable": "d", "start": {"time": "noon"}}, "malformed_frame"),
        ({"durable": "d", "start": {"seq": 0}}, "malformed_frame"),
        ({"durable": "d", "ack_wait": 0}, "malformed_frame"),
        ({"durable": "d", "max_deliver": 0}, "malformed_frame"),
        ({"durable": "d", "max_in_flight": 10_001}, "malformed_frame"),
        ({"durable": "d", "stream": "other"}, "stream_unknown"),
        ({"durable": "d", "events": ["elsewhere"]}, "stream_unknown"),
        ({"durable": "d", "events": ["docs..a"]}, "invalid_pattern"),
        ({"replay": {}}, "malformed_frame"),
        ({"replay": {"seq": 1, "since": "2026-01-01T00:00:00Z"}}, "malformed_frame"),
        ({"replay": {"since": "2026-01-01"}}, "malformed_frame"),
        ({"replay": {"seq": 1}, "events": ["elsewhere"]}, "stream_unknown"),
    ],
)
def test_what_cannot_be_is_refused(start: Open, frame: dict[str, Any], code: str) -> None:
    client = start().client("worker")
    [error] = client.send({"type": "subscribe", "events": ["docs.>"], "id": "f", **frame})
    assert (error["code"], error["id"]) == (code, "f")


def test_a_settlement_needs_a_durable(start: Open) -> None:
    client = start().client("worker")
    for kind in ("ack", "nack", "term"):
        [error] = client.send({"type": kind, "durable": "work", "seq": 1, "id": 7})
        assert (error["code"], error["id"]) == ("durable_unknown", 7)
    [error] = client.send({"type": "ack", "durable": "work", "seq": "1"})
    assert error["code"] == "malformed_frame"


def test_who_leaves_keeps_its_place_and_who_forgets_does_not(start: Open) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    frame = {"type": "unsubscribe", "events": ["docs.>"], "durable": "work", "id": "u"}
    assert worker.send(frame) == [{"type": "ack", "id": "u"}]
    fill(bench, 1)
    assert worker.got() == []
    durable(worker)
    bench.disk()
    assert [each["seq"] for each in worker.got()] == [1]
    worker.send({**frame, "forget": True})
    bench.disk()
    bench = start()
    assert bench.stored.durables == {}


def test_who_leaves_may_still_finish_what_it_has(start: Open) -> None:
    bench = start()
    worker, other = bench.client("worker"), bench.client("worker")
    durable(worker)
    fill(bench, 2)
    worker.send({"type": "unsubscribe", "events": ["docs.>"], "durable": "work"})
    durable(other)
    worker.send({"type": "ack", "durable": "work", "seq": 1})
    bench.disk()
    assert other.got() == []
    bench.switch.close(worker.session)
    bench.disk()
    assert [each["seq"] for each in other.got()] == [2]


def test_rights_that_end_end_the_durable(start: Open) -> None:
    from kite.event_hub.core.rights import Identity

    bench = start()
    worker = bench.client("worker")
    durable(worker)
    bench.switch.change_identity(worker.session, Identity("worker", subscribe=["other"]))
    bench.switch.flush()
    assert [frame["code"] for frame in worker.got()] == ["permission_denied"]
    fill(bench, 1)
    assert worker.got() == []


def test_an_event_in_two_streams_is_replayed_once(start: Open) -> None:
    bench = start({**DOCS, "all": {"subjects": [">"]}})
    fill(bench, 2)
    fill(bench, 1, "plain")
    reader = bench.client("reader")
    replay = {"since": "2020-01-01T00:00:00Z", "follow": False}
    reader.send({"type": "subscribe", "events": [">"], "replay": replay, "id": "r"})
    bench.disk()
    assert data(reader.got()) == [1, 2, 1]
