"""What `pub` and `request` send: plain JSON is never touched, places are filled where asked for."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.cli.hub.payload import Writer, headers_of
from kite.errors import KiteError
from kite.wire.frame import Event, encode


def data_of(event: Event) -> bytes:
    return bytes(event.data)


@given(st.sampled_from(['{"a" : "{{Count}}"}', "1e400", " [1,\n2] ", '"\\u6587"', "-0.10"]))
def test_plain_json_travels_as_it_was_written(text: str) -> None:
    event = Writer("a.b", text).event(1)
    assert data_of(event).decode() == text
    assert text.encode() in encode(event)


def test_nothing_is_null_and_text_is_text() -> None:
    assert data_of(Writer("a.b", None).event(1)) == b"null"
    assert data_of(Writer("a.b", 'say "文"', is_text=True).event(1)).decode() == '"say \\"文\\""'


def test_places_are_filled_for_each_event() -> None:
    writer = Writer("a.{{Count}}", '{"n": {{Count}}, "id": "{{ID}}"}', has_places=True)
    first, second = writer.event(1), writer.event(2)
    assert (first.event, second.event) == ("a.1", "a.2")
    assert data_of(first).startswith(b'{"n": 1, ')
    assert data_of(second).startswith(b'{"n": 2, ')
    assert data_of(first)[9:] != data_of(second)[9:]


def test_random_text_is_as_long_as_asked_for() -> None:
    writer = Writer("a.b", '"{{Random 3 5}}"', has_places=True)
    lengths = {len(data_of(writer.event(n))) - 2 for n in range(200)}
    assert lengths == {3, 4, 5}


@pytest.mark.parametrize("name", ["TimeStamp", "Time", "Unix", "UnixNano"])
def test_instants(name: str) -> None:
    assert data_of(Writer("a.b", f'"{{{{{name}}}}}"', has_places=True).event(1))[1:3].isdigit()


@pytest.mark.parametrize(
    ("subject", "text", "code"),
    [
        ("a.b", "{", "not_json"),
        ("a.b", "NaN", "not_json"),
        ("a.b", "[" * 100_000, "not_json"),
        ("a.b", '{"n": {{Count}}}', "not_json_unfilled"),
        ("a.b", '"\udcff"', "data_not_utf8"),
        ("a.*", "1", "invalid_subject"),
    ],
)
def test_what_is_refused(subject: str, text: str, code: str) -> None:
    with pytest.raises(KiteError) as caught:
        Writer(subject, text)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("subject", "text", "code"),
    [
        ("a.b", "{{ID}} {{ID}}", "filled_not_json"),
        ("a. {{Count}}", "1", "invalid_subject"),
    ],
)
def test_what_is_wrong_once_it_is_filled(subject: str, text: str, code: str) -> None:
    with pytest.raises(KiteError) as caught:
        Writer(subject, text, has_places=True).event(7)
    assert caught.value.code == code


@pytest.mark.parametrize("words", ["Random 5 3", "Random 1 9999999"])
def test_impossible_lengths_are_refused_at_once(words: str) -> None:
    with pytest.raises(KiteError) as caught:
        Writer("a.b", f'"{{{{{words}}}}}"', has_places=True)
    assert caught.value.code == "template_malformed"


CONTEXT = click.Context(click.Command("pub"))
OPTION = click.Option(["-H"])


def test_headers() -> None:
    given = ("a=b", "trace: x=y", "empty=", "when=12:30")
    assert headers_of(CONTEXT, OPTION, given) == {
        "a": "b",
        "trace": "x=y",
        "empty": "",
        "when": "12:30",
    }


@pytest.mark.parametrize(
    ("given", "code"),
    [(("x",), "bad_header"), (("=x",), "bad_header"), ((" a=b",), "bad_header"),
     (("a=1", "a:2"), "header_twice")],
)  # fmt: skip
def test_wrong_headers(given: tuple[str, ...], code: str) -> None:
    with pytest.raises(KiteError) as caught:
        headers_of(CONTEXT, OPTION, given)
    assert caught.value.code == code
