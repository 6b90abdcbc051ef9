"""One stream in the file: what is there of it, and how its chunks are found."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kite.event_hub.core.streams.jobs import Extent
from kite.event_hub.limits import StreamConfig
from kite.event_hub.store.chunk import MOST_BYTES

_STEP = 1 << 44
"""Room for sequence numbers of one stream in a chunk's key."""

_LEAST_CHUNK = 1 << 10
_CHUNKS = 8
"""That a stream with a bound by size has at least, about: whole chunks go."""


@dataclass(slots=True, kw_only=True)
class Shelf:
    """One stream in the file.

    Args:
        number: its own, for the keys of its chunks.
        name: its name.
        first: the lowest sequence number that counts as being there.
        last: the highest that was ever given.
        size: bytes of its chunks.
        sized: up to this sequence number the file knows the size.
        config: what it keeps; None where the settings do not name it.
        lowest: the key of its oldest chunk; None where there is none.
        newest: the key of its newest chunk.
        oldest_at: seconds since 1970 at which the oldest chunk was kept.
        newest_at: and the newest.
        unnoted: what it would cost, in bytes to read, to add up the size beyond `sized`.
    """

    number: int
    name: str
    first: int = 1
    last: int = 0
    size: int = 0
    sized: int = 0
    config: StreamConfig | None = None
    lowest: int | None = None
    newest: int | None = None
    oldest_at: float | None = None
    newest_at: float = 0.0
    unnoted: int = 0

    @property
    def extent(self) -> Extent:
        """What the core is told."""
        return Extent(
            first=self.first,
            last=self.last,
            oldest=self.oldest_at,
            size=self.size,
            is_one_chunk=self.lowest == self.newest,
        )

    @property
    def keys(self) -> tuple[int, int]:
        """The lowest and the highest key that a chunk of it can have."""
        return self.number * _STEP, (self.number + 1) * _STEP - 1

    @property
    def chunk_bytes(self) -> int:
        """Of a chunk, unless one event alone is larger."""
        if self.config is None or self.config.max_size is None:
            return MOST_BYTES
        return min(MOST_BYTES, max(_LEAST_CHUNK, self.config.max_size // _CHUNKS))

    def key(self, seq: int) -> int:
        """Of the chunk that begins with a sequence number."""
        return self.number * _STEP + seq

    def copy(self) -> Shelf:
        """As it is now, to come back to."""
        return replace(self)


def number_of(key: int) -> int:
    """Whose chunk it is."""
    return key // _STEP


def seq_of(key: int) -> int:
    """With which sequence number the chunk begins."""
    return key % _STEP
