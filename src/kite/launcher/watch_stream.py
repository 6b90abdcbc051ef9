"""The answer to whoever holds a lease: a line of JSON for each change, for as long as they listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec

from kite.http.stream import Stream
from kite.launcher.watching import Lease, Watching


def watch_stream(watching: Watching, lease: Lease, stopping: asyncio.Event) -> Stream:
    """Gives the lease back when the client has gone, or the Launcher is stopping.

    Args:
        lease: what is told.
        stopping: set when everything is to end.
    """
    return Stream(
        _told(lease),
        media_type="application/x-ndjson",
        until=stopping,
        at_end=partial(watching.give_back, lease),
    )


async def _told(lease: Lease) -> AsyncIterator[bytes]:
    about = {"module": lease.name}
    await asyncio.sleep(0)  # the watch is in place after its task's first turn
    yield msgspec.json.encode({**about, "watching": True}) + b"\n"
    while True:
        yield msgspec.json.encode({**about, **await lease.changes.get()}) + b"\n"
