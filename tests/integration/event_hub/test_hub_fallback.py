"""Where uvloop is missing, asyncio carries the Hub."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psutil
from fake_registry import FakeRegistry
from hub_socket import HubSocket, masked

from kite.testing.hub import HubProcess


async def test_without_uvloop(registry: FakeRegistry, tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError('not on this machine')\n")
    env = {"PYTHONPATH": str(tmp_path)}
    config = {"limits": {"outbox_bytes": 65536}}
    async with HubProcess(registry.port, token=registry.hub_token, env=env, config=config) as hub:
        token = await registry.add("alpha")
        async with (
            await HubSocket.connect(hub.port, token) as writer,
            await HubSocket.connect(hub.port, token, receive_buffer=8192) as reader,
        ):
            loaded = psutil.Process(hub.pid).memory_maps()
            assert not [each.path for each in loaded if "uvloop" in each.path]
            await reader.subscribe("a")
            frame = {"type": "event", "event": "a", "data": "x" * 3000}

            async def flood() -> None:
                for n in range(1500):
                    writer.send(json.dumps({**frame, "n": n}))
                    if n % 50 == 0:
                        await writer.writer.drain()

            flooding = asyncio.create_task(flood())
            assert [(await reader.read())["n"] for _ in range(1500)] == list(range(1500))
            await flooding
            writer.send_bytes(masked(b"x", opcode=2))
            assert (await writer.closed()).code == 1003
        token = await registry.add("beta")
        client = await HubSocket.connect(hub.port, token)
        await registry.revoke(token)
        assert (await client.closed()).code == 4401
        client.writer.close()
