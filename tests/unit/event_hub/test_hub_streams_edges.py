"""Streams where things meet: a slow or broken disk, restarts, changed settings, changed rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_fakes import Client
from stream_bench import StreamBench

from kite.event_hub.core.rights import Identity
from kite.event_hub.core.streams.desk import Desk
from kite.event_hub.core.streams.jobs import Failed, Pick, Read, Write

DOCS: dict[str, Any] = {"docs": {"subjects": ["docs.>"]}}
DEAD: dict[str, Any] = {"dead": {"subjects": ["_dead.>"]}}

Open = Callable[..., StreamBench]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Open]:
    """Start a life of the Hub; the one before is gone."""
    lives: list[StreamBench] = []

    def make(streams: dict[str, Any] = DOCS, **limits: Any) -> StreamBench:
        if lives:
            lives[-1].close()
        lives.append(StreamBench(tmp_path, streams, **limits))
        return lives[-1]

    yield make
    lives[-1].close()


def durable(client: Client, name: str = "work", *patterns: str, **options: Any) -> dict[str, Any]:
    frame = {"type": "subscribe", "events": patterns or ["docs.>"], "durable": name, "id": "d"}
    [answer, *_] = client.send({**frame, **options})
    return answer


def settle(client: Client, seq: int, kind: str = "ack", **more: Any) -> list[dict[str, Any]]:
    return client.send({"type": kind, "durable": "work", "seq": seq, **more})


def fill(bench: StreamBench, count: int, subject: str = "docs.a", size: int = 0) -> None:
    writer = bench.client("filler")
    for number in range(1, count + 1):
        writer.publish(subject, "x" * size if size else number)
    bench.disk()
    bench.switch.close(writer.session)


def seqs(client: Client) -> list[int]:
    return [frame["seq"] for frame in client.got() if frame["type"] == "event"]


# ── what is confirmed is on the disk ────────────────────────────────────────────────────────


def test_a_settlement_is_not_confirmed_with_a_transaction_that_began_before(start: Open) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    durable(worker, "other")
    fill(bench, 1)
    worker.got()
    worker.send({"type": "unsubscribe", "events": ["docs.>"], "durable": "other", "forget": True})
    [under_way] = bench.shell.jobs
    assert settle(worker, 1, id="sure") == []
    bench.shell.jobs.clear()
    assert isinstance(under_way, Write)
    bench.switch.stored(under_way, bench.file.write(under_way), bench.now)
    bench.switch.flush()
    assert worker.got() == [{"type": "ack"}]
    bench.disk()
    assert worker.got() == [{"type": "ack", "id": "sure", "seq": 1}]


def test_a_confirmation_outlives_a_loss_of_power_where_the_stream_does(start: Open) -> None:
    for sync in ("full", "normal"):
        bench = start({"docs": {"subjects": ["docs.>"], "sync": sync}})
        worker = bench.client(f"worker-{sync}")
        durable(worker, start="new")
        bench.disk()
        fill(bench, 1)
        [seq] = seqs(worker)
        settle(worker, seq)
        assert [job.sync for job in bench.shell.jobs if isinstance(job, Write)] == [False]
        bench.disk()
        settle(worker, seq, id=1)
        [job] = [job for job in bench.shell.jobs if isinstance(job, Write)]
        assert job.sync is (sync == "full")
        bench.disk()


def test_a_settlement_that_the_disk_refuses_is_told_and_saved_later(start: Open) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    fill(bench, 1)
    worker.got()
    bench.is_full = True
    settle(worker, 1, id="sure")
    bench.disk()
    [error] = worker.got()
    assert (error["code"], error["id"]) == ("stream_unavailable", "sure")
    assert not bench.shell.jobs, "it is not tried again at once"
    bench.is_full = False
    assert bench.shell.alarms[-1] <= bench.now + 1
    bench.wait(1)
    assert bench.disk() == 1
    worker = (bench := start()).client("worker")
    durable(worker)
    bench.disk()
    assert seqs(worker) == []


def test_who_confirms_faster_than_the_disk_is_held(start: Open) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    fill(bench, 1)
    frame = {"type": "ack", "durable": "work", "seq": 1, "id": 1}
    for _ in range(50):
        worker.send(*[frame] * 1000)
    assert worker.wire.is_paused
    bench.disk()
    assert not worker.wire.is_paused


def test_what_is_being_written_counts_towards_what_waits(start: Open) -> None:
    bench = start()
    one, two = bench.client("one"), bench.client("two")
    for _ in range(5):
        one.publish("docs.a", "x" * 1_000_000)
    one.publish("docs.a", "x" * 1_000_000)
    assert len(bench.shell.jobs) == 1, "the first is under way, the others were gathered"
    job = bench.shell.jobs.pop()
    assert isinstance(job, Write)
    bench.switch.stored(job, bench.file.write(job), bench.now)
    for _ in range(3):
        assert not two.wire.is_paused
        two.publish("docs.a", "x" * 1_000_000)
    two.publish("docs.a", "x" * 1_000_000)
    assert two.wire.is_paused
    bench.disk()
    assert not two.wire.is_paused


def test_giving_up_is_as_sure_as_it_is_said_to_be(start: Open) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    fill(bench, 1)
    worker.got()
    settle(worker, 1, "term", id="sure", reason="no such document")
    for job in [job for job in bench.shell.jobs if isinstance(job, Write)]:
        bench.switch.stored(job, bench.file.write(job), bench.now)
    bench.switch.flush()
    assert worker.got() == [{"type": "ack", "id": "sure", "seq": 1}]
    bench.shell.jobs.clear()  # its dead letter was not published yet
    bench = start()
    undertaker, worker = bench.client("undertaker"), bench.client("worker")
    undertaker.subscribe("_dead.>")
    durable(worker)
    bench.disk()
    assert seqs(worker) == []
    [letter] = undertaker.got()
    assert letter["data"]["reason"] == "no such document"


# ── a disk that refuses ─────────────────────────────────────────────────────────────────────


def test_a_repeat_of_what_the_disk_refused_is_no_repeat(start: Open) -> None:
    bench = start()
    writer = bench.client("writer")
    bench.is_full = True
    writer.publish("docs.a", 1, event_id="x", ack=True)
    writer.publish("docs.a", 1, event_id="x", ack=True)
    [job] = bench.shell.jobs
    bench.shell.jobs.clear()
    bench.switch.stored(job, Failed(why="full"), bench.now)
    bench.is_full = False
    bench.disk()
    assert [frame.get("code") for frame in writer.got()] == ["stream_unavailable"] * 2


def test_a_repeat_of_what_is_kept_is_one_whatever_the_disk_does_meanwhile(start: Open) -> None:
    bench = start()
    writer = bench.client("writer")
    writer.publish("docs.a", 1, event_id="x", ack=True)
    writer.publish("docs.a", 1, event_id="x", ack=True)
    bench.disk(1)
    bench.is_full = True
    bench.disk()
    first, second = writer.got()
    assert (first["seq"], second["duplicate"]) == (1, True)
    assert writer.publish("docs.a", 1, event_id="x", ack=True) == [], "and while it is refusing"
    bench.disk()
    [third] = writer.got()
    assert third["duplicate"] is True


@pytest.mark.parametrize("is_full", [False, True], ids=["kept", "refused again"])
def test_a_repeat_of_what_was_refused_is_refused_though_it_was_sent_again(
    start: Open, is_full: bool
) -> None:
    """The third is under way when the second is answered, which repeats the first alone."""
    bench = start()
    writer = bench.client("writer")
    frame = {"type": "event", "event": "docs.a", "event_id": "e", "data": 1, "ack": True}
    writer.send(frame)
    writer.send(frame)
    bench.is_full = True
    bench.disk(1)
    assert [answer["code"] for answer in writer.got()] == ["stream_unavailable"]
    bench.wait(1)
    writer.send(frame)
    bench.is_full = is_full
    bench.disk()
    second, third = writer.got()
    assert second["code"] == "stream_unavailable"
    assert third.get("code") == ("stream_unavailable" if is_full else None)
    assert third.get("seq") == (None if is_full else 1)
    bench.is_full = False
    bench.wait(1)
    fourth, *_ = writer.send(frame) or [None]
    bench.disk()
    fourth = fourth or writer.got()[0]
    assert fourth.get("duplicate", False) is not is_full


def test_a_dead_letter_that_the_disk_refuses_is_said_once_and_kept_later(start: Open) -> None:
    bench = start({**DOCS, **DEAD})
    undertaker, worker = bench.client("undertaker"), bench.client("worker")
    undertaker.subscribe("_dead.>")
    durable(worker)
    fill(bench, 1)
    worker.got()
    bench.is_full = True
    settle(worker, 1, "term", reason="no")
    bench.disk()
    assert [frame["event"] for frame in undertaker.got()] == ["_dead.work"]
    bench.is_full = False
    bench.wait(1)
    bench.disk()
    assert undertaker.got() == []
    reader = bench.client("reader")
    durable(reader, "bury", "_dead.>", start="all")
    bench.disk()
    assert [frame["data"]["reason"] for frame in reader.got() if frame["type"] == "event"] == ["no"]


def test_what_is_too_old_is_not_looked_for_all_the_time_on_a_broken_disk(start: Open) -> None:
    bench = start({"docs": {"subjects": ["docs.>"], "max_age": 10.0}})
    fill(bench, 1)
    bench.is_full = True
    bench.wait(11)
    assert bench.disk() == 1
    assert min(bench.shell.alarms[-2:]) >= bench.now + 1


def test_what_could_not_be_read_is_asked_for_again(start: Open) -> None:
    bench = start()
    fill(bench, 2)
    for where in ("all", {"time": "2020-01-01T00:00:00Z"}):
        worker = bench.client(f"worker-{len(bench.switch.sessions)}")
        durable(worker, start=where)
        [read] = [job for job in bench.shell.jobs if isinstance(job, Read)]
        bench.shell.jobs.remove(read)
        bench.switch.stored(read, Failed(why="input/output error"), bench.now)
        bench.disk()
        assert seqs(worker) == []
        bench.wait(1)
        bench.disk()
        assert seqs(worker) == [1, 2]


# ── lives of the Hub, and changed settings ──────────────────────────────────────────────────


def test_the_end_of_the_hub_spends_the_attempt_of_the_event_that_was_worked_on_alone(
    start: Open,
) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker, max_deliver=1)
    fill(bench, 3)
    assert seqs(worker) == [1, 2, 3]
    bench = start()
    undertaker, worker = bench.client("undertaker"), bench.client("worker")
    undertaker.subscribe("_dead.>")
    durable(worker, max_deliver=1)
    bench.disk()
    assert seqs(worker) == [2, 3]
    [letter] = undertaker.got()
    assert (letter["data"]["seq"], letter["data"]["reason"]) == (1, "disconnected")


def test_what_a_stream_kept_under_other_patterns_is_no_match(start: Open) -> None:
    bench = start({"docs": {"subjects": ["docs.>", "secret.>"]}})
    fill(bench, 1, "secret.a")
    fill(bench, 1, "docs.a")
    bench = start()
    worker, reader = bench.client("worker"), bench.client("reader")
    durable(worker, start="all")
    replay = {"seq": 1, "follow": False}
    reader.send({"type": "subscribe", "events": ["docs.>"], "replay": replay})
    bench.disk()
    assert seqs(worker) == [2]
    assert seqs(reader)[:1] == [2]


def test_bounds_that_were_lowered_hold_from_the_start(start: Open) -> None:
    fill(start(), 5)
    bench = start({"docs": {"subjects": ["docs.>"], "max_events": 2}})
    bench.wait(0.1)
    bench.disk()
    assert bench.switch.streaming is not None
    assert bench.switch.streaming.streams["docs"].extent.first == 4


def test_a_bound_by_size_leaves_the_newest(start: Open) -> None:
    bench = start({"docs": {"subjects": ["docs.>"], "max_size": 1000}})
    worker = bench.client("worker")
    durable(worker)
    bench.switch.close(worker.session)
    fill(bench, 1, size=5000)
    durable(worker := bench.client("worker"))
    bench.disk()
    assert seqs(worker) == [1]
    writer = bench.client("writer")
    writer.send(*({"type": "event", "event": "docs.a", "data": "x" * 60} for _ in range(20)))
    bench.disk()
    assert bench.switch.streaming is not None
    extent = bench.switch.streaming.streams["docs"].extent
    assert extent.last == 21
    assert 2 <= extent.count < 20
    assert extent.size <= 1000


def test_a_stream_that_is_taken_out_and_named_again_goes_on(start: Open) -> None:
    bench = start({**DOCS, "more": {"subjects": ["more.>"]}})
    worker = bench.client("worker")
    durable(worker)
    fill(bench, 2)
    settle(worker, 1, id=1)
    bench.disk()
    fill(start({"more": {"subjects": ["more.>"]}}), 1, "more.a")
    worker = (bench := start()).client("worker")
    durable(worker)
    fill(bench, 1)
    assert seqs(worker) == [2, 3]


def test_new_patterns_and_terms_hold_for_what_comes_again_too(start: Open) -> None:
    bench = start()
    undertaker, worker = bench.client("undertaker"), bench.client("worker")
    undertaker.subscribe("_dead.>")
    durable(worker)
    fill(bench, 1, "docs.a")
    fill(bench, 2, "docs.b")
    assert seqs(worker) == [1, 2, 3]
    settle(worker, 2, "nack", reason="later")
    bench.disk()
    assert seqs(worker) == [2]
    bench.switch.close(worker.session)
    worker = bench.client("worker")
    durable(worker, "work", "docs.b", max_deliver=1)
    bench.disk()
    assert seqs(worker) == [3], "a lost connection gave it its attempt back"
    letters = [letter["data"] for letter in undertaker.got()]
    assert [(each["seq"], each["attempts"]) for each in letters] == [(1, 1), (2, 1)]


# ── forgetting, leaving, rights ─────────────────────────────────────────────────────────────


def test_what_is_forgotten_is_over_for_all_its_members(start: Open) -> None:
    bench = start()
    fill(bench, 3)
    one, two = bench.client("worker"), bench.client("worker")
    durable(one, start="all")
    durable(two, start="all")
    one.send({"type": "unsubscribe", "events": ["docs.>"], "durable": "work", "forget": True})
    durable(one, start="new")
    bench.disk()
    assert seqs(one) == seqs(two) == []
    bench = start()
    assert b'"position":3' in bench.stored.durables["worker", "work"]


def test_the_end_of_a_durable_is_acknowledged_when_it_is_on_the_disk(start: Open) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    bench.disk()
    frame = {"type": "unsubscribe", "events": ["docs.>"], "durable": "work", "id": "u"}
    assert worker.send({**frame, "forget": True}) == []
    bench.disk()
    assert worker.got() == [{"type": "ack", "id": "u"}]
    assert worker.send({**frame, "forget": True}) == [{"type": "ack", "id": "u"}]
    assert start().stored.durables == {}


def test_what_is_open_is_written_down_once_for_each_transaction(
    start: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    fill(bench, 20)
    states: list[bytes] = []
    state = Desk.state
    monkeypatch.setattr(Desk, "state", lambda desk: states.append(state(desk)) or states[-1])
    for seq in range(1, 21):
        settle(worker, seq)
    bench.disk()
    assert len(states) == 2
    assert b'"position":20' in states[-1]
    assert b"open" not in states[-1]


def test_retention_may_take_what_is_dead_before_its_letter_is_written(start: Open) -> None:
    bench = start({"docs": {"subjects": ["docs.>"], "max_events": 1}})
    undertaker, worker = bench.client("undertaker"), bench.client("worker")
    undertaker.subscribe("_dead.>")
    durable(worker)
    fill(bench, 2)
    assert seqs(worker) == [1, 2]
    settle(worker, 1, "term", reason="no")
    bench.disk()
    [letter] = undertaker.got()
    assert (letter["data"]["seq"], letter["data"]["event"]) == (1, None)


def test_a_replay_ends_with_the_right_to_it(start: Open) -> None:
    bench = start()
    fill(bench, 3)
    reader = bench.client("reader")
    replay = {"type": "subscribe", "events": ["docs.>"], "replay": {"seq": 1}, "id": "r"}
    reader.send(replay)
    bench.switch.change_identity(reader.session, Identity("reader", subscribe=["other"]))
    bench.disk()
    [error] = reader.got()
    assert (error["code"], error["id"]) == ("permission_denied", "r")


def test_a_web_page_decides_nothing_about_what_it_may_not_hear(start: Open) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    fill(bench, 1)
    page = bench.client("worker", subscribe=["ui.>"], is_session=True)
    forget = {"type": "unsubscribe", "events": ["docs.>"], "durable": "work", "forget": True}
    answers = [*settle(page, 1), *settle(page, 1, "term"), *page.send(forget)]
    assert [frame["code"] for frame in answers] == ["permission_denied"] * 3
    assert bench.switch.streaming is not None
    assert bench.switch.streaming.readers.desks["worker", "work"].durable.pending == 1


def test_a_pattern_of_which_nothing_is_kept_is_refused(start: Open) -> None:
    bench = start({**DOCS, "more": {"subjects": ["more.>"]}})
    client = bench.client("worker")
    assert durable(client, "d", "docs.>", "other.>")["code"] == "stream_unknown"
    assert durable(client, "d", "other.>", stream="docs")["code"] == "stream_unknown"
    assert durable(client, "d", "docs.>", "more.>", stream="docs")["code"] == "stream_unknown"
    assert durable(client, "d", "docs.>")["type"] == "ack"
    assert durable(client, "d", "more.>")["code"] == "stream_unknown"


@pytest.mark.parametrize("delay", [-1, 86_401, 1e300])
def test_an_event_is_put_off_for_a_day_at_most(start: Open, delay: float) -> None:
    bench = start()
    worker = bench.client("worker")
    durable(worker)
    fill(bench, 1)
    worker.got()
    [error] = settle(worker, 1, "nack", delay=delay, id=1)
    assert (error["code"], error["id"]) == ("malformed_frame", 1)


def test_a_replay_of_two_streams_has_what_only_the_second_still_has(start: Open) -> None:
    """And each event once, whatever the streams' patterns were when they kept it."""
    bench = start({"all": {"subjects": [">"]}})
    fill(bench, 2)
    bench = start({"docs": {"subjects": ["docs.>"], "max_events": 3}, "all": {"subjects": [">"]}})
    bench.wait(10)
    fill(bench, 4)
    fill(bench, 1, "plain")
    reader = bench.client("reader")
    replay = {"since": "2020-01-01T00:00:00Z", "follow": False}
    reader.send({"type": "subscribe", "events": [">"], "replay": replay, "id": "r"})
    bench.disk()
    *events, ack = reader.got()
    assert [(each["stream"], each["seq"]) for each in events] == [
        ("docs", 2), ("docs", 3), ("docs", 4), ("all", 1), ("all", 2), ("all", 3), ("all", 7),
    ]  # fmt: skip
    assert ack["replayed"] == 7


