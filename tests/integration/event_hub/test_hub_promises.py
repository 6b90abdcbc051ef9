"""Promises that need real processes: readers that are stopped, responders that are killed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fake_registry import FakeRegistry
from flooding import collect, flood
from hub_socket import Connect, HubSocket

from kite.testing.hub import HubProcess

SMALL_OUTBOX = {"limits": {"outbox_bytes": 256 << 10}}

PEER = textwrap.dedent("""
    import socket, sys

    port, token, subscription, mode = sys.argv[1:]
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    peer.connect(("127.0.0.1", int(port)))
    peer.sendall((
        "GET /ws HTTP/1.1\\r\\nHost: 127.0.0.1:%s\\r\\nUpgrade: websocket\\r\\n"
        "Connection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\nAuthorization: Bearer %s\\r\\n\\r\\n"
        % (port, token)
    ).encode())
    text = subscription.encode()
    head = bytes([0x81, 0x80 | len(text)]) if len(text) < 126 else b"\\x81\\xfe" + len(text).to_bytes(2, "big")
    peer.sendall(head + b"\\0\\0\\0\\0" + text)
    seen = b""
    while b'"id":"s"' not in seen:
        seen += peer.recv(65536)
    print("subscribed", flush=True)
    stream = peer.makefile("rb")
    while True:
        first, size = stream.read(2)
        if size == 126:
            size = int.from_bytes(stream.read(2), "big")
        payload = stream.read(size)
        if first != 0x81:
            break
        if mode == "print":
            print(payload[:400].decode(), flush=True)
        elif mode == "tell":
            print("got", flush=True)
    print("closed", int.from_bytes(payload[:2], "big"), flush=True)
