"""JSON as it was sent, written for whoever reads it: without touching a number. Pure.

Decoding and encoding again would round what is too precise for a float and lose what is too large
for one. Escapes of what a person can read, such as `\\u6587`, become that.
"""

from __future__ import annotations

import json
import re

import msgspec

_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|.)"
)
"""An escape within a JSON string; a pair of surrogates is one character."""


def one_line(raw: bytes) -> str:
    """On one line, a space behind commas and colons. What is not there is null."""
    return _shown(raw, indent=0)


def indented(raw: bytes) -> str:
    """On as many lines as it takes."""
    return _shown(raw, indent=2)


def compact(raw: bytes) -> str:
    """On one line, without a needless space."""
    return _shown(raw, indent=-1)


def bare(raw: bytes) -> str:
    """Text without its quotes, anything else on one line."""
    if raw.lstrip()[:1] == b'"':
        return str(json.loads(raw))
    return compact(raw)


def _shown(raw: bytes, *, indent: int) -> str:
    if not raw:
        return "null"
    text = msgspec.json.format(raw, indent=indent).decode("utf-8", "replace")
    return _ESCAPE.sub(_readable, text) if "\\u" in text else text


def _readable(found: re.Match[str]) -> str:
    high, low, single = found.groups()
    if single:
        character = chr(int(single, 16))
    elif high:
        character = chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))
    else:
        return found.group()
    return character if character.isprintable() and character not in '"\\' else found.group()
