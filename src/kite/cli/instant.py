"""Instants as people write them: so long ago, or RFC 3339."""

from __future__ import annotations

import time
from datetime import datetime

from kite.clock import rfc3339
from kite.model.duration import seconds


def since(text: str) -> str | None:
    """An instant as the wire has it, from `30s`, `5m`, `2h` (ago) or RFC 3339 with its time zone.

    None when it is neither.
    """
    if (ago := seconds(text)) is not None:
        return rfc3339(max(0.0, time.time() - ago))
    try:
        instant = datetime.fromisoformat(text)
        return rfc3339(instant.timestamp()) if instant.tzinfo else None
    except (ValueError, OverflowError):
        return None
