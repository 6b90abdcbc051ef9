"""One stream: which events it keeps, and how much of it is there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from kite.event_hub.core.rights import reply_audience
from kite.event_hub.core.streams.jobs import Extent
from kite.event_hub.limits import StreamConfig
from kite.wire.limits import MAX_FRAME_BYTES
from kite.wire.subject import matches, overlaps

MARK_BYTES = 512
"""Room that an event must leave for what the Hub writes in front of it on delivery."""

MOST_BYTES = MAX_FRAME_BYTES - MARK_BYTES

MARKS = frozenset({"stream", "seq", "durable", "attempt"})
"""Top-level keys that are the Hub's in what a stream delivers."""


class _Named(msgspec.Struct):
    event: str


_subject_of = msgspec.json.Decoder(_Named).decode
_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Stream:
    """One of `hub.streams`.

    Args:
        name: its name.
        config: what it keeps.
        extent: what is there.
    """

    def __init__(self, name: str, config: StreamConfig, extent: Extent) -> None:
        self.name = name
        self.json_name = msgspec.json.encode(name)
        self.patterns = tuple(config.subjects)
        self.is_synced = config.sync == "full"
        self.extent = extent
        self._config = config

    def overfull_at(self) -> float | None:
        """Since when, or from when on (seconds since 1970), there is more than there should be."""
        extent, config = self.extent, self._config
        if extent.count > _or(config.max_events) or (
            extent.size > _or(config.max_size) and not extent.is_one_chunk
        ):
            return 0.0
        if config.max_age is None or extent.oldest is None:
            return None
        return extent.oldest + config.max_age

    def keeps(self, subject: str) -> bool:
        """Whether events on the subject are kept. Replies never are: they answer one question."""
        return reply_audience(subject) is None and any(
            matches(pattern, subject) for pattern in self.patterns
        )

    def touches(self, pattern: str) -> bool:
        """Whether the pattern and the stream may have subjects in common."""
        return any(overlaps(own, pattern) for own in self.patterns)

    @staticmethod
    def filter(patterns: Sequence[str]) -> Callable[[bytes], bool]:
        """Whether an event's bytes match one of the patterns.

        What the stream keeps at present says nothing about what it has kept: each is looked at.
        """
        if ">" in patterns:
            return _everything
        known: dict[str, bool] = {}

        def wants(payload: bytes) -> bool:
            subject = _subject_of(payload).event
            found = known.get(subject)
            if found is None:
                if len(known) > 1024:
                    known.clear()
                found = known[subject] = any(matches(pattern, subject) for pattern in patterns)
            return found

        return wants


def _or(bound: int | None) -> float:
    return math.inf if bound is None else bound


def _everything(payload: bytes) -> bool:  # noqa: ARG001
    return True


def without_marks(payload: bytes) -> bytes:
    """An event's bytes without top-level keys that are the Hub's."""
    members = _members_of(payload)
    if members.keys().isdisjoint(MARKS):
        return payload
    return msgspec.json.encode({key: raw for key, raw in members.items() if key not in MARKS})


def marked(payload: bytes, mark: bytes) -> bytes:
    """The event with the Hub's keys written in front of its own; `mark` ends with a comma."""
    after = payload.index(b"{") + 1
    return b"".join((payload[:after], mark, payload[after:]))
