"""Secrets are compared in a time that tells nothing about where they differ.

Tokens are looked up by their SHA-256 digest: what a guess shares with a token is lost in hashing, so
that the time of a look-up in a table tells nothing. Whatever is compared directly is compared by
`hmac.compare_digest`. A comparison by `==` is found here, by its names.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import kite
from kite.wire.token import same

SOURCES = Path(kite.__file__).parent
_SECRET = re.compile(r"(^|_)(token|tokens|digest|bearer|secret)$", re.IGNORECASE)
_OTHER_TOKENS = frozenset({"wire/subject.py"})
"""Where the word means a part of a subject."""


def names(node: ast.expr) -> list[str]:
    """What the operand is called: `self.kite_token`, `digest(token)` …"""
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Attribute(attr=name):
            return [name]
        case ast.Call(func=function, args=arguments):
            return [each for part in (function, *arguments) for each in names(part)]
        case ast.Subscript(value=value, slice=ast.Constant(value=str() as key)):
            return [*names(value), key]
        case _:
            return []


def suspicious(source: str) -> list[tuple[int, str]]:
    """The lines on which two things are compared of which one is called like a secret."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        if not all(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
            continue
        operands = [node.left, *node.comparators]
        if any(isinstance(each, ast.Constant) for each in operands):
            continue
        if any(_SECRET.search(name) for each in operands for name in names(each)):
            found.append((node.lineno, ast.unparse(node)))
    return found


ALLOWED = {
    # Of two texts that this very process has read from its own 0600 file, to see whether it changed.
    ("cli/hub/connection.py", "control.again().api.token == token"),
}


def test_no_secret_is_compared_by_its_letters() -> None:
    found = {
        (str(path.relative_to(SOURCES)), text): line
        for path in sorted(SOURCES.rglob("*.py"))
        if str(path.relative_to(SOURCES)) not in _OTHER_TOKENS
        for line, text in suspicious(path.read_text(encoding="utf-8"))
    }
    assert set(found) - ALLOWED == set(), {key: found[key] for key in set(found) - ALLOWED}
    assert set(found) >= ALLOWED, "an exception that nobody needs any more"


@pytest.mark.parametrize(
    "source",
    [
        "token == self.kite_token",
        "if digest(token) != found.digest: pass",
        'api["token"] == given',
        "x = grant.token == y",
    ],
)
def test_the_search_finds_one(source: str) -> None:
    assert suspicious(source)


@pytest.mark.parametrize("source", ["kind == 'token'", "name == other", "len(token) == 64"])
def test_the_search_finds_nothing_in_what_is_none(source: str) -> None:
    assert suspicious(source) == []


def test_two_tokens_are_the_same_or_not() -> None:
    assert same("a" * 64, "a" * 64)
    assert not same("a" * 64, "a" * 63 + "b")
    assert not same("a" * 64, "\ud800")
