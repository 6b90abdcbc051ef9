"""The limits of the wire, as CONTRACT's pages under `protocol/limits.json` state them."""

from __future__ import annotations

MAX_FRAME_BYTES = 1 << 20
"""A WebSocket message or an HTTP body may have this many bytes at most."""

MAX_DEPTH = 64
"""JSON may be nested this deep at most."""

MAX_SUBJECT_BYTES = 255
MAX_EVENT_ID_BYTES = 128
MAX_PATTERNS = 1024
"""A list of patterns that bounds a module may have this many at most."""

HUB_LEAST: dict[str, int | float] = {
    "frame_bytes": 4096,
    "outbox_bytes": 4096,
    "outbox_most_bytes": 1 << 20,
    "input_bytes": 8 << 20,
    "head_bytes": 2048,
    "connections": 4,
    "connections_per_module": 2,
    "handshakes": 4,
    "handshake_seconds": 0.1,
    "subscriptions": 16,
    "pattern_tokens": 256,
}
"""What `hub.limits` may be set to at least; with less Kite itself would not come up: Launcher and
Registry need a connection each, the SDK a few subscriptions, and a browser's request its head."""

TOKEN_HEX_DIGITS = 64
MAX_SESSION_TTL = 3600.0
"""Seconds a session token for a web page lives at most."""
