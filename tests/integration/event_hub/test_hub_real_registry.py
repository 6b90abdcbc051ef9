"""The Hub and the real Registry together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hub_socket import HubSocket, Refusal

from kite.errors import RequestError, Unavailable
from kite.testing.hub import HubProcess
from kite.testing.registry import RegistryProcess


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[RegistryProcess]:
    async with RegistryProcess(
        tmp_path, tokens=["registry", "event_hub", "operator", "alpha", "beta"]
    ) as process:
        yield process


@pytest.fixture
async def hub(real: RegistryProcess) -> AsyncIterator[HubProcess]:
    async with HubProcess(real.port, token=real.tokens["event_hub"]) as process:
        yield process


async def endpoint(real: RegistryProcess) -> Any:
    """What the Registry says of the Hub; 503 until it has registered."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await real.ask("GET", "/get/event_hub.metadata.ws_endpoint", "alpha")
            except Unavailable:
                await asyncio.sleep(0.02)


async def handshake(hub: HubProcess, token: str) -> int:
    """The status that a handshake with the token gets."""
    try:
        async with await HubSocket.connect(hub.port, token):
            return 101
    except Refusal as refusal:
        return refusal.status


async def test_a_stranger_finds_the_hub_through_the_registry(
    real: RegistryProcess, hub: HubProcess
) -> None:
    assert await endpoint(real) == hub.endpoint
    async with (
        await HubSocket.connect(hub.port, real.tokens["alpha"]) as alpha,
        await HubSocket.connect(hub.port, real.tokens["beta"]) as beta,
    ):
        await alpha.subscribe("greetings.*")
        assert (await beta.publish("greetings.beta", "hello"))["delivered"] == 1
        event = await alpha.read()
        assert (event["source"], event["data"]) == ("beta", "hello")
    for unknown in ("a" * 64, "nonsense", "x" * 2000):
        with pytest.raises(Refusal) as caught:
            await HubSocket.connect(hub.port, unknown)
        assert caught.value.status == 401


async def test_new_and_revoked_tokens_with_their_lists(
    real: RegistryProcess, hub: HubProcess
) -> None:
    await real.post({"gamma": {"token": "c" * 64, "publish": ["g.>"], "subscribe": []}})
    async with await HubSocket.connect(hub.port, "c" * 64) as gamma:
        assert (await gamma.publish("g.x"))["type"] == "ack"
        assert (await gamma.publish("h.x"))["code"] == "permission_denied"
        assert (await gamma.call({"type": "subscribe", "events": ["g.>"], "id": 1}))["code"] == (
            "permission_denied"
        )
        await real.post({"gamma": None})
        assert (await gamma.closed(timeout=2)).code == 4401
    with pytest.raises(Refusal) as caught:
        await HubSocket.connect(hub.port, "c" * 64)
    assert caught.value.status == 401


async def test_a_session_token_is_narrower_and_dies_with_its_parent(
    real: RegistryProcess, hub: HubProcess
) -> None:
    body = {"publish": ["page.>"], "subscribe": ["page.>"], "ttl": 600}
    session = await real.ask("POST", "/tokens/session", "alpha", json=body)
    async with await HubSocket.connect(hub.port, session["token"]) as page:
        await page.subscribe("page.news")
        assert (await page.publish("page.x"))["type"] == "ack"
        assert (await page.publish("other.x"))["code"] == "permission_denied"
        await real.post({"alpha": None})
        assert (await page.closed(timeout=2)).code == 4401


async def test_a_session_token_that_expires(real: RegistryProcess, hub: HubProcess) -> None:
    body = {"publish": [], "subscribe": ["page.>"], "ttl": 1}
    session = await real.ask("POST", "/tokens/session", "alpha", json=body)
    async with await HubSocket.connect(hub.port, session["token"]) as page:
        await page.subscribe("page.news")
        assert (await page.closed(timeout=3)).code == 4401


async def test_pages_of_a_module_that_registered_its_port(
    real: RegistryProcess, hub: HubProcess
) -> None:
    origin = {"Origin": "http://localhost:45678"}
    with pytest.raises(Refusal) as caught:
        await HubSocket.connect(hub.port, real.tokens["alpha"], headers=origin)
    assert caught.value.code == "bad_origin"
    register = {
        "action": "register", "module_id": "alpha", "api_endpoint": "http://127.0.0.1:45678",
    }  # fmt: skip
    await real.ask("POST", "/modules", "alpha", json=register)
    async with await HubSocket.connect(hub.port, real.tokens["alpha"], headers=origin):
        pass


async def test_an_isolated_restart_of_the_registry_disturbs_nobody(
    real: RegistryProcess, hub: HubProcess
) -> None:
    assert await endpoint(real) == hub.endpoint
    async with await HubSocket.connect(hub.port, real.tokens["alpha"]) as alpha:
        await alpha.subscribe("a")
        await real.kill()
        assert (await alpha.publish("b"))["type"] == "ack"
        async with await HubSocket.connect(hub.port, real.tokens["beta"]) as beta:
            assert (await beta.publish("a"))["delivered"] == 1
        await alpha.read()
        await real.start()
        with pytest.raises((Unavailable, RequestError)):
            await real.ask("GET", "/modules", "alpha")  # it knows only the kite token as yet
        assert (await alpha.publish("b"))["type"] == "ack"
        await real.post(real.tokens)
        assert await endpoint(real) == hub.endpoint
        await real.post({"beta": None})
        async with asyncio.timeout(5):  # and its word counts again
            while True:
                status = await handshake(hub, real.tokens["beta"])
                if status != 101:
                    break
                await asyncio.sleep(0.02)
        assert status == 401
        assert (await alpha.publish("b"))["type"] == "ack"


async def test_the_registry_says_that_it_is_ready(real: RegistryProcess) -> None:
    async with (
        HubProcess(real.port, token=real.tokens["event_hub"], opens=False) as hub,
        await HubSocket.connect(hub.port, hub.launcher_token) as launcher,
    ):
        await launcher.subscribe("module.ready")
        ready = [await launcher.read() for _ in range(2)]
        assert {event["data"]["module_id"] for event in ready} == {"event_hub", "registry"}
        assert {event["source"] for event in ready} == {"event_hub", "registry"}
