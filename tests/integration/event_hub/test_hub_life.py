"""How a Hub starts and ends: sockets that are handed over, signals, the lifeline, bad starts."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from fake_registry import FakeRegistry
from hub_socket import Connect, HubSocket

from kite.testing.hub import HubProcess


@pytest.mark.parametrize("how", ["stdin", "term"])
async def test_it_leaves_within_a_second_and_says_goodbye(registry: FakeRegistry, how: str) -> None:
    async with HubProcess(registry.port, token=registry.hub_token) as hub:
        token = await registry.add("alpha")
        async with (
            await HubSocket.connect(hub.port, token) as client,
            await HubSocket.connect(hub.port, token) as writer,
        ):
            await client.subscribe("a")
            await writer.publish("a", "last words")
            os.kill(hub.pid, signal.SIGINT)  # a terminal's Ctrl-C is not for it
            await writer.publish("a", "really last")
            started = time.monotonic()
            if how == "stdin":
                await hub.leave()
            else:
                hub.process.send_signal(signal.SIGTERM)
                await asyncio.wait_for(hub.process.wait(), 5)
            assert time.monotonic() - started < 3  # and not after any grace
            assert hub.process.returncode == 0
            assert [(await client.read())["data"] for _ in range(2)] == [
                "last words",
                "really last",
            ]
            assert (await client.closed()).code == 1001


class Handed:
    """A listening socket as the Launcher keeps it for every life of the Hub."""

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(64)
        self.port = self.sock.getsockname()[1]
        self.launcher_token = ""
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, life: int, **more: str) -> None:
        self.launcher_token = secrets.token_hex(32)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("KITE_", "LISTEN_"))}
        env |= {"KITE_REGISTRY_PORT": str(self.registry.port), "LISTEN_FDS": "1", **more}
        fd = self.sock.fileno()

        def hand_over() -> None:
            if fd == 3:
                os.set_inheritable(3, True)
            else:
                os.dup2(fd, 3, inheritable=True)

        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kite.event_hub.entry", env=env, preexec_fn=hand_over,
            close_fds=False, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        boot = {"token": self.registry.hub_token, "life": life, "future": [1]}
        line = {"kite": "launcher_ws_token", "launcher_ws_token": self.launcher_token}
        assert self.process.stdin is not None
        self.process.stdin.write(f"{json.dumps(boot)}\n{json.dumps(line)}\n".encode())

    async def endpoint(self) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(10):
            found: dict[str, Any] = json.loads(await self.process.stdout.readline())
            return found

    async def end(self) -> None:
        self.sock.close()
        if self.process is not None:
            if self.process.returncode is None:
                self.process.kill()
            await self.process.wait()
            self.process._transport.close()  # type: ignore[attr-defined]


async def test_every_life_gets_the_same_socket_and_waiting_connections(
    registry: FakeRegistry,
) -> None:
    handed = Handed(registry)
    try:
        await handed.start(1)
        said = await handed.endpoint()
        assert said == {"kite": "ws_endpoint", "ws_endpoint": f"ws://127.0.0.1:{handed.port}/ws"}
        async with await HubSocket.connect(handed.port, handed.launcher_token) as launcher:
            await launcher.subscribe("module.ready", "hub.started")
            epoch = (await launcher.read())["data"]["epoch"]
            assert handed.process is not None
            handed.process.kill()
            assert (await launcher.closed()).code == 1006
        await handed.process.wait()
        handed.process._transport.close()  # type: ignore[attr-defined]
        await handed.start(2)
        # Connected while nobody has said anything yet: it waits in the socket that was kept.
        async with await HubSocket.connect(handed.port, handed.launcher_token) as launcher:
            await launcher.subscribe("module.ready", "hub.started")
            assert (await launcher.read())["data"]["epoch"] != epoch
            assert (await launcher.read())["data"] == {"module_id": "event_hub", "life": 2}
    finally:
        await handed.end()


async def test_another_processs_listen_pid_is_not_for_us(registry: FakeRegistry) -> None:
    handed = Handed(registry)
    try:
        await handed.start(1, LISTEN_PID="1")
        said = await handed.endpoint()
        assert str(handed.port) not in said["ws_endpoint"]
    finally:
        await handed.end()


@pytest.mark.parametrize(
    ("first", "env"),
    [(b"", {}), (b"garbage\n", {}), (b'{"life":1}\n', {}), (b"{}\n", {"KITE_REGISTRY_PORT": ""})],
)
async def test_a_start_that_cannot_be_says_why(first: bytes, env: dict[str, str]) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("KITE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kite.event_hub.entry",
        env=environ | {"KITE_REGISTRY_PORT": "1"} | env,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(first), 10)
    assert process.returncode not in (0, None)
    assert out == b""
    assert b"hub.failed" in err
    assert b"Traceback" not in err
    process._transport.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "hub", [{"limits": {"outbox": 1, "frame_bytes": 5000}, "colour": "red"}], indirect=True
)
async def test_config_that_is_not_known_is_said_and_the_rest_holds(
    hub: HubProcess, connect: Connect
) -> None:
    client = await connect("alpha")
    client.send("x" * 5001)
    assert (await client.closed()).code == 1009
    said = "\n".join(hub.errors)
    assert "'limits.outbox'" in said
    assert "'colour'" in said


async def test_the_registry_may_come_after_the_hub(registry: FakeRegistry) -> None:
    await registry.stop()
    async with HubProcess(registry.port, token=registry.hub_token) as hub:
        await registry.restart()
        await registry.registration()
        token = await registry.add("alpha")
        async with await HubSocket.connect(hub.port, token) as client:
            assert (await client.publish("a"))["type"] == "ack"


def test_an_alarm_that_is_overdue_is_an_alarm() -> None:
    """uvloop makes something else than a timer of a time that has passed."""
    import uvloop

    from kite.event_hub.limits import HubConfig
    from kite.event_hub.service import Hub

    async def ring() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        hub = Hub(sock, HubConfig(), token="0" * 64, registry_url="http://127.0.0.1:1")
        hub.alarm(0.0)
        hub.alarm(0.0)
        hub.alarm(-1.0)
        await asyncio.sleep(0)
        await hub.stop()
        sock.close()

    uvloop.run(ring())


async def test_it_says_whose_life_is_connected_and_how_often(
    registry: FakeRegistry, hub: HubProcess, connect: Connect
) -> None:
    """By this the Launcher knows whom it can ask to stop; whom it cannot ask it signals at once."""
    watcher = await connect("watcher")
    await watcher.subscribe("hub.client.>")
    token = await registry.add("alpha", life=3)
    first = await connect("alpha", token=token)
    second = await connect("alpha", token=token)
    first.writer.close()
    second.writer.close()
    told = [await watcher.read() for _ in range(4)]
    assert [(event["event"], event["data"]["connections"]) for event in told] == [
        ("hub.client.connected", 1),
        ("hub.client.connected", 2),
        ("hub.client.disconnected", 1),
        ("hub.client.disconnected", 0),
    ]
    assert {(event["data"]["module_id"], event["data"]["life"]) for event in told} == {("alpha", 3)}
