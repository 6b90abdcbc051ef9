"""Look-ups of the Python SDK, which its copy answers: how many a second, and how stale they are."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe

from bench.figure import Figure, percentile
from bench.registry.comparison import ROUNDS, compared
from bench.registry.entry import RARE, names
from bench.registry.load import PATIENCE
from bench.registry.peers import Kite
from kite.sdk.registry_client import RegistryClient
from kite.sdk.registry_copy import RegistryCopy

LOOKUPS = 200_000
CHANGES = 2_000
EVERY = 0.01
"""Seconds between two changes."""

CHANGED = "changed-0001"
_BATCH = 500
"""Look-ups between two looks at the network; about a third of a millisecond."""

_fork = multiprocessing.get_context("fork")
_Written = list[tuple[float, float]]
"""When each change was asked for, and when it was answered."""


def figures(
    kite: Kite, entries: int, *, lookups: int = LOOKUPS, changes: int = CHANGES
) -> list[Figure]:
    """Among so many entries, which are there already, in this process."""
    kite.fill([CHANGED])
    return asyncio.run(_measure(kite, entries, lookups, changes))


async def _measure(kite: Kite, entries: int, lookups: int, changes: int) -> list[Figure]:
    following: list[asyncio.Task[None]] = []
    copy = RegistryCopy(
        RegistryClient(kite.port, kite.operator),
        lambda task: following.append(asyncio.create_task(task)),
    )
    try:
        await _until_whole(copy)
        found = [await _rate(copy, entries, kind, lookups) for kind in ("module", "get", "lookup")]
        found += await _stale(kite, copy, changes)
        return found
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def _until_whole(copy: RegistryCopy) -> None:
    async with asyncio.timeout(PATIENCE):
        while copy._copy() is None:  # which no caller need know: until then look-ups ask
            await copy.module(CHANGED)


async def _rate(copy: RegistryCopy, entries: int, kind: str, lookups: int) -> Figure:
    modules = names("bench-", entries)
    ask: Callable[[str], Awaitable[object]]
    match kind:
        case "module":
            ask, asked, how = copy.module, modules, "module.registry.module(id)"
        case "get":
            asked = [f"{each}.metadata.version" for each in modules]
            ask, how = copy.get, 'module.registry.get("id.metadata.version")'
        case _:

            async def ask(module_type: str) -> object:
                return await copy.lookup(module_type=module_type)

            asked = ["agent"]
            how = f"module.registry.lookup(module_type=…), {entries // RARE} match"
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(lookups // len(asked)):
            for each in asked:
                await ask(each)
        rates.append(lookups // len(asked) * len(asked) / (time.perf_counter() - began))
    return compared(
        f"SDK {kind}, from its copy of {entries:,} entries",
        {Kite.name: rates},
        "/s",
        detail=how,
        target=None if kind == "lookup" else 500_000,
        at_least=True,
    )


async def _stale(kite: Kite, copy: RegistryCopy, changes: int) -> list[Figure]:
    """Another process changes a record and keeps the times; this one looks it up without pause."""
    ours, theirs = _fork.Pipe()
    writer = _fork.Process(target=_write, args=(kite, changes, theirs))
    writer.start()
    try:
        seen_at = await _seen(copy, changes)
        if not ours.poll(PATIENCE):
            raise RuntimeError("the writer has not ended")
        written: _Written = ours.recv()
    finally:
        writer.terminate()
        writer.join()
    asked = [1000 * (seen - began) for seen, (began, _) in zip(seen_at, written, strict=True)]
    answered = [1000 * (seen - ended) for seen, (_, ended) in zip(seen_at, written, strict=True)]
    detail = (
        f"{changes:,} changes; from before a change is asked for until the copy answers it; from the "
        f"Registry's answer p99 {percentile(answered, 0.99):.2f} ms, max {max(answered):.2f} ms"
    )
    return [
        compared(
            "SDK look-up, how stale, max", {Kite.name: [max(asked)]}, "ms", detail=detail, target=50
        ),
        compared("SDK look-up, how stale, p99", {Kite.name: [percentile(asked, 0.99)]}, "ms"),
    ]


async def _seen(copy: RegistryCopy, changes: int) -> list[float]:
    """When the copy first answered with each change, or a later one."""
    seen_at: list[float] = []
    deadline = time.monotonic() + PATIENCE + 10 * EVERY * changes
    while len(seen_at) < changes:
        for _ in range(_BATCH):
            # Between two looks at the network the copy cannot change.
            record = await copy.module(CHANGED)
        now = time.monotonic()
        seen_at += [now] * (record["metadata"]["bench_count"] - len(seen_at))
        if now > deadline:
            raise RuntimeError(f"{changes - len(seen_at)} changes did not come into the copy")
        await asyncio.sleep(0)
    return seen_at


def _write(kite: Kite, changes: int, told: Pipe) -> None:
    connection = kite.connect()
    written: _Written = []
    for count in range(1, changes + 1):
        time.sleep(EVERY)
        request = kite.change(CHANGED, count)
        began = time.monotonic()
        connection.ask(request)
        written.append((began, time.monotonic()))
    told.send(written)
