"""Kite's events as CloudEvents 1.0 in structured JSON mode, and the other way: nothing is lost.

`docs/reference/cloudevents.md` has the mapping as a table. Values are taken over as the bytes they
are, so that a number keeps its digits. What one side has no word for travels among the other's
extensions: as headers `ce-…` in a Kite event, as attributes `kite…` in a CloudEvent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from kite.errors import RequestError
from kite.wire import attributes
from kite.wire.attributes import FORMS, Check, decode_text, is_plain, read_text, text_of, wrong
from kite.wire.limits import MAX_EVENT_ID_BYTES

Members = Mapping[str, bytes]
"""A JSON object whose values are not decoded."""

Fields = dict[str, bytes]
"""One that is being put together."""

VERSION: Final = "1.0"
_REQUIRED: Final = ("id", "source", "type")
_IN_HEADERS: Final = ("subject", "datacontenttype", "dataschema")
"""Attributes for which a Kite event has no field: headers `ce-<name>`."""

_SOURCE: Final = "ce-source"
_TIME: Final = "ce-time"
_ENCODING: Final = "ce-datacontentencoding"
_BASE64: Final = b'"base64"'

_TEXTS: Final = {"kitereplyto": "reply_to", "kitestream": "stream", "kitedurable": "durable"}
_NUMBERS: Final = {"kiteseq": "seq", "kiteattempt": "attempt"}
_PAYLOADS: Final = ("data", "data_base64")
_SPOKEN_FOR: Final = frozenset(
    {*FORMS, *_PAYLOADS, *_TEXTS, *_NUMBERS, "specversion"}
    | {"kiteack", "kitesource", "kiteheaders", "kitefields"}
)
"""Names that are no extension of somebody else's."""

_HAVE_A_WAY: Final = frozenset(
    {*_TEXTS.values(), *_NUMBERS.values(), "type", "event", "event_id", "source", "timestamp"}
    | {"headers", "ack", "data"}
)
"""Fields of a Kite event that become attributes of their own."""

_NOT_ODD: Final = frozenset({"type", "source", "headers", "ack", "data"})
"""Fields that are never found in `kitefields`."""

_NUMBER = re.compile(rb"0|[1-9]\d*")
_MARKED = re.compile(r"~[0-9a-f]{16}\Z")

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def members_of(text: bytes | str) -> Fields:
    """A JSON object, its values as the bytes they are.

    Raises:
        msgspec.DecodeError: it is none.
        RecursionError: it is too deep.
    """
    return {name: bytes(raw) for name, raw in _decode(text).items()}


def id_of(event_id: str) -> str:
    """The `id` of a CloudEvent that was published under this `event_id`."""
    return _MARKED.sub("", event_id)


def event_id_of(id: str, told: str, source: str) -> str:  # noqa: A002  (CloudEvents' word)
    """The `event_id` of a CloudEvent.

    CloudEvents counts ids for each `source`, Kite for each module: what a module publishes in
    another's name has that name's mark.

    Args:
        id, told: its `id` and `source`.
        source: the module that publishes it.
    """
    if told == source and not _MARKED.search(id):
        return id
    return f"{id}~{sha256(told.encode()).hexdigest()[:16]}"


# ── in ──────────────────────────────────────────────────────────────────────────────────────────


def from_cloudevent(members: Members, sender: str | None = None) -> bytes:
    """A CloudEvent as the frame of a Kite event.

    Args:
        members: the CloudEvent.
        sender: the module that publishes it, which becomes the event's `source`; None where it is
            only read: then the event's `source` is what the CloudEvent says.

    Raises:
        RequestError: `cloudevent_version`, `cloudevent_attribute_missing`,
            `cloudevent_attribute_invalid`, `cloudevent_name_invalid`, `cloudevent_data_twice`,
            `cloudevent_data_invalid`.
    """
    # An attribute that is null is not set; data that are null are.
    given = {name: raw for name, raw in members.items() if name == "data" or raw != b"null"}
    texts = _attributes(given)
    source = sender or texts.get("kitesource") or texts["source"]
    # In the order in which Kite writes a frame: what routing needs stands first.
    event: Fields = {
        "type": b'"event"',
        "event": given["type"],
        "event_id": _encode(event_id_of(texts["id"], texts["source"], source)),
        "source": _encode(source),
    }
    if "time" in texts:
        event["timestamp"] = _encode(attributes.canonical(texts["time"]))
    event |= _fields(given, texts)
    _check_size(event["event_id"])
    headers = _headers(given, texts, source)
    if headers or "kiteheaders" in given:
        event["headers"] = _object(headers)
    if (ack := given.get("kiteack")) is not None:
        if ack not in (b"true", b"false"):
            raise wrong("kiteack", "it must be true or false")
        event["ack"] = ack
    for name in _PAYLOADS:
        if name in given:
            event["data"] = given[name]
    return _object(event)


