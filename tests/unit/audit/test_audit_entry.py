"""A line of an audit log: whole, short, and without a token."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kite.audit.entry import Line, encode, is_refusal, plain, why
from kite.errors import RequestError

TOKEN = "0123456789abcdef" * 4


def line(**fields: Any) -> dict[str, Any]:
    given_ = {"ts": "2026-01-01T00:00:00.000Z", "where": "launcher", "who": "web", "what": "stop"}
    data = encode(Line(**{**given_, "outcome": "done", **fields}))
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    found: dict[str, Any] = json.loads(data)
    return found


def test_what_is_not_known_is_left_out() -> None:
    assert line() == {
        "ts": "2026-01-01T00:00:00.000Z",
        "where": "launcher",
        "who": "web",
        "what": "stop",
        "outcome": "done",
    }


def test_a_token_in_a_clients_words_is_taken_out() -> None:
    """Somebody puts it into a path, a subject or a reason; also in capitals, also in longer runs."""
    for text in (f"GET /get/{TOKEN}", TOKEN.upper(), f"x{TOKEN}{TOKEN[:7]}", f"{TOKEN}."):
        said = line(what=text, reason=text, target=text)
        assert TOKEN not in json.dumps(said).lower()
        assert "(64 hex digits)" in said["what"]


def test_a_token_at_the_place_where_a_long_text_is_cut_leaves_no_part() -> None:
    for before in range(200, 330):
        assert TOKEN[:16] not in plain("x" * before + TOKEN)


@given(st.text(max_size=2000))
def test_any_text_stands_on_one_line_and_is_short(text: str) -> None:
    said = line(what=text, reason=text)
    assert len(said["what"]) <= 400 * 10
    assert said["what"] == plain(text)


def test_a_lone_surrogate_is_no_trouble() -> None:
    assert "ud800" in line(reason="\ud800")["reason"]


def test_what_is_a_refusal_and_why() -> None:
    denied = RequestError("permission_denied", who="web", what="stop modules")
    assert is_refusal(denied)
    assert why(denied) == "stop modules"
    assert why(RequestError("bad_host", host="evil.example", port=1)) == "evil.example"
    assert not is_refusal("malformed_body")
