"""schemathesis asks the running processes, from their documents: every answer is as promised.

All its checks are on: statuses, content types, headers and schemas are those of the document, what the
document forbids is refused, what it allows is not, nothing is a 5xx, nothing comes without a token, and
405 names the methods there are. It asks the same in each run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kept import INTERFACES
from schemathesis_run import run

from kite.http.openapi import document
from kite.testing.registry import RegistryProcess
from kite.testing.system import ECHO, System

REGISTRY = document(INTERFACES["registry"])
LAUNCHER = document(INTERFACES["launcher"])

BEYOND_A_SCHEMA = {
    # A path needs an `api_endpoint` to lie below, and a URL a host.
    "post_modules": ("positive_data_acceptance",),
    # A pattern has 255 bytes, which are fewer characters.
    "session": ("positive_data_acceptance",),
    # To a JSON schema 5.0 is an integer, to Kite a number with a fraction.
    "restart": ("positive_data_acceptance",),
    # No token may be given to two names.
    "tokens": ("positive_data_acceptance",),
}


async def test_the_registry_as_the_launcher_and_as_a_module_ask_it(tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    names = ("registry", "event_hub", "operator", "alpha", "beta")
    async with RegistryProcess(tmp_path / "registry", tokens=names) as registry:
        pid = registry.pid
        for name, token, more in (
            # A session needs a module, and a module's token dies with the table that it stands in.
            ("session", registry.tokens["beta"], {"only": ["session"], "lenient": BEYOND_A_SCHEMA}),
            ("rest", registry.kite_token, {"without": ["session"], "lenient": BEYOND_A_SCHEMA}),
        ):
            await asyncio.to_thread(
                run, REGISTRY, registry.url, token, tmp_path / name, names=["alpha"], **more
            )
        assert registry.pid == pid
        assert (await registry.call("GET", "/health")).status == 200
        await registry.post_tokens("alpha")
        registered = {"action": "register", "module_id": "alpha"}
        assert (await registry.call("POST", "/modules", "alpha", json=registered)).status == 200
        assert not [line for line in registry.log if "Traceback" in line or "failed" in line]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("fuzzed"), extensions=False) as made:
        made.module("echo", ECHO, runtime="python")
        made.module("victim")
        made.module("off", state="disabled")
        made.up("--wait")
        yield made
        made.down()


def lives(system: System, *names: str) -> dict[str, Any]:
    found = system.records()
    return {name: (found[name]["pid"], found[name]["life"]) for name in names}


def test_the_launcher_as_the_operator_asks_it(system: System, tmp_path: Path) -> None:
    """All but `POST /launcher/shutdown`, which would end what is asked, and the lines of
    `POST …/watch`, which have no end: each is asked by tests of its own."""
    everybody = ("launcher", "registry", "event_hub", "echo")
    before = lives(system, *everybody)
    run(
        LAUNCHER,
        system.api["url"],
        system.api["token"],
        tmp_path / "run",
        without=["shutdown", "watch"],
        lenient=BEYOND_A_SCHEMA,
        names=["victim", "off", "launcher", "nobody", "a b", "../x", "鸢", "a" * 300],
    )
    assert lives(system, *everybody) == before
    assert system.request("echo.echo", "still here")["data"] == "still here"
    assert system.act("start", "victim")["actual_state"] == "running"
    assert "Traceback" not in system.log("launcher")


def test_the_registry_of_a_running_kite_as_the_operator_asks_it(
    system: System, tmp_path: Path
) -> None:
    """The operator only reads: whatever is asked, everything is as it was."""
    url = f"http://127.0.0.1:{system.api['registry_port']}"

    def state() -> tuple[Any, list[str]]:
        answer = system.call("GET", "/modules", url=url).body["modules"]
        numbers = system.kite("registry", "get", "echo", status=None).out
        return [
            {key: value for key, value in each.items() if key != "expires_at"} for each in answer
        ], numbers

    before, lived = state(), lives(system, "registry", "echo")
    run(
        REGISTRY,
        url,
        system.api["token"],
        tmp_path / "run",
        names=["echo"],
        lenient=BEYOND_A_SCHEMA,
    )
    assert state() == before
    assert lives(system, "registry", "echo") == lived
    assert system.request("echo.echo", 1)["data"] == 1
    assert "Traceback" not in system.log("registry")
