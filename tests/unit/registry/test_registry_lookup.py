"""Globs and dotted paths: the vectors of the contract, a naive matcher, and hostile input."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.errors import ERRORS_FILE, RequestError
from kite.wire.lookup import compile_glob, field_matches, resolve

VECTORS = Path(ERRORS_FILE).parent / "vectors"
GLOBS = json.loads((VECTORS / "globs.json").read_text())
PATHS = json.loads((VECTORS / "dotted_paths.json").read_text())


def naive(glob: str, text: str) -> bool:
    if not glob:
        return not text
    if glob[0] == "*":
        return any(naive(glob[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and glob[0] in ("?", text[0]) and naive(glob[1:], text[1:])


@given(glob=st.text("ab*?.[", max_size=7), text=st.text("ab.[\n", max_size=8))
def test_globs_are_what_a_naive_matcher_says(glob, text):
    assert (compile_glob(glob).fullmatch(text) is not None) == naive(glob, text)


@pytest.mark.parametrize("query", GLOBS["queries"], ids=lambda query: query["query"])
def test_vectors_of_globs(query):
    wanted = parse_qsl(query["query"], keep_blank_values=True)
    found = [
        record["module_id"]
        for record in GLOBS["records"]
        if all(field_matches(record, field, compile_glob(glob)) for field, glob in wanted)
    ]
    assert sorted(found) == sorted(query["found"])


@pytest.mark.parametrize("row", PATHS["paths"], ids=lambda row: row["path"])
def test_vectors_of_paths(row):
    records = {record["module_id"]: record for record in PATHS["records"]}
    if row.get("found", True):
        assert resolve(records, row["path"].split(".")) == row["value"]
    else:
        with pytest.raises(RequestError) as refused:
            resolve(records, row["path"].split("."))
        assert refused.value.code == "not_found"


@pytest.mark.parametrize("glob", ["*a" * 200 + "b", "*?a" * 100 + "b", "*" * 5000 + "b"])
def test_a_hostile_glob_costs_no_more_than_a_kind_one(glob):
    began = time.process_time()
    assert compile_glob(glob).fullmatch("a" * 100_000) is None
    assert time.process_time() - began < 5.0  # without the care it would be hours


RECORD = {
    "events_publish": {"docs.file.changed": "why", "docs": {"x": 1}},
    "tools": [{"name": "search", "tags": ["a", "b"]}, {"name": "read"}],
    "nested": [[1, [2]], None],
}


@pytest.mark.parametrize(
    ("field", "glob", "good"),
    [
        ("events_publish", "docs.file.*", True),  # keys of an object
        ("events_publish.docs.file.changed", "wh?", True),  # keys that hold dots
        ("events_publish.docs.x", "1", True),
        ("tools.name", "read", True),  # any element
        ("tools.0.name", "read", False),  # this element
        ("tools.1.name", "read", True),
        ("tools.tags", "b", True),
        ("nested", "2", True),
        ("nested", "null", True),
        ("nested", "", False),
        ("missing", "*", False),
        ("", "*", False),
        ("tools.99999999999999999999", "*", False),
    ],
)
def test_fields(field, glob, good):
    assert field_matches(RECORD, field, compile_glob(glob)) is good


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("events_publish.docs.file.changed", "why"),
        ("events_publish.docs.x", 1),
        ("tools.0.tags.1", "b"),
        ("nested.0.1.0", 2),
        ("nested.1", None),
    ],
)
def test_paths(path, value):
    assert resolve(RECORD, path.split(".")) == value


@pytest.mark.parametrize(
    "path", ["tools.name", "tools.-1", "tools.²", "nested.2", "", ".", "tools."]
)
def test_paths_that_lead_nowhere(path):
    with pytest.raises(RequestError):
        resolve(RECORD, path.split("."))