def test_there_are_only_so_many_durables_and_replays(
    start: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = start()
    fill(bench, 1)
    reader = bench.client("reader")
    frame = {"type": "subscribe", "events": ["docs.>"], "replay": {"seq": 1}, "id": 1}
    answers = reader.send(*[frame] * 9)
    assert [answer["code"] for answer in answers] == ["too_many_subscriptions"]
    bench.disk()
    monkeypatch.setattr("kite.event_hub.core.streams.requests.MOST_DURABLES", 2)
    worker = bench.client("worker")
    assert [durable(worker, name).get("code") for name in ("a", "b", "c", "b")] == [
        None, None, "too_many_subscriptions", None,
    ]  # fmt: skip


# ── bounds ──────────────────────────────────────────────────────────────────────────────────


def test_replays_of_one_connection_together_fill_no_outbox(start: Open) -> None:
    bench = start(outbox_bytes=1 << 20)
    fill(bench, 40, size=100_000)
    reader = bench.client("reader", appetite=0)
    frame = {"type": "subscribe", "events": ["docs.>"], "replay": {"seq": 1, "follow": False}}
    reader.send(*({**frame, "id": number} for number in range(8)))
    bench.disk()
    assert not reader.session.outbox.is_over
    while reader.wire.take():
        bench.switch.writable(reader.session, bench.now)
        bench.disk()
        assert not reader.session.outbox.is_over
    frames = reader.got()
    assert len([each for each in frames if each["type"] == "event"]) == 320
    assert [each["id"] for each in frames if each["type"] == "ack"] == list(range(8))


def test_what_is_read_again_is_bounded(start: Open) -> None:
    bench = start(outbox_bytes=32 << 20)
    one = bench.client("worker")
    durable(one)
    fill(bench, 12, size=900_000)
    assert len(seqs(one)) == 12
    two = bench.client("worker")
    durable(two)
    two.wire.appetite = 0
    bench.switch.close(one.session)
    [pick] = [job for job in bench.shell.jobs if isinstance(job, Pick)]
    assert sum(len(payload) for _, payload in bench.file.pick(pick).records) < 2 << 20
    bench.disk()
    for _ in range(20):
        two.wire.take()
        bench.switch.writable(two.session, bench.now)
        bench.disk()
    assert seqs(two) == list(range(1, 13))


def test_an_alarm_for_one_durable_does_not_ask_all_of_them(start: Open) -> None:
    bench = start()
    clients = []
    for number in range(50):
        clients.append(bench.client(f"worker-{number}"))
        durable(clients[-1], ack_wait=10 + number)
    fill(bench, 1)
    assert bench.switch.streaming is not None
    readers = bench.switch.streaming.readers
    assert readers.next_deadline() == bench.now + 10
    settle(clients[0], 1)
    bench.wait(10)
    assert readers.next_deadline() == bench.now + 1
    bench.wait(1)
    bench.disk()
    assert [each["attempt"] for each in clients[1].got() if "attempt" in each] == [1, 2]
