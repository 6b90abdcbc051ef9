"""JSON for people: the same value, the same numbers, readable escapes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.cli.hub import json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('abc\\"ü'), inner),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_nothing_but_its_looks_changes(value: object, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    for written in (json_text.one_line, json_text.indented, json_text.compact):
        assert json.loads(written(raw)) == value
    assert "\n" not in json_text.one_line(raw)


@given(VALUES)
def test_it_looks_as_python_writes_it(value: object) -> None:
    raw = json.dumps(value, ensure_ascii=False).encode()
    assert json_text.indented(raw) == json.dumps(value, ensure_ascii=False, indent=2)
    assert json_text.one_line(raw) == json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"", "null"),
        (b"1e400", "1e400"),
        (b"0.10000000000000000000000001", "0.10000000000000000000000001"),
        (rb'"\u6587\ud83d\ude00"', '"文😀"'),
        (rb'"\\u6587"', r'"\\u6587"'),
        (rb'"\u001b[2J\u009b"', r'"\u001b[2J\u009b"'),
        (rb'"\u0022\u005c"', r'"\u0022\u005c"'),
        (rb'{"\u00e4" : 1e400}', '{"ä": 1e400}'),
    ],
)
def test_numbers_and_escapes(raw: bytes, shown: str) -> None:
    assert json_text.one_line(raw) == shown


def test_bare_text_has_no_quotes() -> None:
    assert json_text.bare(b' "a\\nb"') == "a\nb"
    assert json_text.bare(b'{"a": 1}') == '{"a":1}'
