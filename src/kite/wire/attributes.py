"""What the attributes of a CloudEvent may hold, in the JSON format of CloudEvents 1.0.2.

An attribute is `null` (the same as absent), a text without control characters, `true` or `false`, or
a whole number of 32 bits. Some texts have a form of their own besides.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from kite.errors import RequestError

_NAME = re.compile(r"[a-z0-9]+")
# The Unicode of CloudEvents' String: no control characters, no noncharacters; JSON cannot hold
# surrogates here, as msgspec refuses lone ones.
_NONCHARACTERS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef{_NONCHARACTERS}]")
_INTEGER = re.compile(rb"-?(?:0|[1-9]\d*)")
_LEAST, _MOST = -(1 << 31), (1 << 31) - 1
_MEDIA_TYPE = re.compile(r"[^\s/;\"]+/[^\s/;\"]+\s*(?:;.*)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_MAX_FRACTION = 10  # with its dot: what Kite's own timestamps may have

decode_text = msgspec.json.Decoder(str).decode
"""A JSON text. Raises `msgspec.DecodeError` for anything else."""


def text_of(raw: bytes | None) -> str | None:
    """The text that a JSON value is, or None where it is anything else."""
    return decode_text(raw) if raw is not None and raw[:1] == b'"' else None


Check = Callable[[str], str | None]
"""What is wrong with a text, or None."""


def is_name(name: str) -> bool:
    """Whether an attribute may be called so."""
    return _NAME.fullmatch(name) is not None


def is_plain(text: str) -> bool:
    """Whether CloudEvents' String can hold it."""
    return _FORBIDDEN.search(text) is None


def read_text(name: str, raw: bytes, check: Check | None = None) -> str:
    """The text of an attribute.

    Args:
        check: what else it must be, besides a text without control characters.

    Raises:
        RequestError: `cloudevent_attribute_invalid`.
    """
    text = text_of(raw)
    if text is None:
        raise wrong(name, "it must be a text")
    if not is_plain(text):
        raise wrong(name, "it holds a control character or a noncharacter")
    if check is not None and (problem := check(text)):
        raise wrong(name, problem)
    return text


def filled(text: str) -> str | None:
    """Any text but an empty one."""
    return None if text else "it is empty"


def reference(text: str) -> str | None:
    """A URI reference, as far as every reader of one must agree: white space is in none."""
    return "it holds white space" if any(map(str.isspace, text)) else filled(text)


def uri(text: str) -> str | None:
    """An absolute URI."""
    return reference(text) or (None if _SCHEME.match(text) else "it is no absolute URI")


def media_type(text: str) -> str | None:
    """`type/subtype`, with parameters or without."""
    return None if _MEDIA_TYPE.fullmatch(text) else "it is no media type such as 'text/plain'"


def instant(text: str) -> str | None:
    """An RFC 3339 instant."""
    return None if canonical(text) else "it is no RFC 3339 instant"


def canonical(text: str) -> str | None:
    """An RFC 3339 instant as Kite's timestamps are written: capital letters and at most nine
    digits behind the dot; None where it is none."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        return None
    day, minute, second, fraction, zone = found.groups("")
    leap = "59" if second == "60" else second
    try:
        datetime.fromisoformat(f"{day}T{minute}:{leap}{zone.upper()}")
    except ValueError:
        return None
    return f"{day}T{minute}:{second}{fraction[:_MAX_FRACTION]}{zone.upper()}"


def is_plain_text(raw: bytes) -> bool:
    """Whether a JSON value is a text that CloudEvents' String can hold."""
    text = text_of(raw)
    return text is not None and is_plain(text)


def is_value(raw: bytes) -> bool:
    """Whether an extension attribute may have this value."""
    if raw[:1] == b'"':
        return is_plain_text(raw)
    if raw in (b"true", b"false"):
        return True
    is_short = len(raw) <= len(str(_LEAST))
    return is_short and bool(_INTEGER.fullmatch(raw)) and _LEAST <= int(raw) <= _MOST


def base64_problem(raw: bytes) -> str | None:
    """Why a JSON value is no text in Base64, or None when it is one."""
    text = text_of(raw)
    if text is None:
        return "it is no text"
    try:
        binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError as problem:  # and binascii.Error, which is one
        return str(problem).lower()
    return None


def armoured(text: str) -> str:
    """A text of JSON with the same meaning and nothing in it that CloudEvents' String cannot hold."""
    return _FORBIDDEN.sub(_armour, text)


def quoted(text: str) -> str:
    """A text with what CloudEvents' String cannot hold in percent encoding."""
    return _FORBIDDEN.sub(lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), text)


def _armour(found: re.Match[str]) -> str:
    character = found[0]
    if character < " ":
        return " "  # outside of JSON's strings, where it is white space
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def wrong(name: str, detail: str) -> RequestError:
    """A refusal of an attribute."""
    return RequestError("cloudevent_attribute_invalid", attribute=name[:80], detail=detail)


FORMS: Final[dict[str, Check]] = {
    "id": filled,
    "source": reference,
    "type": filled,
    "subject": filled,
    "time": instant,
    "datacontenttype": media_type,
    "dataschema": uri,
}
"""The attributes that CloudEvents itself defines, but for `specversion`, and their forms."""
