"""The small pure pieces: subscriptions, outbox, pending requests, lease, farewell, envelopes."""

from __future__ import annotations

import itertools
from datetime import datetime
from enum import StrEnum

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.clock import rfc3339
from kite.errors import RequestError, Unavailable
from kite.sdk.compiled import pen_maker
from kite.sdk.core.envelopes import Envelopes
from kite.sdk.core.farewell import Cause, Orders, estimate, orders, patience, time_to_finish
from kite.sdk.core.lease import Lease, Step
from kite.sdk.core.outbox import Outbox
from kite.sdk.core.pen import REMEMBERED_SUBJECTS, MakePen, Pen
from kite.sdk.core.pending import Pending
from kite.sdk.core.subscriptions import Ask, Subscription, arrange, asks, overlaps
from kite.sdk.event import deadline_of
from kite.sdk.refusal import refusal
from kite.wire import frame
from kite.wire.subject import matches, pattern_problem

token = st.sampled_from(["a", "b", "c"])
pattern = st.lists(st.one_of(token, st.just("*")), min_size=1, max_size=3).flatmap(
    lambda tokens: st.sampled_from([".".join(tokens), ".".join([*tokens, ">"])])
)
SUBJECTS = [
    ".".join(tokens) for size in range(1, 6) for tokens in itertools.product("abc", repeat=size)
]


@given(pattern, pattern)
def test_overlaps_is_what_matching_says(one: str, other: str) -> None:
    assert pattern_problem(one) is None
    both = any(matches(one, subject) and matches(other, subject) for subject in SUBJECTS)
    assert overlaps(one, other) == overlaps(other, one) == both


@given(
    st.lists(
        st.builds(
            Subscription,
            pattern=pattern,
            queue=st.sampled_from([None, "q", "r"]),
            echo=st.booleans(),
        ),
        max_size=8,
    )
)
def test_no_connection_holds_what_conflicts_and_nothing_is_left_out(
    subscriptions: list[Subscription],
) -> None:
    connections = arrange(subscriptions)
    assert {one for connection in connections for one in connection} == set(subscriptions)
    for connection in connections:
        assert len(set(connection)) == len(connection)
        for one, other in itertools.combinations(connection, 2):
            # What matters: an event that both match is meant for both, or both are one group.
            assert (one.queue, one.echo) == (other.queue, other.echo) or not overlaps(
                one.pattern, other.pattern
            )


def test_ordinary_modules_need_one_connection() -> None:
    wanted = [
        Subscription(pattern="module.shutdown"),
        Subscription(pattern="docs.changed", queue="workers"),
        Subscription(pattern="docs.search", queue="index"),
        Subscription(pattern="news.>"),
    ]
    (connection,) = arrange(wanted)
    assert asks(connection) == [
        Ask(patterns=("module.shutdown", "news.>"), queue=None, echo=True),
        Ask(patterns=("docs.changed",), queue="workers", echo=True),
        Ask(patterns=("docs.search",), queue="index", echo=True),
    ]


def test_outbox_is_bounded_in_events_and_bytes_and_keeps_order() -> None:
    outbox = Outbox(max_events=3, max_bytes=100)
    for number in range(3):
        outbox.put(b"%d" % number)
    with pytest.raises(Unavailable) as full:
        outbox.put(b"3")
    assert full.value.code == "publish_queue_full"
    assert "3 events (3 bytes)" in str(full.value)
    first = outbox.take()
    assert first == b"0"
    outbox.put_back(first)
    assert [outbox.take() for _ in range(4)] == [b"0", b"1", b"2", None]
    outbox.put(b"x" * 60)
    with pytest.raises(Unavailable):
        outbox.put(b"x" * 41)
    outbox.put(b"x" * 40)
    assert outbox.size == 100
    assert len(outbox) == 2


def test_pending_answers_once_and_counts_the_late() -> None:
    pending: Pending[str] = Pending()
    pending.add("a", "ann")
    pending.add("b", "bob")
    assert pending.answered("a") == "ann"
    assert pending.answered("a") is None
    pending.give_up("b")
    assert pending.answered("b") is None
    assert pending.late == 2
    assert pending.refused("c") is None
    assert pending.late == 2
    assert len(pending) == 0


