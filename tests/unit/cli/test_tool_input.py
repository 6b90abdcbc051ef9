"""What the arguments of `kite call` mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kite.cli.tool_input import input_of
from kite.errors import ConfigError
from kite.wire.tool import Tool

TOOL = Tool(
    module_id="m",
    name="t",
    subject="m.t",
    input_schema={
        "type": "object",
        "properties": {"text": {"type": "string"}, "number": {"type": "integer"}, "odd": True},
    },
)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ((), {}),
        (('{"a": 1}',), {"a": 1}),
        (("7",), 7),
        (('"a=b"',), "a=b"),
        (("text=7", "number=7"), {"text": "7", "number": 7}),
        (("text=a=b c",), {"text": "a=b c"}),
        (("text=",), {"text": ""}),
        (("other=[1, true]", "odd=word"), {"other": [1, True], "odd": "word"}),
        (("a.b-c=null",), {"a.b-c": None}),
    ],
)
def test_they_are_json_or_fields(given: tuple[str, ...], meant: Any) -> None:
    assert json.loads(input_of(TOOL, given)) == meant


def test_json_is_sent_as_it_was_written() -> None:
    assert input_of(TOOL, ('{"n": 1.000000000000000000001}',)) == '{"n": 1.000000000000000000001}'


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("{",), "not_json"),
        (("word",), "not_json"),
        (("",), "not_json"),
        (("a=1", "word"), "bad_field"),
        (("a=1", '{"b": 2}'), "bad_field"),
        (("a=1", "a=2"), "field_twice"),
        (("=1", "a=1"), "bad_field"),
    ],
)
def test_what_is_neither_is_refused(given: tuple[str, ...], code: str) -> None:
    with pytest.raises(ConfigError) as refused:
        input_of(TOOL, given)
    assert refused.value.code == code


def test_a_tool_without_a_schema_takes_fields_as_json_where_they_are() -> None:
    tool = Tool(module_id="m", name="t", subject="m.t")
    assert json.loads(input_of(tool, ("a=1", "b=x"))) == {"a": 1, "b": "x"}
