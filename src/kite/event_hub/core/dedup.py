"""Deduplication: the ids that one source has used lately, exactly as many and as long as promised.

An id is forgotten after `seconds`, or when `ids` newer ones of the same source have come,
whichever is first.
"""

from __future__ import annotations

from collections import deque

_GRAIN = 0.25
"""Seconds within which ids share one expiry: an id may be remembered this much longer."""


class Recent:
    """The ids of one source.

    `add` is on the hot path and knows no time: whoever adds says `mark(now)` first, once a batch.
    """

    __slots__ = ("_added", "_forgotten", "_ids", "_marks", "_max", "_order", "_seconds")

    def __init__(self, seconds: float, ids: int) -> None:
        self._seconds = seconds
        self._max = ids
        self._ids: set[str] = set()
        self._order: deque[str] = deque()
        self._added = 0
        self._forgotten = 0
        # (from when on these are old, how many had been added before that grain began)
        self._marks: deque[tuple[float, int]] = deque()

    def __len__(self) -> int:
        return len(self._order)

    def mark(self, now: float) -> bool:
        """Say what time it is: old ids are forgotten, new ones will count from here.

        Returns:
            True when there is a deadline now and was none before.
        """
        marks = self._marks
        if marks and marks[-1][0] > now + self._seconds:
            return False
        self.expire(now)
        is_first = not marks
        # Ids added within the next grain are remembered until its end plus the window.
        marks.append((now + self._seconds + _GRAIN, self._added))
        return is_first

    def add(self, event_id: str) -> bool:
        """Remember an id; False when it is known already."""
        ids = self._ids
        if event_id in ids:
            return False
        ids.add(event_id)
        order = self._order
        order.append(event_id)
        self._added += 1
        if len(order) > self._max:
            ids.discard(order.popleft())
            self._forgotten += 1
        return True

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._ids

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        marks = self._marks
        while marks and marks[0][0] <= now:
            marks.popleft()
            until = marks[0][1] if marks else self._added
            while self._forgotten < until and self._order:
                self._ids.discard(self._order.popleft())
                self._forgotten += 1

    def next_deadline(self) -> float | None:
        """When the newest ids become too old: nobody need look before, adding forgets as well."""
        return self._marks[-1][0] if self._marks else None
