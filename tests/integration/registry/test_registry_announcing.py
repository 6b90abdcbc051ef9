"""The Registry on a real Event Hub: ready, its events in order, and kept while the Hub is away."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time

import pytest

from kite.sdk.connection import HubConnection
from kite.testing.hub import HubProcess
from kite.testing.registry import RegistryProcess
from kite.wire.frame import Event

NAMES = ("registry", "event_hub", "operator", "alpha", "beta", "watcher")


class Watcher:
    """A connection that remembers what it hears."""

    def __init__(self):
        self.events = []
        self.heard = asyncio.Event()

    async def connect(self, hub, token, *patterns):
        self.connection = await HubConnection.open(hub.endpoint, token, on_event=self._hear)
        await self.connection.subscribe(list(patterns))
        return self

    def _hear(self, event):
        self.events.append(event)
        self.heard.set()

    def subjects(self):
        return [(event.event, event.data.get("module_id")) for event in self.events]

    async def expect(self, subject, module_id, *, within=20.0):
        """Wait until such an event has been heard."""
        async with asyncio.timeout(within):
            while (subject, module_id) not in self.subjects():
                self.heard.clear()
                await self.heard.wait()
        return next(
            e for e in self.events if (e.event, e.data.get("module_id")) == (subject, module_id)
        )

    async def close(self):
        await self.connection.close()


@pytest.fixture
async def registry(tmp_path):
    async with RegistryProcess(tmp_path / "registry", tokens=NAMES) as process:
        yield process


def hub_of(registry, life=1, **options):
    return HubProcess(registry.port, token=registry.tokens["event_hub"], life=life, **options)


async def launcher_of(hub, *patterns):
    """The connection that opens the doors: nobody can be there before it listens."""
    return await Watcher().connect(hub, hub.launcher_token, *patterns)


async def register(registry, name):
    body = {"action": "register", "module_id": name}
    await registry.ask("POST", "/modules", name, json=body)


async def deregister(registry, name):
    body = {"action": "deregister", "module_id": name}
    await registry.ask("POST", "/modules", name, json=body)


async def ready(hub, registry, name):
    """What a module says when it is there."""
    module = Watcher()
    await module.connect(hub, registry.tokens[name], "module.shutdown")
    event = Event(event="module.ready", data={"module_id": name}, event_id=secrets.token_hex(8))
    await module.connection.publish_acked(event)
    return module


async def watch(hub, registry, *patterns):
    return await Watcher().connect(hub, registry.tokens["operator"], *patterns)


async def test_it_is_ready_and_tells_what_changes(registry):
    async with hub_of(registry, opens=False) as hub:
        watcher = await launcher_of(hub, "registry.>")
        # What happened before there was a Hub was kept: its own entry, and the Hub's.
        await watcher.expect("registry.registered", "event_hub")
        await register(registry, "alpha")
        event = await watcher.expect("registry.registered", "alpha")
        assert event.source == "registry"
        assert event.event_id
        assert event.timestamp
        await deregister(registry, "alpha")
        await watcher.expect("registry.deregistered", "alpha")
        await deregister(registry, "alpha")  # nothing has changed
        await register(registry, "beta")
        await watcher.expect("registry.registered", "beta")
        told = [each for each in watcher.subjects() if each[1] in ("alpha", "beta")]
        assert told == [
            ("registry.registered", "alpha"),
            ("registry.deregistered", "alpha"),
            ("registry.registered", "beta"),
        ]
        await watcher.close()


async def test_an_expired_lease_is_told(tmp_path):
    async with (
        RegistryProcess(tmp_path, tokens=NAMES, config={"ttl": 0.5}) as registry,
        hub_of(registry) as hub,
    ):
        watcher = await watch(hub, registry, "registry.expired")
        await register(registry, "alpha")
        await watcher.expect("registry.expired", "alpha")
        await watcher.close()


async def lease(registry, name, action="heartbeat"):
    """How long the lease is that a module is given now."""
    body = {"action": action, "module_id": name}
    return (await registry.ask("POST", "/modules", name, json=body))["ttl"]


async def leased(registry, name, wanted):
    """Wait until a module is given such a lease."""
    async with asyncio.timeout(6):
        while await lease(registry, name) != wanted:
            pass


async def test_who_is_heard_by_the_hub_need_not_say_that_it_lives(registry):
    async with hub_of(registry) as hub:
        assert await lease(registry, "alpha", "register") == 30.0, "nobody hears it yet"
        module = await ready(hub, registry, "alpha")
        await leased(registry, "alpha", 3600.0)
        await module.close()
        await leased(registry, "alpha", 30.0)


async def test_a_lease_that_was_asked_for_is_as_long_as_that(registry):
    async with hub_of(registry) as hub:
        module = await ready(hub, registry, "alpha")
        await register(registry, "beta")
        body = {"action": "register", "module_id": "alpha", "ttl": 60}
        await registry.ask("POST", "/modules", "alpha", json=body)
        assert await lease(registry, "alpha") == 60.0
        await module.close()


async def test_a_new_life_of_the_registry_learns_who_is_heard(registry):
    async with hub_of(registry) as hub:
        await register(registry, "alpha")
        await register(registry, "beta")
        module = await ready(hub, registry, "alpha")
        await leased(registry, "alpha", 3600.0)
        await registry.restart()
        await leased(registry, "alpha", 3600.0)
        await leased(registry, "beta", 30.0)
        await module.close()


async def test_who_was_heard_and_hangs_expires_as_who_misses_its_heartbeats(tmp_path):
    limits = {"limits": {"silence_seconds": 0.6}}
    async with (
        RegistryProcess(tmp_path, tokens=NAMES, config={"ttl": 2.0}) as registry,
        hub_of(registry, config=limits) as hub,
    ):
        watcher = await watch(hub, registry, "registry.expired")
        silent = await hung(hub, registry.tokens["alpha"])
        try:
            await register(registry, "alpha")
            # A Hub that is late on a busy machine measures nothing, and measures again.
            await watcher.expect("registry.expired", "alpha", within=30.0)
        finally:
            silent.close()
            await watcher.close()


async def hung(hub, token):
    """A client that says it answers pings, and does not."""
    _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    lines = [
        "GET /ws HTTP/1.1",
        f"Host: 127.0.0.1:{hub.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Authorization: Bearer {token}",
        "Kite-Answers-Pings: yes",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await writer.drain()
    return writer


async def test_it_says_module_ready_in_each_life_and_to_each_hub(registry):
    async with hub_of(registry) as hub:
        watcher = await watch(hub, registry, "module.ready")
        await registry.restart()
        event = await watcher.expect("module.ready", "registry")
        assert event.data["life"] == 2
        await watcher.close()
        await hub.kill()
    async with hub_of(registry, 2, opens=False) as hub:
        launcher = await launcher_of(hub, "module.ready")
        await launcher.expect("module.ready", "registry")
        await launcher.close()


async def test_with_a_new_token_it_connects_again(registry):
    async with hub_of(registry) as hub:
        watcher = await watch(hub, registry, "module.ready")
        await registry.post_tokens("registry")
        await watcher.expect("module.ready", "registry")
        await watcher.close()


async def test_what_happens_while_the_hub_is_away_comes_when_everybody_is_back(registry):
    async with hub_of(registry, opens=False) as hub:
        first = await launcher_of(hub, "registry.>", "module.ready")
        await first.expect("module.ready", "registry")
        modules = [await ready(hub, registry, name) for name in ("alpha", "beta")]
        await register(registry, "alpha")
        await first.expect("registry.registered", "alpha")
        await hub.kill()
        await register(registry, "beta")
        await deregister(registry, "alpha")
    async with hub_of(registry, 2, opens=False) as hub:
        watcher = await launcher_of(hub, "registry.>", "module.ready")
        await watcher.expect("module.ready", "registry")
        began = time.monotonic()
        modules.append(await ready(hub, registry, "alpha"))
        # `beta` is not back yet: nothing goes.
        with pytest.raises(TimeoutError):
            await watcher.expect("registry.registered", "beta", within=0.5)
        modules.append(await ready(hub, registry, "beta"))
        await watcher.expect("registry.deregistered", "alpha", within=1.5)
        assert time.monotonic() - began < 3.5
        assert watcher.subjects().index(("registry.registered", "beta")) < watcher.subjects().index(
            ("registry.deregistered", "alpha")
        )
        for each in (watcher, *modules[2:]):
            await each.close()


async def test_who_does_not_come_back_is_not_waited_for_longer_than_five_seconds(registry):
    async with hub_of(registry, opens=False) as hub:
        first = await launcher_of(hub, "registry.>", "module.ready")
        await first.expect("module.ready", "registry")
        await ready(hub, registry, "alpha")
        await register(registry, "alpha")
        await first.expect("registry.registered", "alpha")
        await hub.kill()
        await register(registry, "beta")
    async with hub_of(registry, 2) as hub:
        began = time.monotonic()
        watcher = await watch(hub, registry, "registry.>")
        await watcher.expect("registry.registered", "beta", within=5.5)
        assert 2 < time.monotonic() - began <= 5.2
        await watcher.close()


async def test_more_than_a_thousand_kept_events_end_in_a_resync(registry):
    for _ in range(520):
        await register(registry, "alpha")
        await deregister(registry, "alpha")
    async with hub_of(registry, opens=False) as hub:
        watcher = await launcher_of(hub, "registry.>")
        await watcher.expect("registry.resync", None)
        await register(registry, "beta")
        await watcher.expect("registry.registered", "beta")
        subjects = watcher.subjects()
        assert subjects.index(("registry.resync", None)) < subjects.index(
            ("registry.registered", "beta")
        )
        assert sum(subject != "registry.resync" for subject, _ in subjects) <= 1001
        await watcher.close()


async def test_asked_to_go_it_answers(registry):
    async with hub_of(registry, opens=False) as hub:
        launcher = await launcher_of(hub, "module.>")
        await launcher.expect("module.ready", "registry")
        event = Event(
            event="module.shutdown",
            data={"module_id": "registry", "reason": "restart", "timeout": 3},
            event_id="1",
            source="launcher",
        )
        await launcher.connection.publish_acked(event)
        ack = await launcher.expect("module.shutdown.ack", "registry", within=3)
        assert ack.data["estimated_cleanup"] <= 3
        await launcher.expect("module.shutdown.ready", "registry", within=3)
        await launcher.close()


async def test_a_hub_that_does_not_answer_holds_up_neither_the_end_nor_a_new_one(registry):
    """The Hub's socket is there, and nobody serves it: as between two of its lives."""
    silent = socket.create_server(("127.0.0.1", 0))
    endpoint = f"ws://127.0.0.1:{silent.getsockname()[1]}/ws"
    body = {"action": "register", "module_id": "event_hub", "metadata": {"ws_endpoint": endpoint}}
    await registry.ask("POST", "/modules", "event_hub", json=body)
    loop = asyncio.get_running_loop()
    silent.setblocking(False)
    there, _ = await asyncio.wait_for(loop.sock_accept(silent), 5)
    async with hub_of(registry, opens=False) as hub:
        launcher = await launcher_of(hub, "module.ready")
        await launcher.expect("module.ready", "registry", within=3)
        await launcher.close()
    await registry.ask("POST", "/modules", "event_hub", json=body)
    again, _ = await asyncio.wait_for(loop.sock_accept(silent), 5)
    began = time.monotonic()
    assert await registry.terminate() == 0
    assert time.monotonic() - began < 1.5
    for each in (there, again, silent):
        each.close()
