"""One durable subscription, against everything that can happen to it."""

from __future__ import annotations

from durable_log import Log, Reader, make

from kite.event_hub.core.streams.decisions import Fetch, FetchAgain, Terms
from kite.event_hub.core.streams.durable import Durable
from kite.event_hub.core.streams.flights import ACK_WAIT, DISCONNECTED


def seqs(log: Log) -> list[int]:
    return [seq for _, seq, _ in log.delivered]


def test_what_arrives_is_delivered_once_and_settled() -> None:
    log, _ = make()
    log.publish(b"1", b"other", b"3")
    log.work(0)
    assert seqs(log) == [1, 3]
    assert log.durable.settle(1)
    assert not log.durable.settle(1)
    assert log.durable.settle(3)
    log.work(1000)
    assert seqs(log) == [1, 3]
    assert (log.durable.position, log.durable.open()) == (3, {})


def test_an_event_that_is_not_settled_comes_again_and_dies_in_the_end() -> None:
    log, _ = make(ack_wait=10, max_deliver=2)
    log.publish(b"1")
    log.work(0)
    assert log.durable.next_deadline() == 10
    log.work(9.9)
    assert seqs(log) == [1]
    log.work(10)
    assert [attempt for *_, attempt in log.delivered] == [1, 2]
    log.work(20)
    assert log.dead == [(1, 2, ACK_WAIT)]
    assert log.durable.open() == {}


def test_a_refusal_waits_for_its_delay() -> None:
    log, _ = make(ack_wait=10)
    log.publish(b"1", b"2")
    log.work(0)
    assert log.durable.refuse(1, 1, delay=5)
    assert log.durable.next_deadline() == 6
    log.work(5)
    assert seqs(log) == [1, 2]
    log.work(6)
    assert seqs(log) == [1, 2, 1]


def test_who_gives_up_buries_at_once() -> None:
    log, _ = make()
    log.publish(b"1")
    log.work(0)
    assert log.durable.give_up(1, "no such document")
    log.work(0)
    assert log.dead == [(1, 1, "no such document")]


def test_a_lost_connection_spends_an_attempt_of_the_event_it_was_at_alone() -> None:
    log, reader = make(max_deliver=2)
    log.publish(b"1", b"2", b"3")
    for turn in range(1, 3):
        log.work(turn)
        log.durable.leave(reader)
        log.durable.join(reader)
    log.work(3)
    assert log.dead == [(1, 2, DISCONNECTED)]
    assert log.durable.open() == {2: 1, 3: 0}


def test_no_more_are_in_flight_than_agreed() -> None:
    log, _ = make(max_in_flight=2)
    log.publish(b"1", b"2", b"3", b"4", b"5")
    log.work(0)
    assert seqs(log) == [1, 2]
    log.durable.settle(2)
    log.work(0)
    assert seqs(log) == [1, 2, 3]


def test_two_members_share_and_a_full_one_gets_nothing() -> None:
    log, one = make()
    two = Reader(2)
    log.durable.join(two)
    log.publish(b"1", b"2", b"3", b"4")
    log.work(0)
    assert [member for member, *_ in log.delivered].count(one) == 2
    one.is_ready = False
    log.publish(b"5", b"6")
    log.work(0)
    assert [member for member, *_ in log.delivered][4:] == [two, two]


def test_who_has_the_least_in_hand_is_next() -> None:
    log, _ = make()
    two = Reader(2)
    log.publish(*(b"%d" % number for number in range(6)))
    log.work(0)
    log.durable.join(two)
    log.publish(*(b"%d" % number for number in range(6)))
    log.work(0)
    assert [member for member, *_ in log.delivered[6:]] == [two] * 6


def test_what_retention_took_is_told() -> None:
    log, reader = make()
    log.durable.leave(reader)
    log.publish(b"1", b"2", b"3", b"4")
    del log.events[1], log.events[2]
    log.durable.join(reader)
    log.work(0)
    assert log.missed == [(1, 2)]
    assert seqs(log) == [3, 4]


