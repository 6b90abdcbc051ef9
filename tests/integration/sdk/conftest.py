"""Fixtures: the small hub and registry, and modules that run against them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from small_hub import SmallHub, SmallRegistry

from kite import Module
from kite.settings import ModuleSettings
from kite.wire.boot import BootLine

TOKEN = "a" * 64


@pytest.fixture
async def hub() -> AsyncIterator[SmallHub]:
    hub = await SmallHub().start()
    hub.tokens[TOKEN] = "worker"
    yield hub
    await hub.stop()


@pytest.fixture
async def registry(hub: SmallHub) -> AsyncIterator[SmallRegistry]:
    registry = await SmallRegistry(hub).start()
    yield registry
    await registry.stop()


@pytest.fixture
async def start(
    hub: SmallHub, registry: SmallRegistry, tmp_path: Path
) -> AsyncIterator[Callable[[Module], Coroutine[Any, Any, asyncio.Task[int]]]]:
    """Run a module in this loop; returns its task once it is ready (or has ended)."""
    tasks: list[asyncio.Task[int]] = []
    modules: list[Module] = []

    async def begin(module: Module, *, wait: bool = True) -> asyncio.Task[int]:
        settings = ModuleSettings(
            module="worker",
            module_dir=tmp_path,
            data_dir=tmp_path,
            registry_port=registry.port,
            instance="test",
            instance_dir=tmp_path,
            project_dir=tmp_path,
            workspace=tmp_path,
            port=None,
        )
        life = module.begin(settings, BootLine(token=TOKEN, life=3))
        task = asyncio.create_task(life.run())
        tasks.append(task)
        modules.append(module)
        if wait:
            ready = asyncio.create_task(life.ready())
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
            ready.cancel()
        return task

    yield begin
    for module, task in zip(modules, tasks, strict=True):
        if not task.done():
            module.stop()
        async with asyncio.timeout(15):
            await task


@pytest.fixture
async def process(
    hub: SmallHub, registry: SmallRegistry, tmp_path: Path
) -> AsyncIterator[Callable[..., Coroutine[Any, Any, asyncio.subprocess.Process]]]:
    """Start a program as the Launcher does: environment, boot line, lifeline; no token elsewhere."""
    started: list[asyncio.subprocess.Process] = []

    async def spawn(
        source: str, *, boot: bytes | None = None, stdin: Any = asyncio.subprocess.PIPE, **env: str
    ) -> asyncio.subprocess.Process:
        program = tmp_path / "main.py"
        program.write_text(source)
        kept = {key: text for key, text in os.environ.items() if not key.startswith("KITE_")}
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-X",
            "dev",
            "-W",
            "error",
            program,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            cwd=tmp_path,
            env={
                **kept,
                "KITE_MODULE": "worker",
                "KITE_MODULE_DIR": str(tmp_path),
                "KITE_MODULE_DATA": str(tmp_path),
                "KITE_REGISTRY_PORT": str(registry.port),
                "KITE_INSTANCE": "test",
                "KITE_INSTANCE_DIR": str(tmp_path),
                "KITE_CWD": str(tmp_path),
                "KITE_WORKSPACE": str(tmp_path),
                **env,
            },
        )
        started.append(child)
        if child.stdin is not None:
            child.stdin.write(boot or json.dumps({"token": TOKEN, "life": 3}).encode() + b"\n")
        return child

    yield spawn
    for child in started:
        if child.returncode is None:
            child.kill()
        async with asyncio.timeout(10):
            await child.communicate()
