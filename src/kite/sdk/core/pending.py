"""Requests that wait for an answer, and answers that come too late."""

from __future__ import annotations

from typing import Generic, TypeVar

Waiter = TypeVar("Waiter")


class Pending(Generic[Waiter]):
    """Who waits for which answer, by the `event_id` of the request.

    An answer is taken once: a second one to the same request, or one after the request has been
    given up, is nobody's and is counted.

    Attributes:
        late: answers that nobody waited for any more.
    """

    def __init__(self) -> None:
        self.late = 0
        self._waiters: dict[str, Waiter] = {}

    def __len__(self) -> int:
        return len(self._waiters)

    def add(self, event_id: str, waiter: Waiter) -> None:
        """Somebody waits from now on."""
        self._waiters[event_id] = waiter

    def answered(self, event_id: str) -> Waiter | None:
        """Who waits for this answer; None, and counted, when nobody does."""
        waiter = self._waiters.pop(event_id, None)
        if waiter is None:
            self.late += 1
        return waiter

    def refused(self, event_id: str) -> Waiter | None:
        """Whose request the Hub has refused; None when the event was no request."""
        return self._waiters.pop(event_id, None)

    def give_up(self, event_id: str) -> None:
        """Nobody waits any more: the time is over."""
        self._waiters.pop(event_id, None)
