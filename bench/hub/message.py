"""The message that all peers carry: one JSON envelope of about 300 bytes, each with an id of its own."""

from __future__ import annotations

from typing import Final

SIZE: Final = 300
"""Bytes of every envelope, exactly: who counts bytes has counted messages."""

_STAMP: Final = "2026-01-01T00:00:00.000Z"


def envelopes(subject: str, source: str, count: int, *, run: str) -> list[bytes]:
    """So many envelopes of `SIZE` bytes.

    Args:
        subject: of each.
        source: the module that sends them.
        run: makes the ids differ from those of other runs: deduplication is on.
    """
    head = (
        f'{{"type":"event","event":"{subject}","source":"{source}","timestamp":"{_STAMP}",'
        f'"event_id":"{run}-'
    )
    tail = '","data":{"document":"reports/2026/spring.md","bytes":48211,"note":"'
    end = '"}}'
    filler = "x" * (SIZE - len(head) - 8 - len(tail) - len(end))
    if not filler:
        raise ValueError(f"the envelope of {subject} does not fit into {SIZE} bytes")
    rest = tail + filler + end
    return [f"{head}{number:08x}{rest}".encode() for number in range(count)]
