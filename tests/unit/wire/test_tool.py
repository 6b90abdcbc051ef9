"""What stands in `tools` of a registration, and which tool a name means."""

from __future__ import annotations

from typing import Any

import pytest

from kite.errors import RequestError
from kite.wire.tool import Tool, chosen, offered, tools_problem

GOOD = {"name": "search", "subject": "docs.search"}


@pytest.mark.parametrize(
    "tools",
    [
        [],
        ["search", 7, None, {"type": "function"}, {"name": 3}, {"name": "x", "subject": None}],
        [GOOD, {"name": "a.b-C_9", "subject": "a", "description": None, "extra": [1]}],
        [{**GOOD, "input_schema": {"type": "object"}, "output_schema": True}],
        [GOOD, {"name": "search"}],
    ],
)
def test_what_cannot_be_called_is_information_and_what_is_right_is_right(tools: list[Any]) -> None:
    assert tools_problem(tools) is None


@pytest.mark.parametrize(
    ("changed", "place", "says"),
    [
        ({"name": None}, "[1].name", "got null"),
        ({"name": "two words"}, "[1].name", '"two words"'),
        ({"name": ""}, "[1].name", "expected"),
        ({"name": "x" * 129}, "[1].name", "expected"),
        ({"name": "search"}, "[1].name", "earlier"),
        ({"subject": 7}, "[1].subject", "got 7"),
        ({"subject": "docs.*"}, "[1].subject", "for patterns only"),
        ({"subject": ""}, "[1].subject", "empty"),
        ({"description": ["x"]}, "[1].description", "expected a string"),
        ({"input_schema": "object"}, "[1].input_schema", "JSON Schema"),
        ({"output_schema": [1]}, "[1].output_schema", "JSON Schema"),
    ],
)
def test_a_mistake_has_its_place(changed: dict[str, Any], place: str, says: str) -> None:
    problem = tools_problem([GOOD, {"name": "other", "subject": "a.b", **changed}])
    assert problem is not None
    assert problem[0] == place
    assert says in problem[1]


def test_a_record_shows_every_tool_that_has_a_name() -> None:
    record = {
        "module_id": "docs",
        "tools": [
            "bare",
            {**GOOD, "description": "Finds.", "input_schema": {"type": "object"}, "more": 1},
            {"name": "odd", "description": 3, "input_schema": "x", "subject": 9},
            {"description": "nameless"},
            7,
        ],
    }
    assert list(offered(record)) == [
        Tool(module_id="docs", name="bare"),
        Tool(
            module_id="docs",
            name="search",
            description="Finds.",
            input_schema={"type": "object"},
            subject="docs.search",
        ),
        Tool(module_id="docs", name="odd"),
    ]
    assert list(offered({"module_id": "docs"})) == []


def tool(module: str, name: str, subject: str | None) -> Tool:
    return Tool(module_id=module, name=name, subject=subject)


def test_a_name_means_one_tool() -> None:
    tools = [tool("a", "x", "a.x"), tool("b", "y", "b.y"), tool("c", "y", "c.y")]
    assert chosen(tools, "x").module_id == "a"
    assert chosen(tools, "c/y").subject == "c.y"
    with pytest.raises(RequestError) as ambiguous:
        chosen(tools, "y")
    assert (ambiguous.value.code, ambiguous.value.params["names"]) == (
        "tool_ambiguous",
        "b/y, c/y",
    )
    for unknown in ("z", "a/y", ""):
        with pytest.raises(RequestError) as nobody:
            chosen(tools, unknown)
        assert nobody.value.code == "tool_unknown"


def test_modules_that_share_a_subject_offer_one_tool_together() -> None:
    assert chosen([tool("a", "x", "shared"), tool("b", "x", "shared")], "x").subject == "shared"


def test_a_tool_without_a_subject_gives_way_and_alone_cannot_be_called() -> None:
    assert chosen([tool("a", "x", None), tool("b", "x", "b.x")], "x").module_id == "b"
    with pytest.raises(RequestError) as mute:
        chosen([tool("a", "x", None)], "x")
    assert (mute.value.code, mute.value.params["module"]) == ("tool_not_callable", "a")
