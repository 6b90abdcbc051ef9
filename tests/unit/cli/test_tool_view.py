"""A tool as people read it."""

from __future__ import annotations

from typing import Any

import pytest

from kite.cli.tool_view import page, takes

WORDS = {
    "module_id": "module",
    "subject": "subject",
    "input_schema": "takes",
    "output_schema": "answers",
}


def an_object(required: list[str], **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": required}


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        (None, ""),
        (True, ""),
        ({"type": "object"}, ""),
        ({"type": "array", "items": {"type": "string"}}, "string[]"),
        (an_object([]), ""),
        (
            an_object(["q"], n={"type": "integer", "default": 10}, q={"type": "string"}),
            "q: string, [n]: integer = 10",
        ),
        (an_object([], s={"type": "string", "default": ""}), "[s]: string"),
        (
            an_object([], k={"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}),
            "[k]: string",
        ),
        (an_object(["k"], k={"type": ["string", "null"]}), "k: string | null"),
        (an_object(["e"], e={"enum": ["a", 1]}), 'e: "a" | 1'),
        (an_object(["e"], e={"enum": [1, 2, 3, 4, 5]}), "e: 1 | 2 | 3 | …"),
        (an_object(["p"], p={"$ref": "#/$defs/Place"}), "p: Place"),
        (an_object(["x"], x={}, y=True), "x: any, [y]: any"),
        ({"properties": [], "type": "string"}, "string"),
        (an_object("q", q={"type": "string"}), "[q]: string"),  # a `required` that is no list
        ({"anyOf": [{"type": "string"}, {"type": "string"}, 3]}, "string | any"),
    ],
)
def test_what_it_takes_is_one_line(schema: Any, shown: str) -> None:
    assert takes(schema) == shown


def test_its_page_has_everything_that_is_known() -> None:
    tool = {
        "module_id": "docs",
        "name": "search",
        "description": "Finds.",
        "input_schema": {"type": "object"},
        "output_schema": None,
        "subject": "docs.search",
    }
    assert list(page(tool, WORDS)) == [
        "search",
        "  Finds.",
        "  module: docs",
        "  subject: docs.search",
        "  takes:",
        "    {",
        '      "type": "object"',
        "    }",
    ]
    bare = dict.fromkeys(tool) | {"module_id": "docs", "name": "bare"}
    assert list(page(bare, WORDS)) == ["bare", "  module: docs"]
