"""What is typed is understood, and never an error."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from query import Query, Term, match_of, parse, relaxed_match_of


def terms(typed: str) -> list[tuple[str, str]]:
    """Each term with its signs: `-` excluded, `*` prefix, `|` alternative."""
    return [
        (
            term.text,
            "-" * term.is_excluded + "*" * term.is_prefix + "|" * term.is_alternative,
        )
        for term in parse(typed).terms
    ]


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("", []),
        ("hub ", [("hub", "")]),
        ("event hub", [("event", ""), ("hub", "*")]),
        ("event h", [("event", ""), ("h", "")]),
        ('"event hub" now', [("event hub", ""), ("now", "*")]),
        ('"event hub', [("event hub", "*")]),
        ("“event hub”", [("event hub", "")]),
        ("a -b c*", [("a", ""), ("b", "-"), ("c", "*")]),
        ("a OR b | c ", [("a", ""), ("b", "|"), ("c", "|")]),
        ("a NOT b ", [("a", ""), ("b", "-")]),
        ("a AND b ", [("a", ""), ("b", "")]),
        ("OR", []),
        ("http://x.y/z ", [("http://x.y/z", "")]),
        ("c++ ... ;", [("c++", "")]),
        ("你", [("你", "*")]),
    ],
)
def test_understands(typed: str, understood: list[tuple[str, str]]) -> None:
    assert terms(typed) == understood


def test_filters() -> None:
    query = parse("limits kind:mark ext:.PY path:docs title:x ")
    assert query.kinds == ("markdown",)
    assert query.extensions == ("py",)
    assert [(term.text, term.field) for term in query.terms] == [
        ("limits", None),
        ("docs", "path"),
        ("x", "title"),
    ]


def test_a_finished_word_is_whole() -> None:
    assert parse("hub", as_typed=False) == Query(terms=(Term(text="hub"),))


@pytest.fixture(scope="module")
def table() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE terms USING fts5(title, path, body, joined)")
    return connection


def run(table: sqlite3.Connection, expression: str) -> None:
    if expression:
        table.execute("SELECT rowid FROM terms WHERE terms MATCH ?", (expression,)).fetchall()


@given(typed=st.text(max_size=60))
def test_nothing_typed_is_a_syntax_error(table: sqlite3.Connection, typed: str) -> None:
    query = parse(typed)
    for expression in (*match_of(query), relaxed_match_of(query)):
        run(table, expression)


@given(
    typed=st.lists(
        st.sampled_from(
            [
                " ",
                *[
                    "a",
                    '"',
                    "*",
                    "-",
                    "OR",
                    "AND",
                    "NOT",
                    "(",
                    ")",
                    ":",
                    "^",
                    "+",
                    "NEAR",
                    "title:",
                    "kind:x",
                    "你好",
                    "|",
                    "{",
                    "}",
                    ",",
                    "\x00",
                    "\\",
                    "%",
                    "aB",
                    "ext:",
                ],
            ]
        ),
        max_size=14,
    ).map("".join)
)
def test_no_operator_is_a_syntax_error(table: sqlite3.Connection, typed: str) -> None:
    query = parse(typed)
    for expression in (*match_of(query), relaxed_match_of(query)):
        run(table, expression)


def test_a_very_long_query_is_bounded(table: sqlite3.Connection) -> None:
    query = parse("word你好世界 " * 100_000)
    assert len(query.terms) <= 32
    run(table, match_of(query)[0])
    run(table, relaxed_match_of(query))