def _attributes(given: Members) -> dict[str, str]:
    """The texts of the attributes that CloudEvents and Kite define; everything is checked."""
    if "specversion" not in given:
        raise RequestError("cloudevent_attribute_missing", attribute="specversion")
    version = read_text("specversion", given["specversion"])
    if version != VERSION:
        raise RequestError("cloudevent_version", version=version[:40])
    texts = {}
    for name, raw in given.items():
        if name in FORMS:
            texts[name] = read_text(name, raw, FORMS[name])
        elif name not in _PAYLOADS:
            _check_extension(name, raw)
            if name in _SPOKEN_FOR and name != "kiteack":
                texts[name] = read_text(name, raw)
    for name in _REQUIRED:
        if name not in texts:
            raise RequestError("cloudevent_attribute_missing", attribute=name)
    _check_payload(given)
    return texts


def _check_extension(name: str, raw: bytes) -> None:
    if not attributes.is_name(name):
        raise RequestError("cloudevent_name_invalid", name=name[:80])
    if not attributes.is_value(raw):
        raise wrong(name, "it must be a text, true, false or a whole number of 32 bits")


def _check_payload(given: Members) -> None:
    if "data_base64" not in given:
        return
    if "data" in given:
        raise RequestError("cloudevent_data_twice")
    if problem := attributes.base64_problem(given["data_base64"]):
        raise RequestError("cloudevent_data_invalid", detail=problem)


def _check_size(event_id: bytes) -> None:
    text = text_of(event_id)
    if text is None:
        raise wrong("kitefields", "its event_id must be a text")
    if (size := len(text.encode())) > MAX_EVENT_ID_BYTES:
        raise wrong("id", f"the event_id made of it has {size} bytes, {MAX_EVENT_ID_BYTES} at most")


def _fields(given: Members, texts: Mapping[str, str]) -> Fields:
    """What only Kite knows."""
    fields: Fields = {}
    if "kitefields" in texts:
        fields |= _read_object("kitefields", texts)
        for name in fields:
            if name in _NOT_ODD:
                raise wrong("kitefields", f"'{name}' has no place in it")
    for name, field in _TEXTS.items():
        if name in texts:
            fields[field] = given[name]
    for name, field in _NUMBERS.items():
        if name in texts:
            number = texts[name].encode()
            if not _NUMBER.fullmatch(number):
                raise wrong(name, "it must be the digits of a whole number")
            fields[field] = number
    return fields


def _headers(given: Members, texts: Mapping[str, str], source: str) -> Fields:
    headers: Fields = {}
    if "kiteheaders" in texts:
        headers |= _read_object("kiteheaders", texts)
    if texts["source"] != source:
        headers[_SOURCE] = given["source"]
    if "time" in texts and attributes.canonical(texts["time"]) != texts["time"]:
        headers[_TIME] = given["time"]
    for name in _IN_HEADERS:
        if name in given:
            headers[f"ce-{name}"] = given[name]
    if "data_base64" in given:
        headers[_ENCODING] = _BASE64
    headers |= {name: raw for name, raw in given.items() if name not in _SPOKEN_FOR}
    return headers


def _read_object(name: str, texts: Mapping[str, str]) -> Fields:
    try:
        return members_of(texts[name])
    except (msgspec.DecodeError, RecursionError):
        raise wrong(name, "it must hold a JSON object as text") from None


# ── out ─────────────────────────────────────────────────────────────────────────────────────────


