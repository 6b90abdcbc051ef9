"""Leases: keys that must be renewed, and when the next one falls due.

Pure: instants are passed in as seconds of a monotonic clock. A key without a deadline never falls
due. Looking for what is due costs in proportion to that, not to how many keys there are.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

_SLACK: Final = 64


class Leases(Generic[Key]):
    """Deadlines by key.

    Duties: `due(now)` gives each key once, at or after its deadline and never before; what was
    renewed or dropped meanwhile is not given; `next_deadline()` is the earliest of all.
    """

    def __init__(self) -> None:
        self._deadlines: dict[Key, float | None] = {}
        # Of renewed keys the earlier entries stay in the heap until they come up: an entry counts
        # only while its number is the key's present one.
        self._heap: list[tuple[float, int, Key]] = []
        self._numbers: dict[Key, int] = {}
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, key: Key) -> bool:
        return key in self._deadlines

    def grant(self, key: Key, deadline: float | None) -> None:
        """Set when a key falls due; None: never. Replaces what was set before."""
        self._last_number += 1
        self._deadlines[key] = deadline
        self._numbers[key] = self._last_number
        if deadline is not None:
            heapq.heappush(self._heap, (deadline, self._last_number, key))
        if len(self._heap) > 2 * len(self._deadlines) + _SLACK:
            self._compact()

    def drop(self, key: Key) -> bool:
        """Forget a key; says whether it was there."""
        self._numbers.pop(key, None)
        if key not in self._deadlines:
            return False
        del self._deadlines[key]
        return True

    def deadline(self, key: Key) -> float | None:
        """When a key falls due, or None for never.

        Raises:
            KeyError: there is no such key.
        """
        return self._deadlines[key]

    def due(self, now: float) -> list[Key]:
        """Take out the keys whose deadline has come, the earliest first."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            _, number, key = heapq.heappop(self._heap)
            if self._numbers.get(key) == number:
                self.drop(key)
                found.append(key)
        return found

    def next_deadline(self) -> float | None:
        """The earliest deadline, or None when nothing will fall due."""
        while self._heap and self._numbers.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _compact(self) -> None:
        self._heap = [
            (deadline, self._numbers[key], key)
            for key, deadline in self._deadlines.items()
            if deadline is not None
        ]
        heapq.heapify(self._heap)
