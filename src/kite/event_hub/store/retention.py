"""Letting go what is too old or too much: whole chunks from the front."""

from __future__ import annotations

import sqlite3

from kite.event_hub.limits import StreamConfig
from kite.event_hub.store.shelf import Shelf, seq_of

_MOST_CHUNKS = 4096
_MOST_BYTES = 64 << 20
"""That go in one transaction: who publishes waits for it. The rest goes with the next ones."""


def trim(db: sqlite3.Connection, shelf: Shelf, now: float) -> bool:
    """Let go what is beyond the bounds; True when anything was.

    Args:
        db: the file, in a transaction.
        shelf: the stream; it is changed.
        now: seconds since 1970.
    """
    config = shelf.config
    if config is None or not _is_due(shelf, config, now):
        return False
    first = shelf.first
    if config.max_events is not None:
        first = max(first, shelf.last - config.max_events + 1)
    gone, freed = None, 0
    left: tuple[int, float] | None = None
    rows = db.execute(
        "SELECT key, count, at, size FROM chunks WHERE key BETWEEN ? AND ? ORDER BY key", shelf.keys
    )
    for count, (key, events, at, size) in enumerate(rows):
        end = seq_of(key) + events
        is_over = _is_over(shelf.size, config) and key != shelf.newest
        if not (end <= first or is_over or _is_old(at, config, now)):
            left = key, at
            break
        if count == _MOST_CHUNKS or freed > _MOST_BYTES:
            left = key, at
            first = seq_of(key)
            break
        gone = key
        freed += size
        shelf.size -= size
        first = max(first, end)
    if gone is not None:
        db.execute("DELETE FROM chunks WHERE key BETWEEN ? AND ?", (shelf.keys[0], gone))
    shelf.first = max(first, shelf.first)
    shelf.lowest, shelf.oldest_at = left or (None, None)
    if shelf.lowest is None:
        shelf.newest = None
    return True


def _is_due(shelf: Shelf, config: StreamConfig, now: float) -> bool:
    return (
        (config.max_events is not None and shelf.last - shelf.first + 1 > config.max_events)
        or (_is_over(shelf.size, config) and shelf.lowest != shelf.newest)
        or (shelf.oldest_at is not None and _is_old(shelf.oldest_at, config, now))
    )


def _is_over(size: int, config: StreamConfig) -> bool:
    return config.max_size is not None and size > config.max_size


def _is_old(at: float, config: StreamConfig, now: float) -> bool:
    return config.max_age is not None and at <= now - config.max_age
