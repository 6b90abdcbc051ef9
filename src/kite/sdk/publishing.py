"""Publishing in a life's name: at most once, or until the Hub has said yes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from kite.errors import Unavailable
from kite.sdk import trace
from kite.sdk.outgoing import check_size, encode_event
from kite.wire.limits import MAX_FRAME_BYTES

if TYPE_CHECKING:
    from kite.sdk.life import Life


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the Hub has accepted.

    Args:
        event_id: its id.
        delivered: to how many connections it was queued.
        duplicate: the Hub had it already: an earlier try had arrived.
    """

    event_id: str
    delivered: int
    duplicate: bool = False


def publish(life: Life, subject: str, data: Any, headers: Mapping[str, str] | None) -> str:
    """See `Module.publish`."""
    if trace.is_followed:  # the hot path
        headers = trace.carried(headers)
    event_id, frame = life.write(subject, data, time.time(), headers)
    if len(frame) > MAX_FRAME_BYTES:
        check_size(subject, frame)
    life.publisher.send(frame)
    return event_id


async def publish_acked(
    life: Life, subject: str, data: Any, headers: Mapping[str, str] | None, timeout: float
) -> Published:
    """See `Module.publish_acked`."""
    headers = trace.carried(headers)
    event = life.envelopes.make(subject, data, time.time(), headers=headers, ack=True)
    encode_event(event)  # what cannot be sent is refused now, not after an outage
    assert isinstance(event.event_id, str)
    try:
        async with asyncio.timeout(timeout):
            while True:
                await life.publisher.attached()
                link = life.link
                if link is None:
                    continue
                try:
                    ack = await link.connection.publish_acked(event, timeout=timeout)
                except Unavailable:
                    continue  # lost: again over the next connection, under the same id
                return Published(
                    event_id=event.event_id,
                    delivered=ack.delivered if isinstance(ack.delivered, int) else 0,
                    duplicate=ack.duplicate,
                )
    except TimeoutError:
        raise Unavailable("connection_lost") from None
