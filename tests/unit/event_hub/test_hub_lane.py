"""The compiled lane against the full path: the same frames, and every byte that comes out the same."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hub_fakes import FORMS, Bench
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kite.event_hub.core.envelope import Refused, adds_up, decode_event, inspect
from kite.event_hub.core.lane import PURE
from kite.event_hub.core.shape import is_too_deep
from kite.event_hub.limits import Deduplication

pytestmark = pytest.mark.skipif("compiled" not in FORMS, reason="the hot path is not compiled here")

MANY = int(os.environ.get("KITE_EXAMPLES", "600"))
STAMP = "2026-01-01T00:00:00.000Z"
PLAIN: dict[str, Any] = {
    "type": "event",
    "event": "a.b",
    "event_id": "1",
    "source": "m",
    "timestamp": STAMP,
    "data": {"text": "x" * 20, "numbers": [1, -2.5e3, True, None]},
}


def compact(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode()


class Both:
    """The same hub twice; what is sent to both must come out of both alike."""

    def __init__(self, **limits: Any) -> None:
        self.hubs = []
        for parts in (PURE, FORMS["compiled"]):
            Bench.parts = parts
            bench = Bench(**limits)
            hearer = bench.client("hearer")
            hearer.subscribe("a.>", "é.>")
            wide = bench.client("wide")
            wide.subscribe("*.b")
            self.hubs.append((bench, bench.client("m", publish=["a.>", "é.>"]), hearer, wide))

    def send(self, *frames: bytes) -> int:
        """One batch; how many of its frames passed on the lane."""
        seen = []
        for _, client, hearer, wide in self.hubs:
            said = client.send(*frames)
            session = client.session
            counts = (session.received, session.published, session.duplicates, session.refused)
            heard = [
                (bytes(each.wire.taken), each.session.outbox.delivered) for each in (hearer, wide)
            ]
            seen.append((said, counts, heard))
        assert seen[0] == seen[1]
        return 0

    def passes(self, frame: bytes) -> bool:
        """Whether the compiled lane takes the frame, after one like it was admitted."""
        bench, client, *_ = self.hubs[1]
        switch = bench.switch
        switch.begin(client.session, bench.now)
        switch.receive(client.session, compact(PLAIN | {"event_id": "first"}))
        taken = client.session.lane.take(frame)
        switch.end(client.session)
        switch.flush()
        return taken


def is_plain_for_the_full_path(frame: bytes) -> bool:
    """What the lane may not be more generous than."""
    try:
        frame.decode()
        event = decode_event(frame)
        if not adds_up(event, len(frame)):
            inspect(frame)
    except (ValueError, RecursionError, Refused):
        return False
    return not is_too_deep(frame)


PASSING = [
    PLAIN,
    PLAIN | {"data": "héllo 文档 🙂"},
    PLAIN | {"event_id": "x" * 128},
    PLAIN | {"data": None},
    PLAIN | {"data": {}, "headers": {"traceparent": "00-0-0-00"}},
    PLAIN | {"data": [[], {}, [{}], {"a": []}]},
    PLAIN | {"timestamp": "2026-01-01T00:00:00Z"},
    {key: value for key, value in PLAIN.items() if key != "data"},
]


@pytest.mark.parametrize("frame", PASSING)
def test_plain_events_pass(frame: dict[str, Any]) -> None:
    """A lane that took nothing would be right, and no use."""
    assert Both().passes(compact(frame))


@pytest.mark.parametrize(
    "text",
    [b'"\\u00e9\\n\\"\\\\"', b"1e5", b"-0", b"0.5E-3", b' [ 1 , { "a" : 2 } ] ', b'"\x7f"'],
)
def test_every_way_to_write_data_passes(text: bytes) -> None:
    assert Both().passes(compact(PLAIN)[: -len(compact(PLAIN["data"])) - 1] + text + b"}")


@pytest.mark.parametrize(
    "frame",
    [
        compact(PLAIN | {"ack": True}),
        compact(PLAIN | {"reply_to": "_reply.m.1"}),
        compact(PLAIN | {"source": "other"}),
        compact(PLAIN | {"event": "a.c"}),
        compact(PLAIN | {"event_id": "x" * 129}),
        compact(PLAIN | {"event_id": ""}),
        compact(PLAIN | {"timestamp": "today"}),
        compact(PLAIN | {"timestamp": "2026-01-01T00:00:00.Z"}),
        compact(PLAIN | {"extra": 1}),
        compact(PLAIN).replace(b'"data"', b'"event"'),
        compact(PLAIN).replace(b'"a.b"', b'"a\\u002eb"'),
        compact(PLAIN | {"headers": []}),
        compact(PLAIN)[:-1],
        compact(PLAIN) + b"}",
        compact(PLAIN).replace(b"-2500.0", b"-02500.0"),
        compact(PLAIN).replace(b"true", b"True"),
        compact(PLAIN).replace(b"xx", b"\\x"),
        compact(PLAIN).replace(b"xx", b"\x01x"),
        compact(PLAIN).replace(b"xx", b"\xff\xfe"),
        compact(PLAIN).replace(b"xxxxxx", b"\\ud800"),
        compact(PLAIN | {"data": json.loads("[" * 61 + "]" * 61)}),
        compact(PLAIN | {"type": "subscribe"}),
        b"",
        b"[]",
    ],
)
def test_what_needs_a_second_look_does_not_pass(frame: bytes) -> None:
    assert not Both().passes(frame)


def test_ids_are_remembered_on_both_ways() -> None:
    """An id that passed on the lane is a duplicate on the full path, and the other way round."""
    both = Both()
    one, two = (compact(PLAIN | {"event_id": each}) for each in ("1", "2"))
    slow = compact(PLAIN | {"event_id": "2", "ack": True})
    both.send(one, two, one, slow, two)
    assert both.hubs[1][1].session.duplicates == 3


def test_a_subscription_within_a_batch_is_heard_at_once() -> None:
    both = Both()
    for _, client, *_ in both.hubs:
        client.wire.taken.clear()
    subscribe = compact({"type": "subscribe", "events": ["module.shutdown"], "id": 1})
    frames = [compact(PLAIN | {"event_id": str(number)}) for number in range(4)]
    both.send(frames[0], frames[1], subscribe, frames[2], frames[3])


def test_rights_that_are_taken_away_close_the_lane() -> None:
    both = Both()
    both.send(*(compact(PLAIN | {"event_id": str(number)}) for number in range(3)))
    for bench, client, *_ in both.hubs:
        from kite.event_hub.core.rights import Identity

        bench.switch.change_identity(client.session, Identity("m", publish=["b.>"]))
    both.send(*(compact(PLAIN | {"event_id": str(number)}) for number in range(3, 6)))
    assert both.hubs[1][1].session.published == 3


def test_the_oldest_ids_are_forgotten_alike() -> None:
    both = Both(deduplication=Deduplication(seconds=120, ids=5))
    for number in [*range(12), 3, 4, 11, *range(20), 0]:
        both.send(
            compact(PLAIN | {"event_id": f"{number}" * 30}),
            compact(PLAIN | {"event_id": str(number)}),
        )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
EVENTS = st.fixed_dictionaries(
    {
        "type": st.just("event"),
        "event": st.sampled_from(["a.b", "a.c", "é.b", "b", "a..b"]),
        "event_id": st.sampled_from(["1", "2", "3", "é", "x" * 50, "y" * 129]),
        "source": st.sampled_from(["m", "m", "m", "n"]),
        "timestamp": st.sampled_from([STAMP, "2026-01-01T00:00:01Z", "2026-01-01 00:00:01Z"]),
    },
    optional={
        "data": JSON,
        "headers": st.dictionaries(st.text(), st.text(), max_size=2),
        "ack": st.booleans(),
        "reply_to": st.just("_reply.m.1"),
        "x": JSON,
    },
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """An event as some client might write it, perhaps with a byte or two changed."""
    event = draw(EVENTS)
    members = draw(st.permutations(list(event.items())))
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]))
    ascii_only = draw(st.booleans())
    parts = [
        json.dumps(key)
        + colon
        + json.dumps(value, separators=(comma, colon), ensure_ascii=ascii_only)
        for key, value in members
    ]
    text = bytearray(("{" + comma.join(parts) + "}").encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(text) - 1))
        match draw(st.sampled_from(["change", "remove", "repeat"])):
            case "change":
                text[at] = draw(st.sampled_from(list(b'"\\{}[],:0 aet\x00\x1f\x80\xff')))
            case "remove":
                del text[at]
            case _:
                text[at:at] = text[at : at + draw(st.integers(1, 20))]
    return bytes(text)


def is_text(frame: bytes) -> bool:
    """The connection lets nothing else come so far."""
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True


@settings(max_examples=MANY // 3, deadline=None)
@given(st.lists(st.lists(frames().filter(is_text), min_size=1, max_size=6), min_size=1, max_size=4))
@example([[compact(PLAIN), compact(PLAIN | {"event_id": "2"})]])
def test_both_hubs_say_the_same(batches: list[list[bytes]]) -> None:
    both = Both()
    for batch in batches:
        both.send(compact(PLAIN | {"event_id": "opens"}), *batch)


@settings(max_examples=MANY, deadline=None)
@given(frames())
def test_the_lane_is_never_more_generous(frame: bytes) -> None:
    if Both().passes(frame):
        assert is_plain_for_the_full_path(frame)
