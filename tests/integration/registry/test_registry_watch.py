"""`GET /watch`: what is here, then every change or a clear word that some are missing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from event_stream import EventStream

from kite.testing.registry import RegistryProcess


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RegistryProcess]:
    names = ("registry", "event_hub", "operator", "alpha", "beta")
    async with RegistryProcess(tmp_path, tokens=names) as process:
        yield process


async def say(
    registry: RegistryProcess, action: str, name: str, token: str = "", **fields: Any
) -> Any:
    body = {"action": action, "module_id": name, **fields}
    return await registry.ask("POST", "/modules", token or registry.kite_token, json=body)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


async def test_it_begins_with_what_is_here_and_goes_on_with_what_changes(
    registry: RegistryProcess,
) -> None:
    await say(registry, "register", "alpha", "alpha", module_type="agent", metadata={"n": 1})
    async with EventStream(registry, "beta", prefix="a") as stream:
        present, synced = await stream.until("synced")
        assert (present["event"], present["module_id"]) == ("present", "alpha")
        assert "expires_at" not in present["record"]
        assert stream.copy["alpha"]["metadata"] == {"n": 1}
        await say(registry, "register", "beta", "beta")  # of another prefix
        await say(registry, "heartbeat", "alpha", "alpha")  # no change
        await say(registry, "register", "alpha", "alpha", metadata={"n": 2})
        changed = await stream.next()
        assert changed is not None
        assert (changed["event"], changed["record"]["metadata"]) == ("registered", {"n": 2})
        assert changed["revision"] == synced["revision"] + 2  # one of them was beta's
        await say(registry, "deregister", "alpha", "alpha")
        gone = await stream.next()
        assert gone is not None
        assert (gone["event"], gone["record"], stream.copy) == ("deregistered", None, {})
        assert gone["id"] == f"{synced['epoch']}:{gone['revision']}"


async def test_who_reads_and_then_follows_has_no_gap(registry: RegistryProcess) -> None:
    for path in ("/modules", "/lookup?module_id=*", "/modules/registry", "/get/registry.name"):
        answer = await registry.call("GET", path, "operator")
        at = {"since": answer.headers["kite-revision"], "epoch": answer.headers["kite-epoch"]}
        await say(registry, "register", "alpha")
        async with EventStream(registry, **at) as stream:
            events = await stream.until("synced")
        assert [(e["event"], e.get("module_id")) for e in events] == [
            ("registered", "alpha"),
            ("synced", None),
        ]


async def test_a_lease_that_ends_is_told(tmp_path: Path) -> None:
    brief = RegistryProcess(tmp_path, tokens=("operator",), config={"ttl": 0.2})
    async with brief as registry, EventStream(registry) as stream:
        await stream.until("synced")
        await say(registry, "register", "alpha")
        assert kinds(await stream.until("expired")) == ["registered", "expired"]
        assert stream.copy.keys() == {"registry"}


async def test_of_several_lives_the_record_that_is_left_is_told(registry: RegistryProcess) -> None:
    async with EventStream(registry, prefix="crew") as stream:
        await stream.until("synced")
        for life in (1, 2):
            await say(registry, "register", "crew", life=life, metadata={"n": life})
        await say(registry, "deregister", "crew", life=2)
        gone = (await stream.until("deregistered"))[-1]
        assert (gone["life"], gone["record"]["life"]) == (2, 1)
        assert stream.copy["crew"]["metadata"] == {"n": 1}


async def test_a_browser_goes_on_where_it_was(registry: RegistryProcess) -> None:
    async with EventStream(registry) as stream:
        await stream.until("synced")
    await say(registry, "register", "alpha")
    await say(registry, "deregister", "alpha")
    async with EventStream(registry, last_event_id=stream.last_id) as again:
        assert kinds(await again.until("synced")) == ["registered", "deregistered", "synced"]


@pytest.mark.parametrize("seen", ["0123456789abcdef:1", "nonsense", ":", "a:b"])
async def test_what_is_of_another_life_or_was_never_said_is_compacted(
    registry: RegistryProcess, seen: str
) -> None:
    async with EventStream(registry, last_event_id=seen) as stream:
        assert kinds(await stream.until("synced")) == ["compacted", "present", "synced"]


async def test_a_revision_that_there_is_not_yet_is_compacted(registry: RegistryProcess) -> None:
    async with EventStream(registry, since=1_000_000) as stream:
        compacted, *_ = await stream.until("synced")
        assert compacted["event"] == "compacted"
        assert compacted["oldest"] <= compacted["revision"] + 1


async def test_a_restart_is_another_epoch_and_everything_is_there_again(
    registry: RegistryProcess,
) -> None:
    await say(registry, "register", "alpha", "alpha")
    async with EventStream(registry) as stream:
        await stream.until("synced")
        await registry.restart()
        while await stream.next() is not None:
            pass  # it ends with the process
    async with EventStream(registry, last_event_id=stream.last_id) as again:
        assert kinds(await again.until("synced"))[0] == "compacted"
        assert again.copy["alpha"] == stream.copy["alpha"]
        assert again.copy.keys() == stream.copy.keys()
        assert again.last_id.partition(":")[0] != stream.last_id.partition(":")[0]


async def test_a_stream_ends_with_its_token(registry: RegistryProcess) -> None:
    async with EventStream(registry, "alpha") as stream, EventStream(registry, "beta") as other:
        await stream.until("synced")
        await other.until("synced")
        await registry.post({"alpha": secrets.token_hex(32)})
        assert await stream.next() is None
        await say(registry, "register", "gamma")
        assert (await other.until("registered"))[-1]["module_id"] == "gamma"


async def test_the_registry_ends_though_somebody_reads(registry: RegistryProcess) -> None:
    async with EventStream(registry) as stream:
        await stream.until("synced")
        assert await registry.terminate() == 0
        assert await stream.next() is None


@pytest.mark.parametrize("since", ["", "-1", "x", "nan", "1e400", "٣"])
async def test_a_revision_that_is_none_is_refused(registry: RegistryProcess, since: str) -> None:
    async with EventStream(registry, since=since) as stream:
        await stream.next_head()
        assert stream.status == 422


async def test_without_a_token_nothing_is_told(registry: RegistryProcess) -> None:
    async with EventStream(registry, "0" * 64) as stream:
        await stream.next_head()
        assert stream.status == 401


async def test_there_are_only_so_many_streams_of_a_module(registry: RegistryProcess) -> None:
    streams = [EventStream(registry, "alpha") for _ in range(65)]
    try:
        for stream in streams[:64]:
            await stream.__aenter__()
            await stream.until("synced")
        await streams[64].__aenter__()
        await streams[64].next_head()
        assert streams[64].status == 429
        streams[0].writer.transport.abort()
        async with EventStream(registry, "beta") as other:
            await other.until("synced")

        async def has_room() -> bool:
            async with EventStream(registry, "alpha") as again:
                await again.next_head()
                return again.status == 200

        async with asyncio.timeout(10):
            while not await has_room():  # noqa: ASYNC110  (the other end tells nobody)
                await asyncio.sleep(0.02)
    finally:
        for stream in streams[:65]:
            if hasattr(stream, "writer"):
                stream.writer.transport.abort()


@pytest.mark.parametrize("reads", ["at once", "late"])
async def test_thousands_of_changes_among_those_of_others(
    registry: RegistryProcess, reads: str
) -> None:
    """Whoever reads gets every one in order; who does not is told so, and has everything again."""
    # The more there is to a record, the sooner the memory has no room for what is late.
    count, size = (400, 10) if reads == "at once" else (200, 300_000)
    async with EventStream(registry, prefix="mine") as stream:
        await stream.until("synced")

        async def write(name: str, most: int) -> None:
            for number in range(most):
                about = {"n": number, "text": "x" * size}
                await say(registry, "register", name, metadata=about)

        writing = asyncio.gather(write("mine", count), write("other", count // 2))
        if reads == "late":
            await writing
        numbers: list[int] = []
        last = 0
        while not numbers or numbers[-1] != count - 1:
            event = await stream.next(timeout=30)
            assert event is not None
            if event["event"] == "compacted":
                assert reads == "late"
                numbers.append(-1)
            elif event["event"] != "synced":
                assert event.get("revision", last + 1) > last
                last = event.get("revision", last)
                numbers.append(event["record"]["metadata"]["n"])
        await writing
    missed = numbers.index(-1) if -1 in numbers else len(numbers)
    assert numbers[:missed] == list(range(missed))
    if reads == "at once":
        assert numbers == list(range(count))
    else:
        assert numbers[missed:] == [-1, count - 1]
