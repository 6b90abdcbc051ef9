"""What a client asks about streams, checked: which stream, which terms, from where.

Raises `Refused` with what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from msgspec import UNSET, UnsetType

from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.streams.decisions import Terms
from kite.event_hub.core.streams.replay import Cursor
from kite.event_hub.core.streams.stream import Stream
from kite.wire.frame import NackEvent, Place, Replay, Settlement, Subscribe

MAX_IN_FLIGHT = 10_000
MAX_DELIVER = 1_000
MIN_ACK_WAIT = 0.05
MAX_ACK_WAIT = 86_400.0
MAX_DELAY = 86_400.0
MOST_DURABLES = 1_024
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_DEFAULT = Terms(patterns=())


def durable_name(frame: Subscribe) -> str:
    """The name of the durable subscription."""
    name = frame.durable
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise malformed(frame, "'durable' must be a name: [a-z][a-z0-9_-]{0,63}")
    for key in ("queue", "replay"):
        if getattr(frame, key) is not UNSET:
            raise malformed(frame, f"'durable' and '{key}' exclude each other")
    return name


def stream_of(frame: Subscribe, streams: Mapping[str, Stream]) -> Stream:
    """The stream that is named, or the one that keeps anything of what the patterns match.

    A pattern of which it keeps nothing is refused: whoever asks for it waits for it.
    """
    if isinstance(frame.stream, str):
        if frame.stream not in streams:
            raise _unknown(frame, f"'{frame.stream[:100]}' is not in 'hub.streams'")
        found = [streams[frame.stream]]
    else:
        found = _touched(frame, streams)
    if len(found) != 1:
        names = ", ".join(stream.name for stream in found)
        raise _unknown(frame, f"several streams keep something of it ({names}): name one")
    check_touched(frame, found[0])
    return found[0]


def check_touched(frame: Subscribe, stream: Stream) -> None:
    """Raise `stream_unknown` where the stream keeps nothing of a pattern."""
    for pattern in frame.events:
        if not stream.touches(pattern):
            raise _unknown(frame, f"'{stream.name}' keeps nothing of '{pattern[:200]}'")


def check_same_stream(frame: Subscribe, name: str, stream: Stream) -> None:
    """Raise `stream_unknown` where an existing durable reads another stream than is asked for."""
    if frame.stream not in (UNSET, stream.name):
        raise _unknown(frame, f"durable '{name}' reads '{stream.name}'")
    check_touched(frame, stream)


def check_settlement(frame: Settlement) -> None:
    """Raise `malformed_frame` where an event is put off for too long, or into the past."""
    if isinstance(frame, NackEvent) and not 0 <= frame.delay <= MAX_DELAY:
        detail = f"'delay' must be 0 to {MAX_DELAY:.0f} seconds"
        raise Refused("malformed_frame", id=frame.id, detail=detail)


def terms_of(frame: Subscribe) -> Terms:
    """The terms of a durable subscription."""
    ack_wait = _either(frame.ack_wait, _DEFAULT.ack_wait)
    max_deliver = _either(frame.max_deliver, _DEFAULT.max_deliver)
    max_in_flight = _either(frame.max_in_flight, _DEFAULT.max_in_flight)
    if not MIN_ACK_WAIT <= ack_wait <= MAX_ACK_WAIT:
        raise malformed(frame, f"'ack_wait' must be {MIN_ACK_WAIT} to {MAX_ACK_WAIT:.0f} seconds")
    if not 1 <= max_deliver <= MAX_DELIVER:
        raise malformed(frame, f"'max_deliver' must be 1 to {MAX_DELIVER}")
    if not 1 <= max_in_flight <= MAX_IN_FLIGHT:
        raise malformed(frame, f"'max_in_flight' must be 1 to {MAX_IN_FLIGHT}")
    return Terms(
        patterns=tuple(frame.events),
        ack_wait=ack_wait,
        max_deliver=int(max_deliver),
        max_in_flight=int(max_in_flight),
    )


def start_of(frame: Subscribe, stream: Stream) -> tuple[int, float | None]:
    """Where a new durable begins: behind a position, and (where it is not None) with what was kept
    since then, in seconds since 1970."""
    start, extent = frame.start, stream.extent
    if start is UNSET or start == "new":
        return extent.last, None
    if start == "all":
        return extent.first - 1, None
    if isinstance(start, Place):
        if isinstance(start.seq, int) and start.time is UNSET and start.seq >= 1:
            return min(max(start.seq, extent.first) - 1, extent.last), None
        if isinstance(start.time, str) and start.seq is UNSET:
            return extent.first - 1, instant_of(frame, start.time)
    raise malformed(frame, "'start' must be 'new', 'all', {\"seq\": n} or {\"time\": instant}")


def check_replay(frame: Subscribe, replay: Replay) -> None:
    """Raise `malformed_frame` unless it says from where."""
    if (replay.since is UNSET) == (replay.seq is UNSET):
        raise malformed(frame, "'replay' must have either 'since' or 'seq'")
    if frame.queue is not UNSET:
        raise malformed(frame, "'replay' and 'queue' exclude each other")
    if isinstance(replay.seq, int) and replay.seq < 1:
        raise malformed(frame, "'seq' must be at least 1")
    if isinstance(replay.since, str):
        instant_of(frame, replay.since)


def cursors_of(frame: Subscribe, replay: Replay, streams: Mapping[str, Stream]) -> list[Cursor]:
    """What a replay reads; it has been checked."""
    if isinstance(replay.seq, int):
        after, since = replay.seq - 1, None
        chosen = [stream_of(frame, streams)]
    else:
        after, since = 0, instant_of(frame, str(replay.since))
        if isinstance(frame.stream, str):
            chosen = [stream_of(frame, streams)]
        else:
            chosen = _touched(frame, streams)
    names = tuple(stream.name for stream in chosen)
    return [
        Cursor(stream, stream.filter(frame.events), after, since, earlier=names[:place])
        for place, stream in enumerate(chosen)
    ]


def check_durable_count(frame: Subscribe, count: int) -> None:
    """Raise `too_many_subscriptions` when there are too many durables already."""
    if count >= MOST_DURABLES:
        raise Refused("too_many_subscriptions", id=frame.id, limit=MOST_DURABLES)


def _touched(frame: Subscribe, streams: Mapping[str, Stream]) -> list[Stream]:
    found = [
        stream
        for stream in streams.values()
        if any(stream.touches(pattern) for pattern in frame.events)
    ]
    if not found:
        raise _unknown(frame, f"none keeps anything of '{frame.events[0][:200]}'")
    return found


def instant_of(frame: Subscribe, text: str) -> float:
    """Seconds since 1970 of an instant that a frame names."""
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.timestamp()
    except (ValueError, OverflowError):
        pass
    raise malformed(frame, f"'{text[:60]}' is no RFC 3339 instant")


def _either(said: float | UnsetType, default: float) -> float:
    return default if isinstance(said, UnsetType) else said


def malformed(frame: Subscribe, detail: str) -> Refused:
    """What a frame says is wrong, in words."""
    return Refused("malformed_frame", id=frame.id, detail=detail)


def _unknown(frame: Subscribe, detail: str) -> Refused:
    return Refused("stream_unknown", id=frame.id, detail=detail)
