"""Streams in a real Hub process: kept over its end, told when damaged, refused where impossible."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fake_registry import FakeRegistry
from hub_socket import HubSocket

from kite.event_hub.store.file import FILE
from kite.testing.hub import HubProcess

STREAMS: dict[str, Any] = {"streams": {"docs": {"subjects": ["docs.>"], "max_events": 1000}}}


def life(registry: FakeRegistry, directory: Path) -> HubProcess:
    return HubProcess(
        registry.port,
        token=registry.hub_token,
        config=STREAMS,
        env={"KITE_MODULE_DATA": str(directory)},
    )


async def join(hub: HubProcess, registry: FakeRegistry, module: str) -> HubSocket:
    return await HubSocket.connect(hub.port, await registry.add(module))


async def work(client: HubSocket, **options: Any) -> dict[str, Any]:
    frame = {"type": "subscribe", "events": ["docs.>"], "durable": "work", "id": "d", **options}
    return await client.call(frame)


def moved_aside(directory: Path) -> list[Path]:
    return list(directory.glob(f"{FILE}.damaged-*"))


async def test_an_event_outlives_two_hubs_and_is_done_once(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    async with life(registry, tmp_path) as hub:
        worker, writer = [await join(hub, registry, name) for name in ("worker", "writer")]
        async with worker, writer:
            assert await work(worker) == {"type": "ack", "id": "d", "stream": "docs", "seq": 0}
            ack = await writer.publish("docs.a", {"n": 1}, event_id="one")
            assert (ack["stream"], ack["seq"]) == ("docs", 1)
            event = await worker.read()
            assert (event["data"], event["seq"], event["attempt"]) == ({"n": 1}, 1, 1)
            await writer.publish("docs.a", {"n": 2}, event_id="two")
            assert (await worker.read())["seq"] == 2
            ack = await worker.call({"type": "ack", "durable": "work", "seq": 1, "id": "a"})
            assert ack == {"type": "ack", "id": "a", "seq": 1}
    async with life(registry, tmp_path) as hub:
        worker, writer = [await join(hub, registry, name) for name in ("worker", "writer")]
        async with worker, writer:
            assert (await writer.publish("docs.a", {"n": 1}, event_id="one"))["duplicate"] is True
            await work(worker)
            assert (await worker.read())["data"] == {"n": 2}


async def test_a_damaged_file_is_told_and_the_hub_comes_up(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_bytes(b"no database " * 2000)
    async with life(registry, tmp_path) as hub:
        assert any("stream.repaired kind=damaged_file" in line for line in hub.errors)
        async with await join(hub, registry, "writer") as writer:
            assert (await writer.publish("docs.a"))["seq"] == 1
    assert moved_aside(tmp_path)


async def test_where_nothing_can_be_kept_the_hub_runs_and_says_so(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    async with (
        life(registry, tmp_path / "missing") as hub,
        await join(hub, registry, "writer") as writer,
    ):
        error = await writer.publish("docs.a")
        assert error["code"] == "stream_unavailable"
        assert (await writer.publish("plain"))["delivered"] == 0


async def test_a_full_disk_is_told_and_what_was_acknowledged_before_and_after_is_there(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    """A limit on the size of files stands for a disk that is full for a while."""
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("limits of another process cannot be set here")
    acked: list[str] = []
    async with life(registry, tmp_path) as hub:
        worker, writer = [await join(hub, registry, name) for name in ("worker", "writer")]
        async with worker, writer:
            await work(worker)

            async def publish(name: str) -> str:
                answer = await writer.publish("docs.a", "x" * 20_000, event_id=name)
                acked.extend([name] if answer["type"] == "ack" else [])
                return str(answer.get("code", "kept"))

            assert [await publish(f"a{number}") for number in range(20)] == ["kept"] * 20
            full = (tmp_path / f"{FILE}-wal").stat().st_size
            unlimited = resource.RLIM_INFINITY
            resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (full, unlimited))
            refused = "b0"
            while await publish(refused) == "kept":
                refused = f"b{len(acked)}"
            assert (await writer.publish("plain"))["delivered"] == 0
            resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
            async with asyncio.timeout(30):
                while await publish(refused) != "kept":  # noqa: ASYNC110 (nobody says when)
                    await asyncio.sleep(0.2)
            seen = set()
            while refused not in seen:
                frame = await worker.read()
                seen.add(frame["event_id"])
            assert seen >= set(acked)
    async with life(registry, tmp_path) as hub, await join(hub, registry, "reader") as reader:
        frame = {"type": "subscribe", "events": ["docs.>"], "id": "r"}
        reader.send({**frame, "replay": {"seq": 1, "follow": False}})
        found = []
        while (frame := await reader.read())["type"] == "event":
            found.append(frame["event_id"])
        assert found == acked


async def test_what_was_taken_is_written_before_the_hub_ends(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    async with life(registry, tmp_path) as hub, await join(hub, registry, "writer") as writer:
        writer.send(*({"type": "event", "event": "docs.a", "data": n} for n in range(500)))
        await writer.publish("docs.a", "last")
    async with life(registry, tmp_path) as hub, await join(hub, registry, "reader") as reader:
        replay = {"seq": 1, "follow": False}
        reader.send({"type": "subscribe", "events": ["docs.>"], "replay": replay, "id": "r"})
        seqs = []
        while (frame := await reader.read())["type"] == "event":
            seqs.append(frame["seq"])
        assert seqs == list(range(1, 502))
        assert frame["replayed"] == 501
