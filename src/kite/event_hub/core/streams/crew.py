"""The connections that share a durable subscription, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

from kite.event_hub.core.streams.decisions import M


class Crew(Generic[M]):
    """The members, each with how many events it has."""

    def __init__(self) -> None:
        self._loads: dict[M, int] = {}
        self._turn = 0

    def __len__(self) -> int:
        return len(self._loads)

    def __iter__(self) -> Iterator[M]:
        return iter(self._loads)

    def __contains__(self, member: object) -> bool:
        return member in self._loads

    def add(self, member: M) -> None:
        """One takes part."""
        self._loads.setdefault(member, 0)

    def remove(self, member: M) -> bool:
        """One does not any more; True when it was the last."""
        return self._loads.pop(member, None) is not None and not self._loads

    def took(self, member: M) -> None:
        """One got an event."""
        self._loads[member] += 1

    def gave_back(self, member: M) -> None:
        """One has an event less; who has left is not counted any more."""
        if member in self._loads:
            self._loads[member] -= 1

    def choose(self) -> M | None:
        """The member with the least in hand that has room; among equals they take turns."""
        ready = [member for member in self._loads if member.is_ready]
        if len(ready) < 2:
            return ready[0] if ready else None
        self._turn += 1
        size = len(ready)
        return min(
            (ready[(self._turn + step) % size] for step in range(size)),
            key=self._loads.__getitem__,
        )
