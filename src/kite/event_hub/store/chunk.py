"""A chunk: consecutive events of a stream as one piece of bytes, with a checksum.

The layout: the length of each event as 32 bits, little end first, then the events.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

MOST_BYTES = 256 << 10
"""Of a chunk, unless one event alone is larger."""


def chunks(payloads: Sequence[bytes], most: int = MOST_BYTES) -> Iterator[Sequence[bytes]]:
    """Events in portions of at most so many bytes, or of one event, each for one chunk."""
    ends = list(accumulate(map(len, payloads)))
    if not ends or ends[-1] <= most:
        if payloads:
            yield payloads
        return
    start, begun = 0, 0
    for place, end in enumerate(ends):
        if end - begun > most and place > start:
            yield payloads[start:place]
            start, begun = place, ends[place - 1]
    yield payloads[start:]


def pack(payloads: Sequence[bytes]) -> bytes:
    """One chunk."""
    return b"".join((struct.pack(f"<{len(payloads)}I", *map(len, payloads)), *payloads))


def checksum(data: bytes) -> int:
    """What tells whether a chunk is as it was written."""
    return zlib.crc32(data)


def unpack(data: bytes, count: int) -> list[bytes]:
    """The events of a chunk whose checksum is right.

    Raises:
        ValueError: it does not hold so many.
    """
    head = 4 * count
    if not 0 < head <= len(data):
        raise ValueError(f"a chunk of {len(data)} bytes with {count} events")
    ends = list(accumulate(struct.unpack_from(f"<{count}I", data), initial=head))
    if ends[-1] != len(data):
        raise ValueError(f"a chunk of {len(data)} bytes whose events have {ends[-1] - head}")
    return [data[start:end] for start, end in pairwise(ends)]
