"""What all client programs share: their arguments, and how they speak with the benchmark."""

from __future__ import annotations

import sys
import time
from typing import Any

SUBJECT = "bench.client"
QUESTION = "bench.question"

DATA: dict[str, Any] = {
    "document": "reports/2026/spring.md",
    "bytes": 48211,
    "note": "x" * 120,
}


def ready() -> None:
    """This one may be relied on now."""
    print("ready", flush=True)


def told() -> None:
    """Wait until the benchmark says that the others are ready."""
    sys.stdin.readline()


def say(*numbers: float) -> None:
    """A result."""
    print(*numbers, flush=True)


class Countdown:
    """Counts what arrives; says when it was the last."""

    def __init__(self, count: int) -> None:
        self.left = count

    def arrived(self, data: Any) -> bool:
        """One more, decoded; True when it was the last."""
        assert data["bytes"] == DATA["bytes"]
        self.left -= 1
        if self.left:
            return False
        say(time.monotonic())
        return True
