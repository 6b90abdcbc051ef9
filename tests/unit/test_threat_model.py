"""SECURITY.md cannot rot: each row of its tables names tests that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "SECURITY.md"
_NODE = re.compile(r"`(tests/[\w/.]+\.py)::(\w+)`")
_TESTED = "tested in"


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """The heads and rows of all tables."""
    head: list[str] = []
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            if not head:
                head = cells
            elif not set(line) <= set("|- "):
                rows.append(cells)
        elif head:
            yield head, rows
            head, rows = [], []


def rows_with_tests() -> list[tuple[str, str]]:
    """What each row is about, and what it names as its tests."""
    return [
        (row[0], row[head.index(_TESTED)])
        for head, rows in tables(PAGE.read_text(encoding="utf-8"))
        if _TESTED in head
        for row in rows
    ]


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = [
        n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return frozenset(name for name in found if name.startswith("test_"))


ROWS = rows_with_tests()


@pytest.mark.parametrize(("about", "cell"), ROWS, ids=[about[:60] for about, _ in ROWS])
def test_each_row_names_tests_that_exist(about: str, cell: str) -> None:
    named = _NODE.findall(cell)
    assert named, f"'{about}' names no test as `tests/…/test_x.py::test_y`"
    for path, name in named:
        assert (ROOT / path).is_file(), path
        assert name in functions(path), f"{path}::{name}"
    # Nothing beside them that looks like a test and is none.
    left = _NODE.sub("", cell).replace(",", "").strip()
    assert left == "", f"'{left}' is no node id"


def test_every_table_of_threats_and_limits_has_tests() -> None:
    heads = [head for head, _rows in tables(PAGE.read_text(encoding="utf-8"))]
    assert sum(_TESTED in head for head in heads) >= 3
    assert len(ROWS) >= 40