def test_what_was_open_in_an_earlier_life_is_delivered_again() -> None:
    durable: Durable[Reader] = Durable(
        Terms(patterns=(">",)), lambda _: True, position=3, last=4, open={2: 1}
    )
    log = Log(durable)
    log.events, log.last = {seq: b"%d" % seq for seq in range(1, 5)}, 4
    durable.join(Reader())
    log.work(0)
    assert [(seq, attempt) for _, seq, attempt in log.delivered] == [(2, 2), (4, 1)]


def test_a_reading_from_before_everybody_left_says_nothing_about_gaps() -> None:
    durable: Durable[Reader] = Durable(Terms(patterns=(">",)), lambda _: True, position=0, last=4)
    reader = Reader()
    durable.join(reader)
    assert durable.work(0) == [Fetch(0)]
    durable.fetched([(1, b"1"), (2, b"2")], 2)
    assert durable.work(0)[-1] == Fetch(2)
    durable.settle(1)
    durable.leave(reader)
    durable.join(reader)
    durable.fetched([(3, b"3")], 3)  # what was asked for before; it is at 2 still
    reader.is_ready = False
    assert [type(action) for action in durable.work(0)] == [FetchAgain]


def test_what_new_patterns_do_not_match_does_not_come_again() -> None:
    log, reader = make()
    log.publish(b"old", b"new")
    log.work(0)
    log.durable.leave(reader)
    log.durable.agree(Terms(patterns=("new",)), lambda payload: payload == b"new")
    log.durable.join(reader)
    log.work(1)
    assert seqs(log) == [1, 2, 2]
    assert (log.durable.open(), log.dead) == ({2: 1}, [])


def test_deadlines_of_what_is_settled_are_cleared_away_while_one_is_put_off_for_long() -> None:
    log, _ = make(ack_wait=86_400)
    log.publish(b"0")
    log.work(0)
    log.durable.refuse(1, 0, delay=1000)
    for number in range(2, 2000):
        log.publish(b"%d" % number)
        log.work(number / 1000)
        log.durable.settle(number)
    assert len(log.durable._flights._deadlines) < 200
    assert log.durable.next_deadline() == 1000


def test_who_refuses_what_another_has_by_now_is_not_heard() -> None:
    log, one = make(ack_wait=10)
    log.publish(b"1")
    log.work(0)
    two = Reader(2)
    log.durable.join(two)
    one.is_ready = False
    log.work(10)
    assert log.delivered[-1] == (two, 1, 2)
    assert not log.durable.refuse(1, 11, by=one)
    assert log.durable.refuse(1, 11, by=Reader(3)), "any other connection of the module may"
    log.work(11)
    assert log.delivered[-1] == (two, 1, 3)
    assert log.durable.refuse(1, 12, by=two)


def test_what_could_not_be_read_is_asked_for_again_after_a_while() -> None:
    durable: Durable[Reader] = Durable(Terms(patterns=(">",)), lambda _: True, position=0, last=4)
    durable.join(Reader())
    assert durable.work(0) == [Fetch(0)]
    durable.failed(0)
    assert durable.work(0.5) == []
    assert durable.next_deadline() == 1
    assert durable.work(1) == [Fetch(0)]


def test_where_a_durable_begins_in_time_is_looked_up_once_and_is_no_gap() -> None:
    durable: Durable[Reader] = Durable(
        Terms(patterns=(">",)), lambda _: True, position=0, last=9, since=5.0
    )
    durable.join(Reader())
    assert durable.work(0) == [Fetch(0, 5.0)]
    durable.fetched([(7, b"7")], 7)
    actions = durable.work(0)
    assert [type(action).__name__ for action in actions] == ["Deliver", "Fetch"]
    assert (actions[-1], durable.since, durable.position) == (Fetch(7), None, 7)
