"""Tokens that come, die and expire while connections stand; a Registry that goes away."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from fake_registry import FakeRegistry
from hub_socket import Connect, HubSocket, Refusal

from kite.clock import rfc3339
from kite.testing.hub import HubProcess
from kite.wire.token import digest


async def test_a_dead_token_is_out_at_once_and_the_others_stay(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    token = await registry.add("alpha")
    first = await connect("alpha", token=token)
    second = await connect("alpha", token=token)
    other = await connect("alpha")  # another life of the same module
    await first.subscribe("a")
    started = time.monotonic()
    await registry.revoke(token)
    for client in (first, second):
        assert (await client.closed(timeout=2)).code == 4401
    assert time.monotonic() - started < 2
    assert (await other.publish("a"))["delivered"] == 0
    with pytest.raises(Refusal) as caught:
        await HubSocket.connect(hub.port, token)
    assert caught.value.status == 401
    async with asyncio.timeout(5):  # and the sockets go, though this client answers nothing
        assert await first.reader.read() == b""


async def test_tokens_of_the_table_need_no_question(
    registry: FakeRegistry, connect: Connect
) -> None:
    token = await registry.add("alpha")
    await registry.travelled()
    await connect("alpha", token=token)
    assert registry.verified == []


async def test_what_the_table_lacks_is_asked_and_goes_with_the_registrys_no(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    token = await registry.add("alpha", listed=False, publish=["only.>"])
    client = await connect("alpha", token=token)
    assert registry.verified == [digest(token)]
    assert (await client.publish("other"))["code"] == "permission_denied"
    assert (await client.publish("only.this"))["type"] == "ack"
    # A table that still lacks it may be older than the yes: asked again, it stays.
    await registry.change()
    await registry.travelled()
    assert (await client.publish("only.this"))["type"] == "ack"
    await registry.revoke(token)
    assert (await client.closed(timeout=2)).code == 4401


async def test_a_session_token_ends_when_its_time_is_up(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    parent = await registry.add("alpha")
    expires = time.time() + 1.0
    row = {
        "parent": digest(parent), "expires_at": rfc3339(expires),
        "publish": ["a.>"], "subscribe": ["a.>"],
    }  # fmt: skip
    page = await connect("alpha", **row)
    module = await connect("alpha", token=parent)
    await page.subscribe("a.x", "_reply.alpha.>")
    assert (await page.publish("module.ready", {"module_id": "alpha"}))[
        "code"
    ] == "permission_denied"
    assert (await page.closed(timeout=3)).code == 4401
    assert expires - 0.1 < time.time() < expires + 1
    assert (await module.publish("a"))["type"] == "ack"


async def test_an_outage_of_the_registry_leaves_known_tokens_alone(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    token = await registry.add("alpha")
    client = await connect("alpha", token=token)
    await registry.travelled()
    await registry.stop()
    for port_is_closed in (True, False):
        if not port_is_closed:
            await registry.restart(ready=False)  # it answers 503
        assert (await client.publish("a"))["type"] == "ack"
        async with await HubSocket.connect(hub.port, token) as anew:
            assert (await anew.publish("a"))["type"] == "ack"
        with pytest.raises(Refusal) as caught:
            await HubSocket.connect(hub.port, "e" * 64)
        assert (caught.value.status, caught.value.code) == (503, "not_ready")
        assert "retry-after" in caught.value.headers
    # It is back: unknown is unknown again, and the Hub registers anew.
    known = len(registry.registered)
    registry.is_ready = True
    await registry.registration(known + 1)
    with pytest.raises(Refusal) as caught:
        await HubSocket.connect(hub.port, "e" * 64)
    assert caught.value.status == 401
    assert (await client.publish("a"))["type"] == "ack"
    # The table is followed again.
    await registry.revoke(token)
    assert (await client.closed(timeout=2)).code == 4401


async def test_a_hub_whose_own_token_is_not_known_says_503(registry: FakeRegistry) -> None:
    async with HubProcess(registry.port) as hub:  # a made-up token
        with pytest.raises(Refusal) as caught:
            await HubSocket.connect(hub.port, "e" * 64)
        assert caught.value.status == 503


async def test_rights_that_change_hold_from_then_on(
    registry: FakeRegistry, connect: Connect
) -> None:
    token = await registry.add("alpha")
    client = await connect("alpha", token=token)
    await client.subscribe("a", "b")
    registry.tokens[digest(token)].update(publish=["a"], subscribe=["a"])
    await registry.change()
    error = await client.read()
    assert (error["code"], "'b'" in error["message"]) == ("permission_denied", True)
    assert (await client.publish("b"))["code"] == "permission_denied"
    client.send({"type": "event", "event": "a", "ack": True})
    assert {(await client.read())["type"] for _ in range(2)} == {"event", "ack"}


async def test_no_token_is_ever_logged(hub: HubProcess, registry: FakeRegistry) -> None:
    tokens = [await registry.add("alpha"), "d" * 64]
    for token in tokens:
        for path in (f"/ws?token={token}", f"/nowhere?token={token}"):
            if (token, path[:3]) == (tokens[0], "/ws"):
                async with await HubSocket.connect(hub.port, path=path):
                    continue
            with pytest.raises(Refusal) as caught:
                await HubSocket.connect(hub.port, path=path)
            assert token not in caught.value.body.decode()
    await hub.leave()
    said = json.dumps(hub.errors)
    assert hub.errors
    for token in [*tokens, hub.token, hub.launcher_token, registry.hub_token]:
        assert token not in said
