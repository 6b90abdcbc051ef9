"""What a JSON decoder does not say about a text: how deep it is, whether it names a key twice."""

from __future__ import annotations

import json
import re
from typing import Any

from kite.wire.limits import MAX_DEPTH

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def is_too_deep(text: bytes) -> bool:
    """Whether the text is nested more than `MAX_DEPTH` levels deep.

    Exact for JSON; for anything else an answer, which the decoder's refusal will follow.
    """
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", text).translate(_TO_SQUARE, _ALL_BUT_BRACKETS)
    # Each pass takes the innermost pairs away; what is left after as many passes as levels are
    # allowed was deeper.
    for _ in range(MAX_DEPTH):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return b"[" in brackets


def repeated_key(text: bytes) -> str | None:
    """A key that the outermost object names twice, or None. The text is valid JSON."""
    outermost: list[tuple[str, Any]] = []

    def keep(pairs: list[tuple[str, Any]]) -> None:
        nonlocal outermost
        outermost = pairs  # objects end from the inside out: the last one is the outermost

    # Numbers are not read: Python's own limit on their digits is none of JSON's.
    json.loads(text, object_pairs_hook=keep, parse_int=str, parse_float=str)
    seen: set[str] = set()
    for key, _ in outermost:
        if key in seen:
            return key
        seen.add(key)
    return None
