"""JSON bodies: strict, bounded in depth, mistakes named by their place."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.errors import RequestError
from kite.http.body import parse_json
from kite.wire.limits import MAX_DEPTH


class Wish(msgspec.Struct, kw_only=True):
    name: str
    count: int = 0
    tags: list[str] = []


def test_unknown_keys_are_ignored():
    assert parse_json(b'{"name":"a","later":{"x":[1]}}', Wish) == Wish(name="a")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "$"),
        (b"{", "$"),
        (b"not json", "byte"),
        (b"{} x", "byte"),
        (b'{"name":"a","count":NaN}', "byte"),
        (b'{"name":"a","count":1e999}', "$"),
        (b'{"name":"\xff"}', "byte"),
        (b'\xef\xbb\xbf{"name":"a"}', "byte 0"),
        (b'{"name":"\\ud800"}', "$"),
        (b"[]", "$"),
        (b"null", "$"),
        (b"{}", "$"),
        (b'{"name":1}', "$.name"),
        (b'{"name":"a","count":"1"}', "$.count"),
        (b'{"name":"a","count":true}', "$.count"),
        (b'{"name":"a","tags":["x",2]}', "$.tags[1]"),
    ],
)
def test_mistakes(body, place):
    with pytest.raises(RequestError) as refused:
        parse_json(body, Wish)
    assert refused.value.code == "malformed_body"
    assert refused.value.params["place"].startswith(place)
    assert refused.value.params["detail"]


@pytest.mark.parametrize("shape", ["[{}]", '{{"k":{}}}'])
def test_depth(shape):
    def nested(levels):
        text = "1"
        for _ in range(levels):
            text = shape.format(text)
        return text.encode()

    assert parse_json(nested(MAX_DEPTH), Any) is not None
    for levels in (MAX_DEPTH + 1, 1000, 100_000):
        with pytest.raises(RequestError) as refused:
            parse_json(nested(levels), Any)
        assert "deep" in refused.value.params["detail"]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_refusal(body):
    with contextlib.suppress(RequestError):  # anything else is a failure
        value = parse_json(body, Any)
        assert parse_json(msgspec.json.encode(value), Any) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(json_values)
def test_json_comes_through_as_it_is(value):
    assert parse_json(msgspec.json.encode(value), Any) == value