def test_lease_is_renewed_soon_when_the_hub_hears_the_module_no_more() -> None:
    lease = Lease(100.0)
    lease.granted(3600.0, 100.0)
    lease.unheard(110.0)
    assert (lease.step, lease.due) == (Step.HEARTBEAT, 112.0)
    lease.granted(3.0, 112.0)
    lease.unheard(112.5)
    assert lease.due == 113.0, "not later than it would have been"


def test_lease_renews_thrice_within_its_time_and_registers_again_when_forgotten() -> None:
    lease = Lease(100.0)
    assert (lease.step, lease.due) == (Step.REGISTER, 100.0)
    lease.granted(30.0, 100.0)
    assert (lease.step, lease.due) == (Step.HEARTBEAT, 110.0)
    lease.failed(Unavailable("unreachable", url="", detail=""), 110.0, 0.5)
    assert lease.step is Step.HEARTBEAT
    assert 110.0 < lease.due < 111.0
    lease.failed(RequestError("not_registered", module_id="m"), 110.5, 0.5)
    assert (lease.step, lease.due) == (Step.REGISTER, 110.5)
    # A Registry that says "not registered" to a registration is not asked without a pause.
    lease.failed(RequestError("not_registered", module_id="m"), 110.5, 0.5)
    assert lease.due > 110.5
    lease.granted(0.0, 120.0)
    assert lease.due > 120.0


@pytest.mark.parametrize(
    ("data", "meant"),
    [
        ({"module_id": "m", "life": 2, "reason": "restart", "timeout": 3}, Orders(reason="restart", timeout=3.0)),
        ({"module_id": "m"}, Orders(reason="", timeout=10.0)),
        ({"module_id": "m", "life": None, "reason": 5, "timeout": "soon"}, Orders(reason="", timeout=10.0)),
        ({"module_id": "m", "timeout": -1}, Orders(reason="", timeout=10.0)),
        ({"module_id": "m", "timeout": True}, Orders(reason="", timeout=10.0)),
        ({"module_id": "m", "timeout": 0}, Orders(reason="", timeout=0.0)),
        ({"module_id": "m", "life": 1}, None),
        ({"module_id": "n", "life": 2}, None),
        ({}, None),
        ("m", None),
        (None, None),
    ],
)  # fmt: skip
def test_whom_a_shutdown_means(data: object, meant: Orders | None) -> None:
    assert orders(data, "m", 2) == meant


def test_cleanup_is_promised_within_what_is_allowed() -> None:
    assert estimate([], backlog=False, timeout=10.0) == 0.0
    assert estimate([1.0, 2.0], backlog=True, timeout=10.0) == 3.5
    assert estimate([60.0], backlog=False, timeout=10.0) == 10.0
    assert patience(Cause.SHUTDOWN, Orders(reason="", timeout=3.0)) == 3.0
    # The Launcher kills 5 s after a signal: we are through before.
    assert patience(Cause.SIGNAL, None) < 5.0
    assert patience(Cause.LIFELINE, None) < 5.0


@given(st.floats(0, 100), st.lists(st.floats(0, 100), max_size=3))
def test_stop_handlers_always_get_their_share(allowed: float, estimates: list[float]) -> None:
    finish = time_to_finish(allowed, estimates)
    assert allowed / 2 <= finish <= allowed * 0.75 + 1e-9


def test_envelopes_are_complete_and_stand_in_the_order_of_the_wire() -> None:
    envelopes = Envelopes("docs", "c0ffee")
    event = envelopes.make("docs.changed", {"n": 1}, 1_769_850_307.123, headers={"a": "b"})
    assert frame.encode(event) == (
        b'{"type":"event","event":"docs.changed","event_id":"c0ffee-1","source":"docs",'
        b'"timestamp":"2026-01-31T09:05:07.123Z","headers":{"a":"b"},"data":{"n":1}}'
    )
    assert envelopes.is_own(event)
    assert not envelopes.is_own(msgspec.structs.replace(event, source="other"))
    assert not envelopes.is_own(frame.Event(event="a"))
    with pytest.raises(RequestError) as wrong:
        envelopes.make("docs..changed", None, 0.0)
    assert wrong.value.code == "invalid_subject"


