"""Frames that a client of the Hub sends, as values and as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from kite.errors import RequestError
from kite.sdk.core.subscriptions import Durable
from kite.wire.frame import Event, Overflow, Place, Resume, Subscribe, encode
from kite.wire.limits import MAX_FRAME_BYTES


def encode_event(event: Event) -> bytes:
    """An event as the frame that goes out.

    Raises:
        RequestError: `event_too_large`.
    """
    return check_size(event.event, encode(event))


def check_size(subject: str, frame: bytes) -> bytes:
    """The frame, if it may go out.

    Raises:
        RequestError: `event_too_large`.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise RequestError(
            "event_too_large", subject=subject, size=len(frame), limit=MAX_FRAME_BYTES
        )
    return frame


def subscribe_frame(
    name: str | int,
    patterns: Sequence[str],
    *,
    queue: str | None,
    echo: bool,
    observe: bool,
    durable: Durable | None,
    overflow: Overflow,
    resume: Resume | bool,
) -> Subscribe:
    """A subscription, with the name by which its answer is known; see `HubConnection.subscribe`."""
    frame = Subscribe(
        events=list(patterns),
        id=name,
        queue=UNSET if queue is None else queue,
        echo=echo,
        observe=observe,
        overflow=overflow,
        resume=resume or UNSET,
    )
    if durable is None:
        return frame
    return msgspec.structs.replace(frame, **_durable_options(durable))


def _durable_options(durable: Durable) -> dict[str, Any]:
    start = durable.start
    place: str | Place = start if isinstance(start, str) else Place(seq=start)
    if isinstance(start, str) and start not in ("new", "all"):
        place = Place(time=start)
    return {
        "durable": durable.name,
        "stream": UNSET if durable.stream is None else durable.stream,
        "start": place,
        "ack_wait": durable.ack_wait,
        "max_deliver": durable.max_deliver,
        "max_in_flight": durable.max_in_flight,
    }