""")

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(registry: FakeRegistry, hub: HubProcess) -> AsyncIterator[Start]:
    """Start a subscriber as a process of its own; it has subscribed when this returns."""
    processes: list[asyncio.subprocess.Process] = []

    async def begin(
        module: str, pattern: str, *, mode: str = "tell", **options: Any
    ) -> asyncio.subprocess.Process:
        frame = {"type": "subscribe", "events": [pattern], "id": "s", **options}
        token = await registry.add(module)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PEER, str(hub.port), token, json.dumps(frame), mode,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        processes.append(process)
        assert await line(process) == "subscribed"
        return process

    yield begin
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return (await process.stdout.readline()).decode().strip()


# ── isolation ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("hub", [SMALL_OUTBOX], indirect=True)
async def test_a_stopped_process_is_cut_alone_and_others_miss_nothing(
    connect: Connect, start: Start
) -> None:
    stopped = await start("stopped", "a", mode="quiet")
    stopped.send_signal(signal.SIGSTOP)
    readers = [await connect(f"r{n}") for n in range(3)]
    observer, writer = await connect("observer"), await connect("writer")
    await observer.subscribe("hub.slow_consumer")
    for reader in readers:
        await reader.subscribe("a")
    began = time.monotonic()
    flooding = asyncio.create_task(flood(writer, "a", range(2000)))
    everything = await asyncio.gather(*(collect(reader, 2000, timeout=30) for reader in readers))
    assert everything == [list(range(2000))] * 3
    await flooding
    told = await observer.read()
    assert told["data"]["module_id"] == "stopped"
    assert time.monotonic() - began < 15  # two seconds of holding, and a busy machine
    # Nobody is held any more, though the stopped one is still there and still does not read.
    flooding = asyncio.create_task(flood(writer, "a", range(2000, 4000)))
    again = await asyncio.gather(*(collect(reader, 2000, timeout=30) for reader in readers))
    assert again == [list(range(2000, 4000))] * 3
    await flooding
    assert stopped.returncode is None
    stopped.send_signal(signal.SIGCONT)
    assert await line(stopped) == "closed 1013"


@pytest.mark.parametrize("hub", [SMALL_OUTBOX], indirect=True)
async def test_a_process_that_is_slow_in_bursts_loses_nothing(
    connect: Connect, start: Start
) -> None:
    bursty = await start("bursty", "a", mode="tell")
    writer = await connect("writer")
    flooding = asyncio.create_task(flood(writer, "a", range(2500)))
    for count in range(2500):
        if count in (50, 1200):
            bursty.send_signal(signal.SIGSTOP)
            await asyncio.sleep(0.6)  # what is tested: silences that are shorter than allowed
            bursty.send_signal(signal.SIGCONT)
        assert await line(bursty) == "got"
    await flooding


@pytest.mark.parametrize("hub", [SMALL_OUTBOX], indirect=True)
async def test_who_drops_the_oldest_holds_nobody_and_knows_what_it_missed(
    connect: Connect, start: Start
) -> None:
    stopped = await start("stopped", "a", mode="print", overflow="drop_oldest")
    stopped.send_signal(signal.SIGSTOP)
    reader, writer = await connect("reader"), await connect("writer")
    await reader.subscribe("a")
    flooding = asyncio.create_task(flood(writer, "a", range(3000)))
    assert await collect(reader, 3000, timeout=30) == list(range(3000))
    await flooding
    stopped.send_signal(signal.SIGCONT)
    got: list[int] = []
    missed = 0
    while not got or got[-1] != 2999:
        text = await line(stopped)
        if text.startswith('{"type":"gap"'):
            gap = json.loads(text)
            missed += gap["missed"]
            assert set(gap) == {"type", "missed", "since"}
        else:
            got.append(int(text.partition('"data": ')[2].partition(",")[0]))
    assert missed > 0
    assert got == sorted(got)
    assert len(got) + missed == 3000


async def test_a_handful_of_events_is_never_dropped(connect: Connect) -> None:
    """Where there is room, the option changes nothing."""
    reader, writer = await connect("reader"), await connect("writer")
    await reader.subscribe("a", overflow="drop_oldest")
    flooding = asyncio.create_task(flood(writer, "a", range(500)))
    assert await collect(reader, 500, timeout=30) == list(range(500))
    await flooding


# ── request and reply ───────────────────────────────────────────────────────────────────────────


async def ask(asker: HubSocket, number: int, **fields: Any) -> None:
    asker.send(
        {
            "type": "event",
            "event": "do",
            "event_id": f"q{number}",
            "reply_to": f"_reply.asker.{number}",
            **fields,
        }
    )


@pytest.mark.parametrize("options", [{}, {"queue": "q"}])
async def test_a_killed_responder_is_told_of_at_once(
    connect: Connect, start: Start, options: dict[str, str]
) -> None:
    asker = await connect("asker")
    await asker.subscribe("_reply.asker.>")
    responder = await start("responder", "do", **options)
    for number in range(3):
        await ask(asker, number)
        assert await line(responder) == "got"
    responder.kill()
    told = [await asker.read() for _ in range(3)]
    assert {frame["code"] for frame in told} == {"responder_lost"}
    assert {frame["event_id"] for frame in told} == {"q0", "q1", "q2"}
    await ask(asker, 4)
    assert (await asker.read())["code"] == "no_responders"


async def test_all_of_several_responders_must_be_killed(connect: Connect, start: Start) -> None:
    asker = await connect("asker")
    one, two = await start("one", "do"), await start("two", "do")
    await ask(asker, 1, ack=True)
    assert (await asker.read())["delivered"] == 2
    one.kill()
    await one.wait()
    with pytest.raises(TimeoutError):
        await asker.read(timeout=0.3)
    two.kill()
    assert (await asker.read())["code"] == "responder_lost"


async def test_an_answer_that_was_sent_before_the_end_counts(connect: Connect) -> None:
    asker, responder = await connect("asker"), await connect("responder")
    await asker.subscribe("_reply.asker.>")
    await responder.subscribe("do")
    await ask(asker, 1)
    assert (await responder.read())["event"] == "do"
    responder.send({"type": "event", "event": "_reply.asker.1", "data": "done"})
    await responder.writer.drain()
    responder.writer.close()
    assert (await asker.read())["data"] == "done"
    with pytest.raises(TimeoutError):
        await asker.read(timeout=0.3)


async def test_late_answers_and_gaps_are_in_the_metrics(
    hub: HubProcess, registry: FakeRegistry, connect: Connect
) -> None:
    from hub_socket import http

    responder = await connect("responder")
    assert (await responder.publish("_reply.nobody.1"))["delivered"] == 0
    token = await registry.add("scraper")
    request = (
        f"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    _, _, body = await http(hub.port, request.encode())
    figures = body.decode().splitlines()
    late = [each for each in figures if each.startswith("kite_hub_client_late_replies_total{")]
    assert [each.split()[-1] for each in late if 'module="responder"' in each] == ["1.0"]
    assert "kite_hub_late_replies_total 1.0" in figures
    assert "kite_hub_requests 0.0" in figures
    assert any(each.startswith("kite_hub_client_gaps_total{") for each in figures)