@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=20))
def test_instants_are_those_of_the_clock(instants: list[float]) -> None:
    envelopes = Envelopes("m", "p")
    for now in instants:
        text = envelopes.make("a", None, now).timestamp
        assert isinstance(text, str)
        # Rounding may differ by one millisecond, the form may not.
        difference = datetime.fromisoformat(text) - datetime.fromisoformat(rfc3339(now))
        assert abs(difference.total_seconds()) <= 0.0011
        assert len(text) == 24


def test_requests_tell_where_and_until_when_they_are_answered() -> None:
    envelopes = Envelopes("docs", "c0ffee")
    event = envelopes.make_request("search", "q", 1_769_850_307.0, timeout=2.5, headers=None)
    assert event.reply_to == "_reply.docs.c0ffee.1"
    assert matches(envelopes.replies, event.reply_to)
    assert envelopes.request_of(event.reply_to) == event.event_id
    assert envelopes.request_of("_reply.docs.other.1") is None
    assert envelopes.request_of("docs.changed") is None
    assert isinstance(event.headers, dict)
    assert deadline_of(event.headers) == 1_769_850_309.5
    assert deadline_of({"kite-deadline": "2026-01-31T09:05:07"}) is None
    assert deadline_of({"kite-deadline": 5}) is None
    assert deadline_of({}) is None


def test_ids_are_unique() -> None:
    envelopes = Envelopes("m", "p")
    ids = {envelopes.make("a", None, 0.0).event_id for _ in range(5000)}
    assert len(ids) == 5000


def test_refusals_speak_in_the_words_of_the_other_side_unless_ours_fit() -> None:
    assert refusal("permission_denied", "no way").message == "no way"
    ours = refusal("permission_denied", "english", {"who": "m", "what": "do it", "code": "x"})
    assert ours.message == "m may not do it"
    assert refusal("of_tomorrow", "something new", {"a": 1}).message == "something new"
    assert refusal("of_tomorrow").message == "of_tomorrow"


PENS = [Pen, *([] if pen_maker() is Pen else [pen_maker()])]


@pytest.mark.parametrize("make_pen", PENS)
@given(
    st.sampled_from(["a", "docs.文档", 'odd."subject"\\']),
    st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers(), max_size=3),
    st.sampled_from([None, {}, {"traceparent": "00-1"}]),
    st.floats(0, 4e9),
)
def test_an_event_is_written_as_it_would_be_encoded(
    make_pen: MakePen, subject: str, data: object, headers: dict[str, str] | None, now: float
) -> None:
    """The short way to a frame leads to the same bytes."""
    short, long = Envelopes("docs", "c0ffee", make_pen), Envelopes("docs", "c0ffee")
    for _ in range(20):
        event_id, written = short.write(subject, data, now, headers)
        event = long.make(subject, data, now, headers=headers)
        assert event_id == event.event_id
        assert written == frame.encode(event)


@pytest.mark.parametrize("make_pen", PENS)
def test_pens_remember_subjects_within_bounds_and_refuse_what_is_none(make_pen: MakePen) -> None:
    class Word(StrEnum):
        ONE = "one"

    envelopes = Envelopes("m", "p", make_pen)
    for number in range(REMEMBERED_SUBJECTS + 10):
        assert envelopes.write(f"s.{number}", None, 0.0)[0] == f"p-{number + 1:x}"
    assert b'"event":"one"' in envelopes.write(Word.ONE, None, 0.0)[1]
    for _ in range(2):
        with pytest.raises(RequestError) as wrong:
            envelopes.write("a..b", None, 0.0)
        assert wrong.value.code == "invalid_subject"
    with pytest.raises(TypeError):
        envelopes.write("a", object(), 0.0)
    used = int(envelopes.write("a", None, 0.0)[0].removeprefix("p-"), 16)
    made = envelopes.make("a", None, 0.0).event_id
    assert made == f"p-{used + 1:x}", "both ways count on"
