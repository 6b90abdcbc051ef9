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
        stream, seq: from the Hub: which stream keeps it, and its number there.
        durable, attempt: from the Hub: the durable subscription, and the how many-th delivery.
    """

    # In this order it is written: what routing needs stands before what may be long.
    event: str
    event_id: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    reply_to: str | UnsetType = UNSET
    headers: dict[str, Any] | UnsetType = UNSET
    ack: bool = False
    # Of any type: a publisher's own keys travel along, whatever they are.
    stream: Any = UNSET
    seq: Any = UNSET
    durable: Any = UNSET
    attempt: Any = UNSET
    data: Any = None


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place in a stream: one of the two.

    Args:
        seq: the sequence number of the first event that is wanted.
        time: RFC 3339; what was kept from then on.
    """

    seq: int | UnsetType = UNSET
    time: str | UnsetType = UNSET


class Replay(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What streams kept and the Hub remembers, before what comes.

    Args:
        since: RFC 3339; what was kept from then on.
        seq: or from this sequence number of the one stream.
        follow: whether what comes afterwards is wanted too.
    """

    since: str | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    follow: bool = True


class Resume(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a client had heard before it lost its connection.

    Args:
        epoch: the life of the Hub, from the ack of the subscription.
        source, event_id: the last event that it got;
        position: where it got none: from the ack of the subscription.
    """

    epoch: str
    source: str | UnsetType = UNSET
    event_id: str | UnsetType = UNSET
    position: int | UnsetType = UNSET


class Subscribe(
    msgspec.Struct, frozen=True, kw_only=True, tag="subscribe", tag_field="type", omit_defaults=True
):
    """Ask for everything that matches one of the patterns; granted whole or refused whole.

    Args:
        overflow: what happens when more waits than the outbox may hold: publishers are held, or
            the oldest waiting events of this subscription are dropped and told of (`Gap`).
        durable: the name of a durable subscription of a stream; what follows belongs to it.
        stream: which; needed only where several keep what the patterns match.
        start: where a new durable begins: `new`, `all`, or a place.
        ack_wait: seconds until an event that was not settled is delivered again.
        max_deliver: attempts until it is a dead letter.
        max_in_flight: events that may be delivered and not settled.
        replay: first what streams have kept, and what the Hub remembers.
        resume: true for one that may be resumed; or how far an earlier connection had heard.
    """

    events: list[str]
    id: str | int | UnsetType = UNSET
    queue: str | UnsetType = UNSET
    echo: bool = True
    observe: bool = False
    overflow: Overflow = "hold"
    durable: str | UnsetType = UNSET
    stream: str | UnsetType = UNSET
    start: str | Place | UnsetType = UNSET
    ack_wait: float | UnsetType = UNSET
    max_deliver: int | UnsetType = UNSET
    max_in_flight: int | UnsetType = UNSET
    replay: Replay | UnsetType = UNSET
    resume: bool | Resume | UnsetType = UNSET


class Unsubscribe(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="unsubscribe",
    tag_field="type",
    omit_defaults=True,
):
    """Ask for no more of it.

    Args:
        durable: leave this durable subscription, whose place is kept; `events` say nothing then.
        forget: and let the Hub forget its place.
    """

    events: list[str]
    id: str | int | UnsetType = UNSET
    queue: str | UnsetType = UNSET
    durable: str | UnsetType = UNSET
    forget: bool = False


class AckEvent(
    msgspec.Struct, frozen=True, kw_only=True, tag="ack", tag_field="type", omit_defaults=True
):
    """An event of a durable subscription is done with. With `id`, the Hub says when that is kept."""

    durable: str
    seq: int
    id: str | int | UnsetType = UNSET


class NackEvent(
    msgspec.Struct, frozen=True, kw_only=True, tag="nack", tag_field="type", omit_defaults=True
):
    """It could not be done now: deliver it again, `delay` seconds later at the earliest."""

    durable: str
    seq: int
    id: str | int | UnsetType = UNSET
    delay: float = 0.0
    reason: str = "nack"


class TermEvent(
    msgspec.Struct, frozen=True, kw_only=True, tag="term", tag_field="type", omit_defaults=True
):
    """It can never be done: a dead letter at once."""

    durable: str
    seq: int
    id: str | int | UnsetType = UNSET
    reason: str = "term"


Settlement = AckEvent | NackEvent | TermEvent


class Ack(
    msgspec.Struct, frozen=True, kw_only=True, tag="ack", tag_field="type", omit_defaults=True
):
    """From the Hub: done. With `id` for a subscription, with `event_id` for an event.

    Args:
        stream: which keeps the event, or what is subscribed to.
        seq: the event's number there; of a durable, the last that it has looked at.
        replayed: events that were given again.
        since: of a replay: from when on the Hub remembers everything, where that is later than
            what was asked for.
        epoch, position: of a subscription that may be resumed: the life of the Hub, and how many
            events it had handed out.
        resumed: whether what was missed came whole; else nothing of it did, and `reason` says why:
            `another_epoch`, `unknown_event` or `forgotten`.
    """

    id: str | int | UnsetType = UNSET
    event_id: str | UnsetType = UNSET
    delivered: int | UnsetType = UNSET
    duplicate: bool = False
    stream: str | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    replayed: int | UnsetType = UNSET
    since: str | UnsetType = UNSET
    epoch: str | UnsetType = UNSET
    position: int | UnsetType = UNSET
    resumed: bool | UnsetType = UNSET
    reason: str | UnsetType = UNSET


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
    """From the Hub: these are not coming.

    Without `stream`, events of this connection's `drop_oldest` subscriptions were dropped here;
    with it, the stream has not kept until now what was still to be read.

    Args:
        missed: how many; of what was dropped, since the last such frame; of a stream, some may not
            have matched.
        since: when the first of what was dropped was, RFC 3339 UTC.
        stream: its name.
        first, last: the sequence numbers there.
        durable: of which durable subscription, where it is one.
    """

    missed: int
    since: str = ""
    stream: str | UnsetType = UNSET
    first: int | UnsetType = UNSET
    last: int | UnsetType = UNSET
    durable: str | UnsetType = UNSET


HubFrame = Event | Ack | Error | Gap
ClientFrame = Event | Subscribe | Unsubscribe | Settlement

encode = msgspec.json.Encoder().encode
"""A frame as JSON text in UTF-8, without needless white space."""

decode_hub_frame = msgspec.json.Decoder(HubFrame).decode
"""What a client receives. Raises `msgspec.DecodeError` when it is no frame of the Hub's."""
