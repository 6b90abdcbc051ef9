"""Reading what a client sent: enough to route it, and exactly what is wrong with it.

The hot path decodes an event's own fields and leaves `data` and `headers` as the bytes they are.
Whether a key was named twice is found by arithmetic: the pieces of a compact object add up to its
length only when each is there once and nothing else is. Whatever does not add up (white space,
escapes, unknown keys) is looked at exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from kite.event_hub.core.shape import is_too_deep, repeated_key
from kite.wire.frame import (
    AckEvent,
    NackEvent,
    Settlement,
    Subscribe,
    TermEvent,
    Unsubscribe,
)
from kite.wire.limits import MAX_DEPTH


class Incoming(msgspec.Struct, gc=False):
    """An event from a client, with `data` and `headers` undecoded (empty where absent)."""

    # Not a tag: a frame without one would pass for an event.
    type: Literal["event"]
    event: str
    data: Raw = Raw(b"")
    event_id: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    reply_to: str | UnsetType = UNSET
    headers: Raw = Raw(b"")
    ack: bool = False


class Refused(Exception):  # noqa: N818  (a verdict on a frame)
    """A frame that is refused with an error frame.

    Args:
        code: from `protocol/errors.json`.
        id: the frame's `id`, where one could be found.
        event_id: the frame's `event_id`, where one could be found.
        **params: what fills the message.
    """

    def __init__(
        self,
        code: str,
        *,
        id: str | int | UnsetType = UNSET,  # noqa: A002  (the wire's word)
        event_id: str | UnsetType = UNSET,
        **params: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.id = id
        self.event_id = event_id
        self.params = params


DEFAULT_WAIT = 60.0
"""Seconds that an answer is waited for where the request does not say."""

LONGEST_WAIT = 3600.0

decode_event = msgspec.json.Decoder(Incoming).decode
"""The hot path's decoder. Raises `msgspec.DecodeError` for whatever is no well-typed event."""

_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_subscribe = msgspec.json.Decoder(Subscribe).decode
_decode_unsubscribe = msgspec.json.Decoder(Unsubscribe).decode
_decode_settlement = msgspec.json.Decoder(Settlement).decode

_LONGEST_MARK = 1024
"""Of an `id` or `event_id` that is given back with a refusal."""

_BARE = len('{"type":"event","event":""}')
_DATA = len(',"data":')
_EVENT_ID = len(',"event_id":""')
_SOURCE = len(',"source":""')
_TIMESTAMP = len(',"timestamp":""')
_REPLY_TO = len(',"reply_to":""')
_HEADERS = len(',"headers":')
_ACK = len(',"ack":true')


def adds_up(frame: Incoming, size: int) -> bool:
    """Whether the known fields alone account for every byte: then no key is there twice.

    Each piece is counted with the least length it can have, so a second copy of any key makes
    the text longer than the sum.
    """
    total = _BARE + len(frame.event)
    if length := len(frame.data):
        total += _DATA + length
    if frame.event_id is not UNSET:
        total += _EVENT_ID + len(frame.event_id)
    if frame.source is not UNSET:
        total += _SOURCE + len(frame.source)
    if frame.timestamp is not UNSET:
        total += _TIMESTAMP + len(frame.timestamp)
    if frame.reply_to is not UNSET:
        total += _REPLY_TO + len(frame.reply_to)
    if length := len(frame.headers):
        total += _HEADERS + length
    if frame.ack:
        total += _ACK
    return total == size


def inspect(payload: bytes) -> None:
    """Look exactly at an event that did not add up.

    Raises:
        Refused: a key is named twice, or `type` is missing.
    """
    members = _decode_members(payload)
    size = sum(map(len, members)) + sum(map(len, members.values()))
    # Nothing but compact text is as short as its pieces, with 4 bytes around each: "":,
    if len(payload) != size + 4 * len(members) + 1 and (key := repeated_key(payload)):
        raise refusal(payload, "duplicate_key", key=key)
    if "type" not in members:
        raise refusal(payload, "malformed_frame", detail="'type' is missing")
    if len(members.get("headers", b"")) and bytes(members["headers"])[:1] != b"{":
        raise refusal(payload, "malformed_frame", detail="'headers' must be an object")


