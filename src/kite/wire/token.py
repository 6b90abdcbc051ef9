"""Tokens: 64 hex digits that say who speaks. Tables hold digests, never the tokens."""

from __future__ import annotations

import hashlib
import hmac
import re

_TOKEN = re.compile(r"[0-9a-f]{64}")


def is_token(value: object) -> bool:
    """Whether the value has the form of a token."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def digest(token: str) -> str:
    """The SHA-256 of a token in hex: what tables keep and what may be shown."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare two tokens in a time that tells nothing about where they differ."""
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )
