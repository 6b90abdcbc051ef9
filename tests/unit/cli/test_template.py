"""Templates: places, paths, arguments, and what is wrong with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.cli.hub.template import Place, Shape, parse
from kite.errors import ConfigError

KNOWN = {
    "count": Shape("Count"),
    "data": Shape("data.NAME", has_path=True),
    "random": Shape("Random 5 10", numbers=2),
}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain } {", ("plain } {",)),
        ("{{Count}}", (Place("count"),)),
        ("a{{ .count }}b", ("a", Place("count"), "b")),
        ("{{data.User.0}}", (Place("data", "User.0"),)),
        ("{{Random 1 20}}{{COUNT}}", (Place("random", "", (1, 20)), Place("count"))),
        ('{"a":{"b":{{Count}}}}', ('{"a":{"b":', Place("count"), "}}")),
    ],
)
def test_what_is_read(text: str, parts: tuple[str | Place, ...]) -> None:
    assert parse(text, KNOWN).parts == parts


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a {{Count", "template_unclosed"),
        ("{{}}", "template_unknown"),
        ("{{xyzzy}}", "template_unknown"),
        ("{{cuont}}", "template_unknown_near"),
        ("{{Count 1}}", "template_malformed"),
        ("{{Count.a}}", "template_malformed"),
        ("{{data.}}", "template_malformed"),
        ("{{data.a..b}}", "template_malformed"),
        ("{{Random 1}}", "template_malformed"),
        ("{{Random a b}}", "template_malformed"),
        ("{{Random 1 -1}}", "template_malformed"),
        ("{{Random 1 99999999999}}", "template_malformed"),
    ],
)
def test_what_is_refused(text: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, KNOWN)
    assert caught.value.code == code
    assert "{value}" not in caught.value.message
    assert caught.value.hint


def test_the_place_of_what_is_not_closed_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("ab{{Count}}c{{", KNOWN)
    assert caught.value.params["column"] == 13


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_places_is_never_changed(text: str) -> None:
    assert parse(text, KNOWN).fill(lambda _place: "!") == text