def read_other(payload: bytes) -> Subscribe | Unsubscribe | Settlement:
    """Read what is no well-typed event: a subscription, what became of an event of a durable one,
    or something to refuse by name.

    Raises:
        Refused: with what is wrong, and the `id` or `event_id` it belongs to where there is one.
    """
    if is_too_deep(payload):
        raise Refused("too_deep", limit=MAX_DEPTH)
    try:
        members = _decode_members(payload)
    except msgspec.ValidationError:
        raise Refused("malformed_frame", detail="a frame is a JSON object") from None
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise Refused("malformed_json", detail=_short(wrong)) from None
    if key := repeated_key(payload):
        raise refusal(payload, "duplicate_key", key=key)
    kind = _text(members.get("type"))
    decode: Any = {
        "subscribe": _decode_subscribe,
        "unsubscribe": _decode_unsubscribe,
        "event": decode_event,
        "ack": _decode_settlement,
        "nack": _decode_settlement,
        "term": _decode_settlement,
    }.get(kind or "")
    if decode is None or (decode is _decode_settlement and "durable" not in members):
        detail = "'type' is missing" if "type" not in members else "'type' must be a text"
        if kind is None:
            raise refusal(payload, "malformed_frame", detail=detail)
        raise refusal(payload, "unknown_type", type=kind[:100])
    try:
        frame: Subscribe | Unsubscribe | Settlement = decode(payload)
    except msgspec.ValidationError as wrong:
        raise refusal(payload, "malformed_frame", detail=_short(wrong)) from None
    if isinstance(frame, AckEvent | NackEvent | TermEvent):
        return frame
    if not frame.events:
        raise refusal(payload, "malformed_frame", detail="'events' names no pattern")
    if frame.queue is not UNSET and not 0 < len(frame.queue.encode()) <= 255:
        raise refusal(payload, "malformed_frame", detail="'queue' must have 1 to 255 bytes")
    return frame


def refusal(payload: bytes, code: str, **params: Any) -> Refused:
    """A refusal with the `id` and the `event_id` of the frame, where they can be found."""
    try:
        members = _decode_members(payload)
    except (msgspec.DecodeError, RecursionError):
        return Refused(code, **params)
    mark = _mark(members.get("id"))
    event_id = _text(members.get("event_id"))
    if event_id is None or len(event_id) > _LONGEST_MARK:
        return Refused(code, id=mark, **params)
    return Refused(code, id=mark, event_id=event_id, **params)


def _mark(raw: Raw | None) -> Any:
    """What a frame's `id` says, if it can be given back."""
    if raw is None or len(raw) > _LONGEST_MARK:
        return UNSET
    found = _value(raw)
    return found if isinstance(found, str | int) and not isinstance(found, bool) else UNSET


def complete(
    payload: bytes, *, event_id: str | None, source: str | None, timestamp: str | None
) -> bytes:
    """The same event with what it lacked written in front of its other keys."""
    missing = "".join(
        f'"{key}":{json.dumps(value)},'
        for key, value in (("event_id", event_id), ("source", source), ("timestamp", timestamp))
        if value is not None
    )
    after = payload.index(b"{") + 1
    return b"".join((payload[:after], missing.encode(), payload[after:]))


class _Headers(msgspec.Struct, rename={"deadline": "kite-deadline"}):
    deadline: str = ""


_decode_headers = msgspec.json.Decoder(_Headers).decode


def seconds_left(headers: Raw, instant: Callable[[], str]) -> float:
    """How long a request's answer is waited for, by its header `kite-deadline`.

    Args:
        headers: as they came; empty where there are none.
        instant: the present time as RFC 3339 text.
    """
    if not len(headers):
        return DEFAULT_WAIT
    try:
        deadline = datetime.fromisoformat(_decode_headers(headers).deadline)
        return min((deadline - datetime.fromisoformat(instant())).total_seconds(), LONGEST_WAIT)
    except (ValueError, TypeError):  # none, or none that is an instant with a zone
        return DEFAULT_WAIT


def _text(raw: Raw | None) -> str | None:
    found = None if raw is None else _value(raw)
    return found if isinstance(found, str) else None


def _value(raw: Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:  # a number that is beyond all numbers, say
        return None


def _short(error: Exception) -> str:
    return str(error)[:200]
