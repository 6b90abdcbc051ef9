"""The frames between the Event Hub and its clients, as values.

These are for those who build frames or read them whole (SDK, Launcher, command line). The Hub's hot
path reads only what routing needs and passes the sender's own bytes on.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

Raw = msgspec.Raw

Overflow = Literal["hold", "drop_oldest"]


class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="event",
    tag_field="type",
    omit_defaults=True,
    gc=False,  # thousands may wait, none is part of a cycle, and the collector looks at each
):
    """One event with its fields (the envelope).

    Args:
        event: the subject.
        data: any JSON value; `msgspec.Raw` holds it undecoded.
        event_id: 1 to 128 bytes, unique per source within the deduplication window.
        source: the name of the module that published it, or `operator`.
        timestamp: RFC 3339 UTC.
        reply_to: where an answer goes: a subject below `_reply.<source>.`.
        headers: names and values that travel along, such as `traceparent`.
        ack: whether the Hub acknowledges it.
    """

    # In this order it is written: what routing needs stands before what may be long.
    event: str
    event_id: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    reply_to: str | UnsetType = UNSET
    headers: dict[str, Any] | UnsetType = UNSET
    ack: bool = False
    data: Any = None


class Subscribe(
    msgspec.Struct, frozen=True, kw_only=True, tag="subscribe", tag_field="type", omit_defaults=True
):
    """Ask for everything that matches one of the patterns; granted whole or refused whole.

    Args:
        overflow: what happens when more waits than the outbox may hold: publishers are held, or
            the oldest waiting events of this subscription are dropped and told of (`Gap`).
    """

    events: list[str]
    id: str | int | UnsetType = UNSET
    queue: str | UnsetType = UNSET
    echo: bool = True
    observe: bool = False
    overflow: Overflow = "hold"


class Unsubscribe(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="unsubscribe",
    tag_field="type",
    omit_defaults=True,
):
    """Ask for no more of it."""

    events: list[str]
    id: str | int | UnsetType = UNSET
    queue: str | UnsetType = UNSET


class Ack(
    msgspec.Struct, frozen=True, kw_only=True, tag="ack", tag_field="type", omit_defaults=True
):
    """From the Hub: done. With `id` for a subscription, with `event_id` for an event."""

    id: str | int | UnsetType = UNSET
    event_id: str | UnsetType = UNSET
    delivered: int | UnsetType = UNSET
    duplicate: bool = False


class Error(
    msgspec.Struct, frozen=True, kw_only=True, tag="error", tag_field="type", omit_defaults=True
):
    """From the Hub: refused, with what it belongs to.

    Args:
        code: from `protocol/errors.json`.
        message: English, for people.
        missed: with `slow_consumer`, how many events were not sent.
        params: what fills the placeholders of the code's message, so that a reader can say it in
            their own language.
    """

    code: str
    message: str = ""
    id: str | int | UnsetType = UNSET
    event_id: str | UnsetType = UNSET
    missed: int | UnsetType = UNSET
    params: dict[str, Any] | UnsetType = UNSET


class Gap(
    msgspec.Struct, frozen=True, kw_only=True, tag="gap", tag_field="type", omit_defaults=True
):
    """From the Hub: events of this connection's `drop_oldest` subscriptions were dropped here.

    Args:
        missed: how many since the last such frame.
        since: when the first of them was dropped, RFC 3339 UTC.
    """

    missed: int
    since: str = ""


HubFrame = Event | Ack | Error | Gap
ClientFrame = Event | Subscribe | Unsubscribe

encode = msgspec.json.Encoder().encode
"""A frame as JSON text in UTF-8, without needless white space."""

decode_hub_frame = msgspec.json.Decoder(HubFrame).decode
"""What a client receives. Raises `msgspec.DecodeError` when it is no frame of the Hub's."""
