"""The event ids of the deduplication window, read from the youngest chunks."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from kite.event_hub.limits import Deduplication


class _Ids(msgspec.Struct):
    source: str = ""
    event_id: str = ""


_ids_of = msgspec.json.Decoder(_Ids).decode

Youngest = Iterator[tuple[float, str, Callable[[], list[bytes]]]]
"""Chunks of a stream, the youngest first: when each was kept, its sources, how to read it."""


def recent_ids(
    streams: list[Youngest], window: Deduplication, now: float
) -> list[tuple[float, str, str]]:
    """The ids within the window, oldest first, of each source as many as are remembered.

    Chunks of nothing but sources of which enough was read are not even read.

    Returns:
        (age in seconds, source, id).
    """
    counts: Counter[str] = Counter()
    found: list[tuple[float, str, str]] = []
    for at, sources, read in heapq.merge(*streams, key=lambda chunk: -chunk[0]):
        if at <= now - window.seconds:
            break
        if all(counts[name] >= window.ids for name in sources.split(",")):
            continue
        for payload in reversed(read()):
            one = _ids_of(payload)
            counts[one.source] += 1
            if counts[one.source] <= window.ids:
                found.append((max(0.0, now - at), one.source, one.event_id))
    found.reverse()
    return found
