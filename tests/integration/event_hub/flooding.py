"""More than a slow reader can take, as fast as the Hub takes it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from hub_socket import HubSocket, masked

BODY = "x" * 4000


async def flood(writer: HubSocket, subject: str, numbers: Iterable[int]) -> None:
    """Publish numbered events as fast as the Hub takes them."""
    for n in numbers:
        frame = {
            "type": "event", "event": subject, "event_id": f"{subject}{n}", "source": "writer",
            "timestamp": "2026-01-01T00:00:00Z", "data": n, "body": BODY,
        }  # fmt: skip
        writer.send_bytes(masked(json.dumps(frame).encode(), mask=b"\0\0\0\0"))
        if n % 50 == 0:
            await writer.writer.drain()
    await writer.writer.drain()


async def collect(reader: HubSocket, count: int, *, timeout: float = 20) -> list[int]:
    """The numbers of so many events, each within the time (seconds)."""
    return [(await reader.read(timeout=timeout))["data"] for _ in range(count)]
