"""A real Hub process for every test, with a Registry of the tests' own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fake_registry import FakeRegistry
from hub_socket import Connect, HubSocket

from kite.testing.hub import HubProcess


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with FakeRegistry() as fake:
        yield fake


@pytest.fixture
async def hub(registry: FakeRegistry, request: pytest.FixtureRequest) -> AsyncIterator[HubProcess]:
    """Parametrize indirectly with the `hub:` section of kite.yaml."""
    config = getattr(request, "param", None)
    async with HubProcess(registry.port, token=registry.hub_token, config=config) as process:
        await registry.registration()
        yield process
    assert process.process.returncode == 0, process.errors
    assert not [line for line in process.errors if "Traceback" in line], process.errors


@pytest.fixture
async def connect(registry: FakeRegistry, hub: HubProcess) -> AsyncIterator[Connect]:
    """Connect as a module of any name: `await connect("alpha", publish=[…])`."""
    clients: list[HubSocket] = []

    async def make(
        module: str,
        *,
        receive_buffer: int | None = None,
        token: str | None = None,
        **rights: object,
    ) -> HubSocket:
        shown = token or await registry.add(module, **rights)
        client = await HubSocket.connect(hub.port, shown, receive_buffer=receive_buffer)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.writer.close()
