"""What the file says is there: found from the ends of streams and from notes, not by reading it all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

import msgspec

from kite.event_hub.core.streams.desk import decode_state
from kite.event_hub.limits import StreamConfig
from kite.event_hub.store.schema import set_up
from kite.event_hub.store.shelf import Shelf, seq_of


def find_shelves(db: sqlite3.Connection, configs: Mapping[str, StreamConfig]) -> dict[str, Shelf]:
    """The streams in the file, and a place for every stream of the settings."""
    set_up(db)
    shelves: dict[str, Shelf] = {}
    for number, name, first, last, size, sized in db.execute(
        "SELECT number, name, first, last, size, sized FROM streams"
    ).fetchall():
        shelf = shelves[name] = Shelf(
            number=number,
            name=name,
            first=first,
            last=last,
            size=size,
            sized=sized,
            config=configs.get(name),
        )
        measure(db, shelf)
    for name, config in configs.items():
        if name not in shelves:
            number = 1 + max((each.number for each in shelves.values()), default=0)
            db.execute(
                "INSERT INTO streams (number, name, first, last) VALUES (?, ?, 1, 0)",
                (number, name),
            )
            shelves[name] = Shelf(number=number, name=name, config=config)
    return shelves


def measure(db: sqlite3.Connection, shelf: Shelf) -> None:
    """Where a stream's chunks begin and end. Their size was noted now and then: only what came
    later is added up."""
    newer = db.execute(
        "SELECT total(size) FROM chunks WHERE key BETWEEN ? AND ?",
        (shelf.key(shelf.sized + 1), shelf.keys[1]),
    ).fetchone()[0]
    shelf.size += int(newer)
    ends = "SELECT key, at, count FROM chunks WHERE key BETWEEN ? AND ? ORDER BY key {} LIMIT 1"
    lowest = db.execute(ends.format(""), shelf.keys).fetchone()
    newest = db.execute(ends.format("DESC"), shelf.keys).fetchone()
    shelf.lowest, shelf.oldest_at, shelf.newest, shelf.newest_at = None, None, None, 0.0
    if lowest is None or newest is None:
        shelf.size, shelf.first = 0, shelf.last + 1
        return
    shelf.lowest, shelf.oldest_at, _ = lowest
    shelf.newest, shelf.newest_at, count = newest
    shelf.last = max(shelf.last, seq_of(newest[0]) + count - 1)
    shelf.first = max(shelf.first, seq_of(lowest[0]))
    shelf.sized = shelf.last


def find_durables(
    db: sqlite3.Connection, damaged: Callable[[str, str], None]
) -> dict[tuple[str, str], bytes]:
    """The states of durables by (module, name). One that cannot be read is told and removed: it
    begins anew."""
    found = {}
    for module, name, state in db.execute("SELECT module, name, state FROM durables").fetchall():
        try:
            decode_state(state)
        except msgspec.DecodeError:
            damaged(module, name)
            db.execute("DELETE FROM durables WHERE module=? AND name=?", (module, name))
        else:
            found[module, name] = bytes(state)
    return found
