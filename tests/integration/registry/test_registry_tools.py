"""`GET /tools` of the real Registry, and what it refuses to register."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kite.testing.registry import RegistryProcess

SEARCH = {
    "name": "search",
    "description": "Finds documents.",
    "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}},
    "subject": "docs.search",
    "x": 1,
}


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RegistryProcess]:
    async with RegistryProcess(tmp_path, tokens=("operator", "docs", "web")) as process:
        yield process


async def register(registry: RegistryProcess, name: str, tools: list[Any]) -> Any:
    body = {"action": "register", "module_id": name, "tools": tools}
    return await registry.call("POST", "/modules", name, json=body)


async def names(registry: RegistryProcess, query: str = "") -> list[str]:
    answer = await registry.ask("GET", f"/tools{query}", "operator")
    return [f"{tool['module_id']}/{tool['name']}" for tool in answer["tools"]]


async def test_tools_of_all_modules_are_listed_and_found_by_any_field(
    registry: RegistryProcess,
) -> None:
    assert await names(registry) == []
    assert (await register(registry, "docs", [SEARCH, "by-hand", {"other": 1}])).status == 200
    assert (await register(registry, "web", [{**SEARCH, "subject": "web.search"}])).status == 200
    answer = await registry.call("GET", "/tools", "web")
    assert "kite-revision" in answer.headers
    assert answer.json()["tools"][0] == {
        "module_id": "docs",
        "name": "search",
        "description": "Finds documents.",
        "input_schema": SEARCH["input_schema"],
        "output_schema": None,
        "subject": "docs.search",
    }
    assert await names(registry) == ["docs/search", "docs/by-hand", "web/search"]
    assert await names(registry, "?name=sea*") == ["docs/search", "web/search"]
    assert await names(registry, "?subject=docs.*&name=search") == ["docs/search"]
    assert await names(registry, "?input_schema.properties.query.type=string") == [
        "docs/search",
        "web/search",
    ]
    await registry.ask(
        "POST", "/modules", "docs", json={"action": "deregister", "module_id": "docs"}
    )
    assert await names(registry) == ["web/search"]


async def test_what_was_registered_stays_as_it_was_sent_and_survives_a_crash(
    registry: RegistryProcess,
) -> None:
    await register(registry, "docs", [SEARCH, "by-hand", 7])
    await registry.kill()
    await registry.start()
    await registry.post_tokens("operator", "docs", "web")
    assert await names(registry, "?module_id=docs") == ["docs/search", "docs/by-hand"]
    found = await registry.ask("GET", "/get/docs.tools", "operator")
    assert found == [SEARCH, "by-hand", 7]


async def test_a_tool_that_could_not_be_called_is_refused_with_its_place(
    registry: RegistryProcess,
) -> None:
    await register(registry, "docs", [SEARCH])
    for wrong, place in (
        ({**SEARCH, "name": "two words"}, "$.tools[1].name"),
        (SEARCH, "$.tools[1].name"),
        ({"name": "b", "subject": "docs.>"}, "$.tools[1].subject"),
        ({"name": "b", "subject": "docs.b", "input_schema": []}, "$.tools[1].input_schema"),
    ):
        answer = await register(registry, "docs", [SEARCH, wrong])
        problem = answer.json()
        assert (answer.status, problem["code"]) == (422, "malformed_body")
        assert place in problem["detail"]
    assert await names(registry) == ["docs/search"]
