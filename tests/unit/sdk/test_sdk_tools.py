"""Tools as the author of a module writes them, and as others call them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pytest

from kite import Module, Request
from kite.errors import ModuleError, RequestError
from kite.sdk.tool import Tool
from kite.testing.module import running
from kite.wire.tool import tools_problem


class Place(msgspec.Struct):
    city: str
    zip_code: str | None = None


class Branch(msgspec.Struct):
    name: str
    below: list[Branch] = []


@dataclass
class Found:
    path: str
    score: float


@pytest.fixture
def module() -> Module:
    return Module()


def record_of(function: Any, **options: Any) -> dict[str, Any]:
    record = Tool(function, **options).record("docs")
    assert tools_problem([record]) is None
    for key in ("input_schema", "output_schema"):
        if key in record:
            jsonschema.Draft202012Validator.check_schema(record[key])
    return record


def test_a_function_says_everything_about_its_tool() -> None:
    def search(
        query: Annotated[str, msgspec.Meta(min_length=1)],
        limit: int = 10,
        *,
        order: Literal["score", "path"] = "score",
    ) -> list[Found]:
        """Find documents
        by their words.

        More for whoever reads the source.
        """
        return [Found(query, limit)]

    record = record_of(search)
    assert record["name"] == "search"
    assert record["subject"] == "docs.search"
    assert record["description"] == "Find documents by their words."
    assert record["input_schema"] == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "minLength": 1},
            "limit": {"type": "integer", "default": 10},
            "order": {"enum": ["path", "score"], "default": "score"},
        },
        "required": ["query"],
        "additionalProperties": False,
    }
    assert record["output_schema"]["items"] == {"$ref": "#/$defs/Found"}


def test_types_of_its_own_and_those_that_hold_themselves_stand_in_the_schema() -> None:
    def send(to: Place, tree: Branch, notes: list[str] = []) -> Branch:  # noqa: B006
        return tree

    record = record_of(send, name="mail.send", subject="post.office", description="Sends.")
    assert record["name"] == "mail.send"
    assert record["subject"] == "post.office"
    valid = jsonschema.Draft202012Validator(record["input_schema"]).is_valid
    branch = {"name": "a", "below": [{"name": "b"}]}
    assert valid({"to": {"city": "Ulm"}, "tree": branch})
    assert not valid({"to": {"city": 7}, "tree": branch})
    assert not valid({"to": {"city": "Ulm"}, "tree": {"below": []}})
    assert jsonschema.Draft202012Validator(record["output_schema"]).is_valid(branch)


def test_what_is_not_said_is_not_registered() -> None:
    def ping():
        return "pong"

    assert record_of(ping) == {
        "name": "ping",
        "subject": "docs.ping",
        "input_schema": {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": False,
        },
    }


def test_functions_whose_input_cannot_be_named_are_refused() -> None:
    def anything(*words: str) -> None: ...

    def options(**more: str) -> None: ...

    def nameless(a: int, /) -> None: ...

    def odd(what: socket) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    def unknown(what: asyncio.Task) -> None: ...

    def endless():
        yield 1

    for function in (anything, options, nameless, odd, unknown):
        with pytest.raises(ModuleError) as refused:
            Tool(function)
        assert refused.value.code == "tool_signature"
        assert function.__name__ in refused.value.message
    with pytest.raises(ModuleError) as refused:
        Tool(endless)
    assert refused.value.code == "handler_is_generator"
    with pytest.raises(ValueError, match="two words"):
        Tool(test_what_is_not_said_is_not_registered, name="two words")


async def test_a_tool_is_registered_and_called_with_what_fits(
    module: Module, tmp_path: Path
) -> None:
    @module.tool()
    async def search(query: str, limit: int = 2, where: Place | None = None) -> list[Found]:
        """Find."""
        await asyncio.sleep(0)
        return [Found(f"{query}{n}{where.city if where else ''}", n) for n in range(limit)]

    @module.tool("who.asks")
    def who(request: Request, loud: bool = False) -> str:
        return request.source.upper() if loud else request.source

    module.register(type="service", tools=["by hand"])
    async with running(module, data_dir=tmp_path, name="docs") as bench:
        entry = bench.registry.entries["docs"]
        assert [each if isinstance(each, str) else each["name"] for each in entry["tools"]] == [
            "by hand",
            "search",
            "who.asks",
        ]
        assert entry["module_type"] == "service"
        assert entry["events_subscribe"] == ["docs.search", "docs.who.asks"]
        found = await bench.request(
            "docs.search", {"query": "q", "limit": 1, "where": {"city": "U"}}
        )
        assert found == [{"path": "q0U", "score": 0}]
        assert await bench.request("docs.who.asks") == "operator"
        assert await bench.request("docs.who.asks", {"loud": True}) == "OPERATOR"
        for wrong, detail in (
            ({}, "missing required field `query`"),
            ({"query": 7}, "$.query"),
            ({"query": "q", "limits": 1}, "limits"),
            ([1], "object"),
        ):
            with pytest.raises(RequestError) as refused:
                await bench.request("docs.search", wrong)
            assert refused.value.code == "invalid_input"
            assert detail in refused.value.message


async def test_a_module_calls_tools_by_name(module: Module, tmp_path: Path) -> None:
    @module.tool()
    def double(number: int) -> int:
        return 2 * number

    @module.tool()
    def refuse() -> None:
        raise RequestError("out_of_paper", detail="tray 2 is empty")

    async with running(module, data_dir=tmp_path, name="sums"):
        assert await module.call("double", {"number": 21}) == 42
        assert await module.call("sums/double", {"number": 1}) == 2
        for tool, code in (("refuse", "out_of_paper"), ("triple", "tool_unknown")):
            with pytest.raises(RequestError) as refused:
                await module.call(tool)
            assert refused.value.code == code
        assert [tool.name for tool in await module.registry.tools()] == ["double", "refuse"]


async def test_declaring_tools_has_its_rules(module: Module, tmp_path: Path) -> None:
    module.tool("same")(lambda: 1)
    with pytest.raises(ValueError, match="two tools 'same'"):
        module.tool("same")(lambda: 2)
    with pytest.raises(ValueError, match="concurrency"):
        module.tool("other", concurrency=0)(lambda: 2)
    with pytest.raises(RequestError):
        module.tool("other", subject="a.*")
    async with running(module, data_dir=tmp_path):
        with pytest.raises(ModuleError) as late:
            module.tool("late")(lambda: 3)
        assert late.value.code == "module_already_running"
