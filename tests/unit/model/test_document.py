"""Reading YAML: what values mean, where they stand, and what is refused."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kite.errors import ConfigError
from kite.model import document
from kite.model.document import parse_document, resolve_plain


def refused(text: str, first_line: int = 1) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        parse_document(text, "f.yaml", first_line=first_line)
    return raised.value


def line_of(error: ConfigError) -> int:
    assert error.location is not None
    return error.location.line


@pytest.fixture(params=["c", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both parsers of PyYAML: with libyaml, and where it is missing."""
    if request.param == "python":
        monkeypatch.delattr(yaml, "cyaml")
    return str(request.param)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("22:30", "22:30"),
        ("2026-01-31", "2026-01-31"),
        ("0755", 755),
        ("0o17", 15),
        ("0xFF", 255),
        ("-12", -12),
        ("1_000", "1_000"),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("'null'", "null"),
        ('"12"', "12"),
        ("!!str 12", "12"),
        ("-.inf", float("-inf")),
        ("1.2.3", "1.2.3"),
        ("+", "+"),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(parser: str, text: str, value: Any) -> None:
    assert parse_document(f"key: {text}\n", "f").value["key"].value == value


def test_a_number_keeps_how_it_was_written() -> None:
    assert parse_document("v: 1.10", "f").value["v"].text == "1.10"


def test_huge_numbers_stay_text() -> None:
    digits = "9" * 5000
    assert resolve_plain(digits) == digits


def test_every_node_knows_its_place(parser: str) -> None:
    root = parse_document("a: 1\nb:\n  - x\n  - c: y\n", "f.yaml", first_line=2)
    inner = root.value["b"].value[1]
    assert (root.value["a"].line, root.value["a"].column) == (2, 4)
    assert (inner.keys["c"].line, inner.keys["c"].column) == (5, 5)
    assert str(inner.value["c"].location) == "f.yaml:5"


def test_offsets_point_into_the_text_that_was_given() -> None:
    text = "\ufeffé: 😀 # x\nstate: on\n"
    node = parse_document(text, "f").value["state"]
    assert text[node.start : node.end] == "on"


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "repeated_key", 3),
        ("a:\n  b: 1\n  b: 2\n", "repeated_key", 3),
        ("{a: 1, a: 2}", "repeated_key", 1),
        ("a: 1\n\tb: 2\n", "yaml_tab", 2),
        ("a: b: c\n", "yaml_colon", 1),
        ("a: 1\nb: 'open\n", "yaml_open", 2),
        ("a: [1, 2\nb: 3\n", "yaml_open", 2),
        ("a: ]\n", "yaml_syntax", 1),
        ("a: 1\nb: \x07\n", "yaml_character", 2),
        ("a: 1\n1: b\n", "key_not_text", 2),
        ("a: 1\n? [x]\n: b\n", "key_not_text", 2),
        ("a: 1\n---\nb: 1\n", "several_documents", 2),
        ("a: !!python/object:os.system x\n", "yaml_tag", 1),
        ("a: !custom x\n", "yaml_tag", 1),
        ("a: !!int '5'\n", "yaml_tag", 1),
        ("a: *nobody\n", "yaml_alias", 1),
        ("a: &x [*x]\n", "yaml_alias", 1),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(
    parser: str, text: str, code: str, line: int
) -> None:
    error = refused(text)
    assert (error.code, line_of(error)) == (code, line)
    assert line_of(refused(text, first_line=11)) == line + 10


def test_aliases_are_followed() -> None:
    root = parse_document("a: &x {k: 1}\nb: *x\n", "f")
    assert root.plain == {"a": {"k": 1}, "b": {"k": 1}}


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in pairwise("abcdefghi")),
        "a: " + "[" * 10_000 + "\n",
        "- " * 3000 + "a\n",
        "[" + "a, " * 30_000 + "]",
    ],
    ids=["billion laughs", "deep flow", "deep block", "wide"],
)
def test_documents_that_unfold_without_bound_are_refused_at_once(text: str) -> None:
    started = time.process_time()
    assert refused(text).code == "yaml_too_large"
    assert time.process_time() - started < 1


def test_an_empty_document_is_null() -> None:
    assert parse_document("", "f").value is None
    assert parse_document("# nothing\n", "f").value is None


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(codec="ascii")), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_json_is_read_as_json(value: Any) -> None:
    text = json.dumps({"v": value}, ensure_ascii=True)
    assert parse_document(text, "f").plain == {"v": value}


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    line = 1
    try:
        parse_document(text, "f")
    except ConfigError as error:
        line = line_of(error)
    assert 1 <= line <= 1 + sum(text.count(one) for one in "\n\r\x85\u2028\u2029")


def test_the_pure_parser_serves_where_the_c_library_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(yaml, "cyaml")
    assert isinstance(document._parser("a: 1"), yaml.SafeLoader)
