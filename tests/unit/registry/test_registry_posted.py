"""Bodies of `POST /tokens`: what is read, and the place of each mistake."""

from __future__ import annotations

import pytest

from kite.errors import RequestError
from kite.registry.core.posted import MAX_GRANTS, MAX_PATTERNS, parse_posted
from kite.wire.token import digest

A, B = "a" * 64, "b" * 64


def test_every_form_of_a_value():
    posted = parse_posted({
        "plain": A,
        "full": [
            {"token": B, "publish": ["x.>"], "subscribe": [], "scopes": ["s"], "life": 2, "replica": 0},
            "c" * 64,
        ],
        "none": None,
        "nothing": [],
        "later": {"token": "d" * 64, "unknown": 1},
    })  # fmt: skip
    assert posted["plain"][0].digest == digest(A)
    assert posted["plain"][0].publish is None
    full = posted["full"][0]
    assert (full.publish, full.subscribe, full.scopes) == (("x.>",), (), ("s",))
    assert (full.life, full.replica) == (2, 0)
    assert len(posted["full"]) == 2
    assert posted["none"] == posted["nothing"] == ()
    assert posted["later"][0].name == "later"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"Bad": A}, "$.Bad"),
        ({"": A}, "$."),
        ({"x": 5}, "$.x"),
        ({"x": True}, "$.x"),
        ({"x": "short"}, "$.x"),
        ({"x": "A" * 64}, "$.x"),
        ({"x": [A, 5]}, "$.x[1]"),
        ({"x": [[A]]}, "$.x[0]"),
        ({"x": {"publish": []}}, "$.x"),
        ({"x": {"token": 7}}, "$.x.token"),
        ({"x": [{"token": "short"}]}, "$.x[0].token"),
        ({"x": {"token": A, "publish": "a"}}, "$.x.publish"),
        ({"x": {"token": A, "publish": ["ok", 1]}}, "$.x.publish[1]"),
        ({"x": {"token": A, "publish": ["a..b"]}}, "$.x.publish[0]"),
        ({"x": [{"token": A, "subscribe": ["a.>.b"]}]}, "$.x[0].subscribe[0]"),
        ({"x": {"token": A, "scopes": {}}}, "$.x.scopes"),
        ({"x": {"token": A, "scopes": [1]}}, "$.x.scopes[0]"),
        ({"x": {"token": A, "life": 0}}, "$.x.life"),
        ({"x": {"token": A, "life": True}}, "$.x.life"),
        ({"x": {"token": A, "life": "1"}}, "$.x.life"),
        ({"x": {"token": A, "life": 10**30}}, "$.x.life"),
        ({"x": {"token": A, "replica": -1}}, "$.x.replica"),
        ({"x": [A, A]}, "$.x[1]"),
        ({"x": A, "y": [B, {"token": A}]}, "$.y[1]"),
        ({"x": [f"{n:064x}" for n in range(MAX_GRANTS + 1)]}, "$.x"),
        ({"x": {"token": A, "publish": ["p"] * (MAX_PATTERNS + 1)}}, "$.x.publish"),
    ],
)
def test_a_mistake_is_named_by_its_place(body, place):
    with pytest.raises(RequestError) as refused:
        parse_posted(body)
    assert refused.value.code == "malformed_body"
    assert refused.value.params["place"] == place


def test_a_refusal_does_not_repeat_the_token():
    nearly = "a" * 63 + "G"
    with pytest.raises(RequestError) as refused:
        parse_posted({"x": nearly})
    assert nearly not in str(refused.value)
