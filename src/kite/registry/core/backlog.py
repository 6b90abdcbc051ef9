"""Events that are kept while the Event Hub is away, and when to let them go.

Pure: `now` is monotonic seconds. While the Hub is away its subscribers are away too. So what
happened meanwhile is kept until every module that was connected has said `module.ready` again, for
a bounded time, and then goes out in the order in which it happened (CONTRACT, section 5).
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final, Generic, TypeVar

Kept = TypeVar("Kept")

LIMIT: Final = 1000
"""Events that are kept at most."""

PATIENCE: Final = 4.0
"""Seconds from one's own connection to letting go. The Hub's own `module.ready` was earlier, by
less than a second; 5 s after that is the contract's bound."""


class Gate(Enum):
    """Whether kept events may go."""

    AWAY = "away"  # there is no connection
    WAITING = "waiting"  # there is one, and modules that were connected are not back yet
    OPEN = "open"


class Backlog(Generic[Kept]):
    """What is kept, in order, and whether it may go.

    Duties: at most `LIMIT` are kept; what comes when they are full is dropped, and so is everything
    until `overflowed` has been told; nothing is taken unless the gate is open.
    """

    def __init__(self) -> None:
        self.gate = Gate.AWAY
        self._kept: deque[Kept] = deque()
        self._has_overflowed = False
        self._present: set[str] = set()
        self._expected: set[str] = set()
        self._deadline: float | None = None
        self._epoch: str | None = None

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def is_open(self) -> bool:
        """Whether kept events may go."""
        return self.gate is Gate.OPEN

    @property
    def has_overflowed(self) -> bool:
        """Whether events were dropped, which is to be told after the kept ones."""
        return self._has_overflowed

    def keep(self, event: Kept) -> bool:
        """Put an event at the end; says whether there was room."""
        if self._has_overflowed or len(self._kept) >= LIMIT:
            self._has_overflowed = True
            return False
        self._kept.append(event)
        return True

    def first(self) -> Kept | None:
        """What is to go next, or None: nothing, or not now."""
        return self._kept[0] if self.gate is Gate.OPEN and self._kept else None

    def gone(self, event: Kept) -> None:
        """The event that `first` gave has gone."""
        if self._kept and self._kept[0] is event:
            self._kept.popleft()

    def overflow_told(self) -> None:
        """It has been told that events were dropped."""
        self._has_overflowed = False

    def connected(self, now: float) -> None:
        """There is a connection."""
        self._deadline = now + PATIENCE
        self.gate = Gate.WAITING
        self._open_if_all_are_here()

    def lost(self) -> None:
        """There is no connection any more."""
        self.gate = Gate.AWAY
        self._deadline = None
        self._expected |= self._present
        self._present.clear()

    def hub_started(self, epoch: str) -> None:
        """The Hub told which life of it this is. If it is the former one, only one's own
        connection was lost: nobody else has to come back."""
        if epoch == self._epoch:
            self._present |= self._expected
            self._expected.clear()
            self._open_if_all_are_here()
        self._epoch = epoch

    def module_ready(self, module_id: str) -> None:
        """A module has said `module.ready`."""
        self._present.add(module_id)
        self._expected.discard(module_id)
        self._open_if_all_are_here()

    def module_ended(self, module_id: str) -> None:
        """A module has ended: it is not waited for."""
        self._present.discard(module_id)
        self._expected.discard(module_id)
        self._open_if_all_are_here()

    def tick(self, now: float) -> None:
        """Time has passed."""
        if self._deadline is not None and now >= self._deadline:
            self._expected.clear()
            self._open_if_all_are_here()

    def next_deadline(self) -> float | None:
        """When waiting ends whoever is missing."""
        return self._deadline

    def _open_if_all_are_here(self) -> None:
        if self.gate is Gate.WAITING and not self._expected:
            self.gate = Gate.OPEN
            self._deadline = None