def to_cloudevent(members: Members) -> bytes:
    """The frame of a Kite event, such as the Hub passes on, as a CloudEvent.

    Args:
        members: the event, with `event`, `event_id` and `source`.
    """
    odd: Fields = {name: raw for name, raw in members.items() if name not in _HAVE_A_WAY}
    headers = members_of(members.get("headers", b"{}"))
    is_bare = "headers" in members and not headers
    source = decode_text(members["source"])
    told = _take(headers, _SOURCE, lambda text: attributes.reference(text) or _same(text, source))
    event: Fields = {
        "specversion": b'"1.0"',
        "id": _id(members["event_id"], told or source, source, odd),
        "source": _encode(told or source),
        "type": _type(members["event"], odd),
    }
    if told is not None:
        event["kitesource"] = members["source"]
    if "timestamp" in members:
        _put_time(event, members["timestamp"], headers, odd)
    for name in _IN_HEADERS:
        if (text := _take(headers, f"ce-{name}", FORMS[name])) is not None:
            event[name] = _encode(text)
    _put_fields(event, members, odd)
    payload = _payload(members, headers)
    rest: Fields = {}
    for name, raw in headers.items():
        is_free = attributes.is_name(name) and name not in _SPOKEN_FOR
        (event if is_free and attributes.is_value(raw) else rest)[name] = raw
    if rest or is_bare:
        event["kiteheaders"] = _as_text(rest)
    if odd:
        event["kitefields"] = _as_text(odd)
    return _object(event | payload)


def _id(raw: bytes, told: str, source: str, odd: Fields) -> bytes:
    """The `id` that gives this `event_id` back; where none does, that is odd."""
    event_id = decode_text(raw)
    for found in (_MARKED.sub("", event_id), event_id):
        if found and is_plain(found) and event_id_of(found, told, source) == event_id:
            return _encode(found)
    odd["event_id"] = raw
    return _encode(attributes.quoted(event_id))


def _type(raw: bytes, odd: Fields) -> bytes:
    subject = decode_text(raw)
    if is_plain(subject):
        return raw
    odd["event"] = raw
    return _encode(attributes.quoted(subject))


def _put_time(event: Fields, raw: bytes, headers: Fields, odd: Fields) -> None:
    stamp = decode_text(raw)
    told = _take(headers, _TIME, lambda text: _same(text, stamp) or _other(text, stamp))
    if told is not None:
        event["time"] = _encode(told)
    elif attributes.canonical(stamp) == stamp:
        event["time"] = raw
    else:
        odd["timestamp"] = raw


def _put_fields(event: Fields, members: Members, odd: Fields) -> None:
    """What CloudEvents has no word for."""
    for name, field in _TEXTS.items():
        if (raw := members.get(field)) is not None:
            if attributes.is_plain_text(raw):
                event[name] = raw
            else:
                odd[field] = raw
    for name, field in _NUMBERS.items():
        if (raw := members.get(field)) is not None:
            if _NUMBER.fullmatch(raw):
                event[name] = b'"%b"' % raw
            else:
                odd[field] = raw
    if "ack" in members:
        event["kiteack"] = members["ack"]


def _payload(members: Members, headers: Fields) -> Fields:
    """`data`, or `data_base64` where the event says that its data are Base64."""
    if "data" not in members:
        return {}
    data = members["data"]
    if headers.get(_ENCODING) == _BASE64 and attributes.base64_problem(data) is None:
        del headers[_ENCODING]
        return {"data_base64": data}
    return {"data": data}


def _take(headers: Fields, name: str, check: Check) -> str | None:
    """Take the text of a header away; None, and it stays, where it is not as it must be."""
    text = text_of(headers.get(name))
    if text is None or not is_plain(text) or check(text):
        return None
    del headers[name]
    return text


def _same(text: str, other: str) -> str | None:
    return "it says nothing new" if text == other else None


def _other(text: str, stamp: str) -> str | None:
    return None if attributes.canonical(text) == stamp else "it is another instant"


def _as_text(fields: Fields) -> bytes:
    return _encode(attributes.armoured(_object(fields).decode()))


def _object(fields: Members) -> bytes:
    return b"{%b}" % b",".join([b"%b:%b" % (_encode(name), raw) for name, raw in fields.items()])
