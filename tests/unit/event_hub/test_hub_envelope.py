"""Reading frames: what is refused, why, and that nothing well-formed is."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kite.event_hub.core.envelope import (
    Refused,
    adds_up,
    complete,
    decode_event,
    inspect,
    read_other,
)
from kite.event_hub.core.shape import is_too_deep, repeated_key
from kite.wire.frame import Subscribe, Unsubscribe

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.fixed_dictionaries(
    {"type": st.just("event"), "event": st.text(min_size=1)},
    optional={
        "data": JSON,
        "event_id": st.text(),
        "source": st.text(),
        "timestamp": st.text(),
        "reply_to": st.text(),
        "headers": st.dictionaries(st.text(), JSON, max_size=3),
        "ack": st.booleans(),
        "x": JSON,
        "data2": JSON,
    },
)
STYLES = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")])


def write(members: list[tuple[str, Any]], style: tuple[str, str], *, ascii_only: bool) -> bytes:
    """An object from pairs, so that a key can be there twice."""
    comma, colon = style
    parts = [
        json.dumps(key, ensure_ascii=ascii_only)
        + colon
        + json.dumps(value, separators=style, ensure_ascii=ascii_only)
        for key, value in members
    ]
    return ("{" + comma.join(parts) + "}").encode("utf-8", "surrogatepass")


def accepts(payload: bytes) -> bool:
    frame = decode_event(payload)
    try:
        if not adds_up(frame, len(payload)):
            inspect(payload)
    except Refused as refused:
        return refused.code != "duplicate_key"
    return True


@given(FIELDS, STYLES, st.booleans())
@settings(deadline=None)
def test_an_event_without_a_repeated_key_is_accepted(
    fields: dict[str, Any], style: tuple[str, str], ascii_only: bool
) -> None:
    assert accepts(write(list(fields.items()), style, ascii_only=ascii_only))


@given(FIELDS, STYLES, st.booleans(), st.data())
@settings(deadline=None)
def test_a_repeated_key_is_found_wherever_it_stands_and_whatever_it_says(
    fields: dict[str, Any], style: tuple[str, str], ascii_only: bool, data: st.DataObject
) -> None:
    members = list(fields.items())
    key, _ = data.draw(st.sampled_from(members))
    if key == "type":
        again: Any = "event"
    elif key in ("data", "x", "data2"):
        again = data.draw(JSON)
    elif key == "ack":
        again = data.draw(st.booleans())
    elif key == "headers":
        again = {}
    else:
        again = data.draw(st.text(min_size=1))
    members.insert(data.draw(st.integers(0, len(members))), (key, again))
    assert not accepts(write(members, style, ascii_only=ascii_only))


def test_what_is_compact_adds_up_so_that_the_hot_path_is_hot() -> None:
    fields = {
        "type": "event", "event": "a.b", "data": {"ключ": [1, 2.5, None]}, "event_id": "1", "source": "m",
        "timestamp": "2026-01-01T00:00:00Z", "reply_to": "_reply.m.1", "headers": {}, "ack": True,
    }  # fmt: skip
    for names in (list(fields), ["type", "event"], ["event", "data", "type", "source"]):
        payload = msgspec.json.encode({name: fields[name] for name in names})
        assert adds_up(decode_event(payload), len(payload))


@given(JSON)
@example([[[]]])
def test_depth_is_counted_exactly(value: Any) -> None:
    def depth(inner: Any) -> int:
        if isinstance(inner, list | dict):
            children = inner.values() if isinstance(inner, dict) else inner
            return 1 + max(map(depth, children), default=0)
        return 0

    own = depth(value)
    text = json.dumps(value).encode()
    for levels in (64 - own, 65 - own):
        wrapped = b"[" * levels + text + b"]" * levels
        assert is_too_deep(wrapped) == (levels + own > 64)


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        (b'"' + b"[" * 200 + b'"', False),
        (b'["\\"' + b"[" * 200 + b'"]', False),
        (b"[" + b"[]," * 5000 + b"[]]", False),
        (b"[" * 64 + b"]" * 64, False),
        (b"[" * 65 + b"]" * 65, True),
        (b'{"a":' * 65 + b"1" + b"}" * 65, True),
        (b'[{"a":' * 32 + b"1" + b"}]" * 32, False),
        (b"[" * 500_000 + b"]" * 500_000, True),
    ],
)
def test_depth_of_odd_texts(text: bytes, deep: bool) -> None:
    assert is_too_deep(text) == deep


def test_a_key_may_repeat_further_in() -> None:
    assert repeated_key(b'{"a":{"b":1,"b":2},"c":[{"d":1,"d":2}]}') is None
    assert repeated_key(b'{"a":1,"\\u0061":2}') == "a"
    assert repeated_key(b'{"n":' + b"1" * 5000 + b',"n":1}') == "n"


def test_subscriptions_are_read() -> None:
    frame = read_other(b'{"type":"subscribe","events":["a"],"id":7,"queue":"q","later":1}')
    assert frame == Subscribe(events=["a"], id=7, queue="q")
    assert read_other(b'{"type":"unsubscribe","events":["a"]}') == Unsubscribe(events=["a"])


@pytest.mark.parametrize(
    ("payload", "code", "mark"),
    [
        (b"", "malformed_json", None),
        (b"{", "malformed_json", None),
        (b'{"a":1}x', "malformed_json", None),
        (b"[]", "malformed_frame", None),
        (b'"text"', "malformed_frame", None),
        (b"{}", "malformed_frame", None),
        (b'{"id":3}', "malformed_frame", 3),
        (b'{"type":7,"id":"x"}', "malformed_frame", "x"),
        (b'{"type":"publish","id":"x"}', "unknown_type", "x"),
        (b'{"type":"ack","id":"x"}', "unknown_type", "x"),
        (b'{"type":"subscribe","id":"x"}', "malformed_frame", "x"),
        (b'{"type":"subscribe","events":"a","id":"x"}', "malformed_frame", "x"),
        (b'{"type":"subscribe","events":[],"id":"x"}', "malformed_frame", "x"),
        (b'{"type":"subscribe","events":[1],"id":"x"}', "malformed_frame", "x"),
        (b'{"type":"subscribe","events":["a"],"echo":1,"id":"x"}', "malformed_frame", "x"),
        (b'{"type":"subscribe","events":["a"],"queue":"","id":"x"}', "malformed_frame", "x"),
        (b'{"type":"subscribe","events":["a"],"queue":null,"id":"x"}', "malformed_frame", "x"),
        (b'{"type":"subscribe","events":["a"],"id":{}}', "malformed_frame", None),
        (b'{"type":"subscribe","events":["a"],"events":["a"],"id":"x"}', "duplicate_key", "x"),
        (b'{"type":"subscribe","events":["a"],"id":1,"id":2}', "duplicate_key", 2),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "too_deep", None),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "too_deep", None),
    ],
)
def test_what_is_wrong_has_its_code_and_belongs_to_its_id(
    payload: bytes, code: str, mark: Any
) -> None:
    with pytest.raises(Refused) as caught:
        read_other(payload)
    assert caught.value.code == code
    assert caught.value.id == (msgspec.UNSET if mark is None else mark)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"event","event":5,"event_id":"e1"}',
        b'{"type":"event","event_id":"e1"}',
        b'{"type":"event","event":"a","event_id":"e1","ack":"yes"}',
        b'{"type":"event","event":"a","event_id":"e1","reply_to":null}',
    ],
)
def test_a_malformed_event_is_refused_with_its_event_id(payload: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read_other(payload)
    assert (caught.value.code, caught.value.event_id) == ("malformed_frame", "e1")


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_garbage_is_refused_and_nothing_else(payload: bytes) -> None:
    with pytest.raises(Refused):
        read_other(payload)


@given(
    st.fixed_dictionaries(
        {"type": st.just("event"), "event": st.just("a")}, optional={"data": JSON}
    ),
    st.text(),
    STYLES,
)
def test_what_was_missing_is_written_in_and_the_rest_stays_as_it_was(
    fields: dict[str, Any], event_id: str, style: tuple[str, str]
) -> None:
    payload = b" \n" + write(list(fields.items()), style, ascii_only=False)
    whole = complete(payload, event_id=event_id, source=None, timestamp="t")
    assert json.loads(whole) == {**fields, "event_id": event_id, "timestamp": "t"}
    assert whole.endswith(payload.partition(b"{")[2])
