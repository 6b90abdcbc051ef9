"""The Hub's decisions, with clients that are lists of frames."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hub_fakes import Bench, Client

from kite.event_hub.core.rights import Identity
from kite.event_hub.core.switch import TRY_AGAIN_LATER
from kite.event_hub.limits import Deduplication


def codes(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["code"] for frame in frames if frame["type"] == "error"]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_event_travels_as_the_senders_own_bytes(bench: Bench) -> None:
    reader = bench.client("reader")
    reader.subscribe("a.>")
    frame = (
        b'{"type" : "event","event":"a.b","data":{"n":1.50,"s":"\\u00e9\xc3\xa9"},"x":[ ],'
        b'"event_id":"1","source":"writer","timestamp":"2026-01-01T00:00:00Z","ack":true}'
    )
    bench.client("writer").send(frame)
    assert frame in bytes(reader.wire.taken)


def test_the_hub_fills_in_what_is_missing(bench: Bench) -> None:
    reader = bench.client("reader")
    reader.subscribe("a")
    bench.client("writer").publish("a", 5)
    [event] = reader.got()
    assert event == {
        "type": "event", "event": "a", "data": 5, "source": "writer",
        "event_id": "made-1", "timestamp": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip


def test_one_copy_however_many_subscriptions_match(bench: Bench) -> None:
    reader = bench.client("reader")
    reader.subscribe("a.b", "a.*", "a.>", ">")
    reader.subscribe("a.b", queue="q")
    [ack] = bench.client("writer").publish("a.b", ack=True)
    assert ack["delivered"] == 1
    assert len(reader.got()) == 1


def test_events_of_one_publisher_arrive_in_order_over_changing_routes(bench: Bench) -> None:
    both, one = bench.client("both"), bench.client("one")
    both.subscribe("a", "b")
    both.subscribe("c", queue="q")
    one.subscribe("a")
    writer = bench.client("writer")
    subjects = ["a", "a", "b", "c", "a", "b", "b", "c", "c", "a"]
    writer.send(*({"type": "event", "event": name, "data": n} for n, name in enumerate(subjects)))
    assert [event["data"] for event in both.got()] == list(range(10))
    assert [event["data"] for event in one.got()] == [0, 1, 4, 9]


def test_a_subscription_is_granted_whole_or_refused_whole(bench: Bench) -> None:
    reader = bench.client("reader", subscribe=["a.>"])
    [error] = reader.send({"type": "subscribe", "events": ["a.b", "b"], "id": 1})
    assert (error["code"], error["id"]) == ("permission_denied", 1)
    [error] = reader.send({"type": "subscribe", "events": ["a.b", "a..b"], "id": 2})
    assert (error["code"], error["id"]) == ("invalid_pattern", 2)
    bench.client("writer").publish("a.b")
    assert reader.got() == []


def test_subscribing_again_replaces_the_options(bench: Bench) -> None:
    me = bench.client("me")
    me.subscribe("a")
    assert [frame["type"] for frame in me.publish("a")] == ["event"]
    me.subscribe("a", echo=False)
    assert me.publish("a") == []
    me.subscribe("a", observe=True)
    frames = me.publish("a", ack=True)
    assert [frame["type"] for frame in frames] == ["event", "ack"]
    assert frames[1]["delivered"] == 0


def test_echo_false_spares_ones_own_events_only(bench: Bench) -> None:
    me, other = bench.client("me"), bench.client("me")
    me.subscribe("a", echo=False)
    other.publish("a", 1)
    ack = me.publish("a", 2, ack=True)[-1]
    assert ack["delivered"] == 0
    assert [event["data"] for event in me.wire.events()] == [1]


def test_unsubscribe_is_acknowledged_also_when_there_was_none(bench: Bench) -> None:
    reader = bench.client("reader")
    reader.subscribe("a")
    reader.subscribe("a", queue="q")
    [ack] = reader.send({"type": "unsubscribe", "events": ["a", "never"], "id": 5})
    assert ack == {"type": "ack", "id": 5}
    [ack] = bench.client("writer").publish("a", ack=True)
    assert ack["delivered"] == 1  # the queue's member is still there
    reader.send({"type": "unsubscribe", "events": ["a"], "queue": "q", "id": 6})
    [ack] = bench.client("writer").publish("a", ack=True)
    assert ack["delivered"] == 0


def test_each_queue_group_chooses_one_member(bench: Bench) -> None:
    members = [bench.client("worker") for _ in range(3)]
    for member in members:
        member.subscribe("job", queue="q")
    other = bench.client("audit")
    other.subscribe("job", queue="audit")
    acks = bench.client("writer").send(
        *({"type": "event", "event": "job", "data": n, "ack": True} for n in range(9))
    )
    assert {ack["delivered"] for ack in acks} == {2}
    assert [len(member.got()) for member in members] == [3, 3, 3]
    assert len(other.got()) == 9


def test_a_queue_prefers_the_member_with_the_least_waiting(bench: Bench) -> None:
    stuck, free = bench.client("worker"), bench.client("worker")
    stuck.subscribe("job", queue="q")
    free.subscribe("job", queue="q")
    stuck.wire.appetite = 0
    writer = bench.client("writer")
    for n in range(10):
        writer.publish("job", n)
    assert len(free.got()) >= 9
    assert stuck.session.outbox.waiting <= 1


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"event": ""}, "invalid_subject"),
        ({"event": "a..b"}, "invalid_subject"),
        ({"event": "a.*"}, "invalid_subject"),
        ({"event": "a b"}, "invalid_subject"),
        ({"event": "a" * 256}, "invalid_subject"),
        ({"event": "module.started"}, "permission_denied"),
        ({"event": "hub.x"}, "permission_denied"),
        ({"event": "a", "source": "other"}, "permission_denied"),
        ({"event": "a", "source": "operator"}, "permission_denied"),
        ({"event": "a", "event_id": ""}, "invalid_event_id"),
        ({"event": "a", "event_id": "x" * 129}, "invalid_event_id"),
        ({"event": "a", "event_id": "鸢" * 43}, "invalid_event_id"),
        ({"event": "a", "timestamp": "yesterday"}, "malformed_frame"),
        ({"event": "a", "timestamp": 5}, "malformed_frame"),
        ({"event": "a", "headers": []}, "malformed_frame"),
        ({"event": "a", "headers": None}, "malformed_frame"),
        ({"event": "a", "ack": 1}, "malformed_frame"),
        ({"event": "a", "reply_to": "a"}, "permission_denied"),
        ({"event": "a", "reply_to": "_reply.other.1"}, "permission_denied"),
        ({"event": "a", "reply_to": "_reply.writer"}, "permission_denied"),
        ({"event": "a", "reply_to": "_reply.writer..1"}, "invalid_subject"),
        ({"event": "a", "data": json.loads("[" * 64 + "]" * 64)}, "too_deep"),
        ({"event": 7}, "malformed_frame"),
        ({}, "malformed_frame"),
    ],
)
def test_a_refused_event_goes_nowhere_and_the_connection_stays(
    bench: Bench, frame: dict[str, Any], code: str
) -> None:
    reader = bench.client("reader")
    reader.subscribe(">")
    writer = bench.client("writer")
    [error] = writer.send({"type": "event", "event_id": "e1", "ack": True, **frame})
    assert error["code"] == code
    assert error["event_id"] == frame.get("event_id", "e1")
    assert error["message"]
    assert "{" not in error["message"]
    assert reader.got() == []
    [ack] = writer.publish("fine", ack=True, event_id="e2")
    assert ack == {"type": "ack", "event_id": "e2", "delivered": 1}


def test_ids_and_subjects_may_be_as_long_as_promised(bench: Bench) -> None:
    writer = bench.client("writer")
    [ack] = writer.publish("s" * 255, event_id="鸢" * 42 + "ab", ack=True)
    assert ack["type"] == "ack"


def test_a_repeat_is_accepted_once_per_source(bench: Bench) -> None:
    reader = bench.client("reader")
    reader.subscribe("a")
    one, again, other = bench.client("w1"), bench.client("w1"), bench.client("w2")
    assert one.publish("a", event_id="x", ack=True)[0]["delivered"] == 1
    [ack] = again.publish("a", event_id="x", ack=True)
    assert ack == {"type": "ack", "event_id": "x", "delivered": 0, "duplicate": True}
    assert other.publish("a", event_id="x", ack=True)[0]["delivered"] == 1
    assert [event["source"] for event in reader.got()] == ["w1", "w2"]


def test_only_accepted_events_are_remembered(bench: Bench) -> None:
    writer = bench.client("writer", publish=["ok", "ask"])
    assert codes(writer.publish("not.mine", event_id="x")) == ["permission_denied"]
    assert codes(writer.publish("ask", event_id="x", reply_to="_reply.writer.1")) == [
        "no_responders"
    ]
    [ack] = writer.publish("ok", event_id="x", ack=True)
    assert "duplicate" not in ack


def test_an_id_is_forgotten_after_the_window() -> None:
    bench = Bench(deduplication=Deduplication(seconds=120))
    writer = bench.client("writer")
    writer.publish("a", event_id="x")
    bench.now += 119
    assert writer.publish("a", event_id="x", ack=True)[0]["duplicate"]
    bench.now += 2
    assert "duplicate" not in writer.publish("a", event_id="x", ack=True)[0]
    rung = 0
    while bench.shell.alarms:
        bench.switch.advance(bench.shell.alarms.pop())
        rung += 1
    assert rung <= 4  # no ticking: only when something is due
    assert len(writer.session.recent) == 0


def test_no_responders(bench: Bench) -> None:
    asker = bench.client("asker")
    ask = {"reply_to": "_reply.asker.1", "event_id": "q"}
    [error] = asker.publish("do", **ask)
    assert (error["code"], error["event_id"]) == ("no_responders", "q")
    spectator, everything = bench.client("s"), bench.client("operator")
    spectator.subscribe("do", observe=True)
    everything.subscribe(">")
    assert codes(asker.publish("do", **ask)) == ["no_responders"]
    worker = bench.client("worker")
    worker.subscribe("do", queue="q")
    [ack] = asker.publish("do", **ask, ack=True)
    assert ack["delivered"] == 2
    assert len(spectator.got()) == len(worker.got()) == 1


def test_replies_reach_who_asked_and_the_operator_alone(bench: Bench) -> None:
    asker, operator, spy = bench.client("asker"), bench.client("operator"), bench.client("spy")
    asker.subscribe("_reply.asker.>")
    operator.subscribe(">")
    spy.subscribe(">", "_reply.>")
    assert codes(spy.send({"type": "subscribe", "events": ["_reply.asker.>"]})) == [
        "permission_denied"
    ]
    worker = bench.client("worker", publish=[])
    [ack] = worker.publish("_reply.asker.7", 42, ack=True)
    assert ack["delivered"] == 2
    assert [event["data"] for event in asker.got()] == [42]
    assert [frame["data"] for frame in operator.wire.events() if "_reply" in frame["event"]] == [42]
    assert [event["event"] for event in spy.wire.events()] == ["hub.started"]


def test_a_module_speaks_about_itself_whatever_its_lists_say(bench: Bench) -> None:
    launcher = bench.client("launcher")
    launcher.subscribe("module.>")
    module = bench.client("mute", publish=[], subscribe=[])
    module.subscribe("module.shutdown", "_reply.mute.>")
    for subject in ("module.ready", "module.shutdown.ack", "module.shutdown.ready"):
        [ack] = module.publish(subject, {"module_id": "mute", "life": 2}, ack=True)
        assert ack["delivered"] == 1
        assert codes(module.publish(subject, {"module_id": "other"})) == ["permission_denied"]
        for data in (None, {}, [], "mute", {"module_id": ["mute"]}):
            assert codes(module.publish(subject, data)) == ["permission_denied"]
    assert len(launcher.got()) == 3
    launcher.publish("module.shutdown", {"module_id": "mute"})
    assert [event["event"] for event in module.got()] == ["module.shutdown"]


def test_the_operator_may_do_anything_but_what_is_reserved(bench: Bench) -> None:
    operator = bench.client("operator")
    operator.subscribe(">", "_reply.anyone.>", "hub.>")
    [event, ack] = operator.publish("docs.x", ack=True)
    assert (event["source"], ack["delivered"]) == ("operator", 1)
    for subject in ("module.ready", "launcher.x", "registry.x", "hub.x", "_dead.x"):
        frames = operator.publish(subject, {"module_id": "operator"})
        assert codes(frames) == ["permission_denied"]


def test_hub_started_is_the_first_event_once_per_connection(bench: Bench) -> None:
    writer, reader = bench.client("writer"), bench.client("reader")
    reader.subscribe("a")
    frames = reader.send(
        {"type": "subscribe", "events": [">"], "id": 1},
        {"type": "event", "event": "a"},
        {"type": "subscribe", "events": ["hub.*"], "id": 2},
    )
    writer.publish("a")
    names = [frame.get("event", frame["type"]) for frame in frames + reader.got()]
    assert names == ["ack", "hub.started", "a", "ack", "a"]
    [started] = [frame for frame in reader.wire.events() if frame["event"] == "hub.started"]
    assert (started["data"], started["source"]) == ({"epoch": "e1"}, "event_hub")


def test_subscriptions_are_bounded() -> None:
    bench = Bench(subscriptions=3, pattern_tokens=20)
    reader = bench.client("reader")
    reader.subscribe("a", "b", "c")
    reader.subscribe("a", "b", "c", echo=False)  # replaces: no more than before
    assert codes(reader.send({"type": "subscribe", "events": ["d"]})) == ["too_many_subscriptions"]
    other = bench.client("other")
    assert codes(other.send({"type": "subscribe", "events": [".".join("x" * 18)]})) == [
        "too_many_subscriptions"
    ]
    other.subscribe(".".join("x" * 17))
    bench.switch.close(other.session)
    bench.client("third").subscribe(".".join("y" * 17))


# ── backpressure ────────────────────────────────────────────────────────────────────────────────

BIG = "x" * 1000


def fill(writer: Client, subject: str = "a", count: int = 20) -> None:
    for _ in range(count):
        writer.publish(subject, BIG)


@pytest.fixture
def narrow() -> Bench:
    return Bench(outbox_bytes=10_000)


def test_who_feeds_a_full_outbox_is_not_read_until_it_has_room(narrow: Bench) -> None:
    reader, writer, innocent = (narrow.client(name) for name in ("reader", "writer", "innocent"))
    reader.subscribe("a")
    reader.wire.appetite = 0
    fill(writer)
    innocent.publish("b", BIG)
    assert writer.wire.is_paused
    assert not innocent.wire.is_paused
    assert reader.session.stalls == 1
    while reader.wire.is_paused or not reader.wire.take(3000):
        pass
    reader.wire.appetite = None
    narrow.switch.writable(reader.session, narrow.now + 0.1)
    assert not writer.wire.is_paused
    assert reader.session.outbox.dropped == 0
    assert len(reader.wire.events()) == 20


def test_core_modules_are_never_held(narrow: Bench) -> None:
    reader = narrow.client("reader")
    reader.subscribe("module.>", "registry.>")
    reader.wire.appetite = 0
    launcher, registry = narrow.client("launcher"), narrow.client("registry")
    fill(launcher, "module.started")
    fill(registry, "registry.registered")
    assert not launcher.wire.is_paused
    assert not registry.wire.is_paused


def test_a_slow_consumer_alone_is_cut_and_everyone_learns_of_it(narrow: Bench) -> None:
    reader, writer, fine = (narrow.client(name) for name in ("reader", "writer", "fine"))
    observer = narrow.client("observer")
    observer.subscribe("hub.slow_consumer")
    reader.subscribe("a")
    fine.subscribe("a")
    before = len(reader.wire.messages())
    reader.wire.appetite = 1500  # one event fits, the second in part
    fill(writer)
    start = narrow.now
    now = start
    while (
        pending := [at for at in narrow.shell.alarms if at > now]
    ) and reader.wire.finished is None:
        now = min(pending)
        narrow.switch.advance(now)
        narrow.switch.flush()
    assert reader.wire.finished == (TRY_AGAIN_LATER, "slow_consumer")
    assert now - start == pytest.approx(2.0)
    assert not writer.wire.is_paused
    reader.wire.take()
    narrow.switch.writable(reader.session, now)
    frames = reader.wire.messages()[before:]
    events = [frame for frame in frames if frame["type"] == "event"]
    [error] = [frame for frame in frames if frame["type"] == "error"]
    assert frames[-1] == error
    assert error["code"] == "slow_consumer"
    assert error["missed"] == 20 - len(events)
    assert len(events) == 2
    [told] = [event for event in observer.got() if event["event"] == "hub.slow_consumer"]
    assert told["source"] == "event_hub"
    assert told["data"]["module_id"] == "reader"
    assert told["data"]["missed"] == error["missed"]
    assert len(fine.wire.events()) == 20
    # It gets nothing more, and the accounts close.
    writer.publish("a", BIG)
    narrow.switch.close(reader.session)
    outbox = reader.session.outbox
    assert (outbox.delivered, outbox.dropped) == (2, 18)
    assert narrow.switch.tally.slow_consumers == 1


def test_a_reader_that_takes_enough_is_not_cut() -> None:
    narrow = Bench(outbox_bytes=10_000, slow_rate=50_000)
    reader, writer = narrow.client("reader"), narrow.client("writer")
    reader.subscribe("a")
    reader.wire.appetite = 0
    fill(writer)
    for _ in range(40):
        narrow.now += 0.25
        while reader.wire.pending:
            reader.wire.take()
            narrow.switch.writable(reader.session, narrow.now)
        reader.wire.appetite = 0
        narrow.switch.advance(narrow.now)
        fill(writer, count=30)
    assert reader.wire.finished is None


def test_who_does_not_read_its_own_acks_is_not_read(narrow: Bench) -> None:
    me = narrow.client("me")
    me.wire.appetite = 0
    for n in range(300):
        me.publish("nobody.listens", ack=True, event_id=str(n))
    assert me.wire.is_paused
    assert me.session.outbox.queued < 40_000


def test_an_outbox_far_over_its_limit_is_cut_at_once() -> None:
    narrow = Bench(outbox_bytes=10_000, outbox_most_bytes=100_000)
    reader = narrow.client("reader")
    reader.subscribe("module.>")
    reader.wire.appetite = 0
    launcher = narrow.client("launcher")
    fill(launcher, "module.started", count=400)
    assert reader.wire.finished == (TRY_AGAIN_LATER, "slow_consumer")
    assert reader.session.outbox.queued < 1000


def test_publishers_are_let_go_when_the_reader_leaves(narrow: Bench) -> None:
    reader, writer = narrow.client("reader"), narrow.client("writer")
    reader.subscribe("a")
    reader.wire.appetite = 0
    fill(writer)
    narrow.switch.close(reader.session)
    assert not writer.wire.is_paused


def test_a_publisher_that_leaves_while_held_is_forgotten(narrow: Bench) -> None:
    reader, writer = narrow.client("reader"), narrow.client("writer")
    reader.subscribe("a")
    reader.wire.appetite = 0
    fill(writer)
    narrow.switch.close(writer.session)
    assert not reader.session.holds
    assert not writer.wire.is_paused


# ── tokens and ends ─────────────────────────────────────────────────────────────────────────────


def test_a_dismissed_client_is_not_heard_any_more(bench: Bench) -> None:
    reader, gone = bench.client("reader"), bench.client("gone")
    reader.subscribe("a")
    gone.subscribe("a")
    bench.switch.dismiss(gone.session, 4401, "the token is dead")
    assert gone.wire.finished == (4401, "the token is dead")
    assert gone.publish("a") == []
    assert reader.wire.events() == []
    bench.client("writer").publish("a")
    assert len(reader.wire.events()) == 1
    assert gone.wire.events() == []


def test_narrower_rights_end_what_they_no_longer_cover(bench: Bench) -> None:
    reader = bench.client("reader")
    reader.subscribe("a.>", "b.>")
    bench.switch.change_identity(reader.session, Identity("reader", subscribe=["a.>"], publish=[]))
    bench.switch.flush()
    assert codes(reader.got()) == ["permission_denied"]
    writer = bench.client("writer")
    writer.publish("a.x")
    writer.publish("b.x")
    assert [event["event"] for event in reader.got()] == ["a.x"]
    assert codes(reader.publish("a.x")) == ["permission_denied"]


def test_closed_connections_stay_in_the_accounts(bench: Bench) -> None:
    reader, writer = bench.client("reader"), bench.client("writer")
    reader.subscribe("a")
    writer.publish("a", event_id="1")
    writer.publish("a", event_id="1")
    writer.publish("a..")
    for client in (reader, writer):
        bench.switch.close(client.session)
        bench.switch.close(client.session)
    closed = bench.switch.tally.closed
    assert (closed["reader"].delivered, closed["writer"].published) == (1, 1)
    assert (closed["writer"].duplicates, closed["writer"].refused) == (1, 1)
    assert bench.switch.sessions == {}
