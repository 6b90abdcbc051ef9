"""What the streams ask of the disk, and what comes back: the whole vocabulary.

Jobs are done one after the other in the order in which they were handed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Record = tuple[int, bytes]
"""A sequence number and the event's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Events for one stream, in order.

    Args:
        stream: its name.
        first: the sequence number of the first.
        payloads: the events' bytes.
        sources: the modules they come from.
    """

    stream: str
    first: int
    payloads: list[bytes]
    sources: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One transaction.

    Args:
        appends: what is kept.
        states: durables by (module, name), as JSON; None deletes.
        at: seconds since 1970 that count as the events' age.
        sync: whether it must survive a loss of power.
    """

    appends: tuple[Append, ...] = ()
    states: Mapping[tuple[str, str], bytes | None] = field(default_factory=dict)
    at: float = 0.0
    sync: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The events of a stream behind a sequence number, as many as fit into some bytes.

    Args:
        stream: its name.
        after: the last sequence number that is not wanted.
        since: seconds since 1970: nothing kept before is wanted (for a first read).
        ticket: who asked.
        others: streams of which is to be said what they have, too.
    """

    stream: str
    after: int
    ticket: int
    since: float | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """These very events of a stream, as far as they are still there."""

    stream: str
    seqs: tuple[int, ...]
    ticket: int


Job = Write | Read | Pick


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What a stream holds.

    Args:
        first: the lowest sequence number that is there; `last + 1` where nothing is.
        last: the highest that was ever given.
        oldest: seconds since 1970 at which the oldest chunk was kept; None where nothing is.
        size: bytes of its events.
        is_one_chunk: whether no bound by size could make it smaller: the newest chunk stays.
    """

    first: int = 1
    last: int = 0
    oldest: float | None = None
    size: int = 0
    is_one_chunk: bool = False

    @property
    def count(self) -> int:
        """How many events are there."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A transaction is on the disk; streams that changed, with what they hold now."""

    extents: Mapping[str, Extent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Events that were read.

    Args:
        records: in order.
        through: everything up to here was looked at; what is missing below is gone.
        shared: sequence numbers of those that another stream has, too, where that was asked.
    """

    records: list[Record]
    through: int
    shared: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The disk did not do it; nothing has changed."""

    why: str


Outcome = Written | Found | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What was there when the Hub started.

    Args:
        extents: by stream.
        durables: their states, as JSON, by (module, name).
        ids: event ids within the deduplication window: (age in seconds, source, id), oldest first.
        repairs: what was damaged, in words, with the stream where it is known.
    """

    extents: Mapping[str, Extent] = field(default_factory=dict)
    durables: Mapping[tuple[str, str], bytes] = field(default_factory=dict)
    ids: list[tuple[float, str, str]] = field(default_factory=list)
    repairs: list[dict[str, Any]] = field(default_factory=list)
