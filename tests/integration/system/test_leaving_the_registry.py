"""Who is dead is out of the Registry at once, who is silent when its lease ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from kite.sdk.registry_client import RegistryClient
from kite.testing.instance import PATIENCE
from kite.testing.system import System

OFFERS = """
from kite import Module
module = Module()
module.register(metadata={"life": 1})
module.run()
"""
SILENT = """
from kite import Module
module = Module()
module.register(metadata={"silent": True})
module.run()
"""


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[System]:
    """Without the Watchdog, which would end whoever is suspended."""
    with System(tmp_path, extensions=False, config={"registry": {"ttl": 1.0}}) as made:
        yield made


async def changes(system: System, module: str) -> AsyncIterator[dict[str, Any]]:
    """What the Registry says of a module from now on."""
    registry = RegistryClient(system.api["registry_port"], system.api["token"])
    rest = b""
    async with registry.watch() as parts:
        async for part in parts:
            *events, rest = (rest + part).split(b"\n\n")
            for event in events:
                fields = dict(line.split(b": ", 1) for line in event.split(b"\n"))
                data = json.loads(fields[b"data"])
                if data.get("module_id", module) == module:
                    yield data | {"event": fields[b"event"].decode()}


async def until(stream: AsyncIterator[dict[str, Any]], kind: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        async for change in stream:
            if change["event"] == kind:
                return change
    raise AssertionError(f"the stream ended without '{kind}'")


@pytest.mark.parametrize("policy", ["always", "never"])
async def test_a_process_that_dies_is_out_before_the_next_one_is_in(
    bare: System, policy: str
) -> None:
    """Its lease has nothing to do with it: the Launcher says so."""
    bare.module("offers", OFFERS, runtime="python", restart={"policy": policy})
    bare.up("--wait")
    stream = changes(bare, "offers")
    await until(stream, "synced")
    bare.kill("offers")
    gone = await until(stream, "deregistered")
    assert (gone["life"], gone["record"]) == (1, None)
    if policy == "always":
        back = await until(stream, "registered")
        assert back["record"]["life"] == 2
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_process_that_is_silent_is_out_when_its_lease_ends_and_comes_back(
    bare: System,
) -> None:
    bare.module("silent", SILENT, runtime="python", health={"heartbeat": False})
    bare.up("--wait")
    pid = bare.pid("silent")
    assert pid is not None
    stream = changes(bare, "silent")
    await until(stream, "synced")
    os.kill(pid, signal.SIGSTOP)
    try:
        gone = await until(stream, "expired")
        assert (gone["life"], gone["record"]) == (1, None)
        assert bare.record("silent")["actual_state"] == "running"
    finally:
        os.kill(pid, signal.SIGCONT)
    back = await until(stream, "registered")
    assert back["record"]["metadata"] == {"silent": True}
    assert back["record"]["life"] == 1
    await stream.aclose()  # type: ignore[attr-defined]
