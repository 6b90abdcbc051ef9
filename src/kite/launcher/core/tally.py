"""Who asked something of a module with several replicas is answered once, when all have answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kite.launcher.core.actions import Action, Settle


@dataclass(slots=True)
class _Count:
    left: int
    refusal: Settle | None = None


class Tally:
    """Answers that are not complete yet, by operation."""

    def __init__(self) -> None:
        self._counts: dict[int, _Count] = {}

    def expect(self, op: int | None, answers: int) -> None:
        """So many places will answer; with one there is nothing to gather."""
        if op is not None and answers > 1:
            self._counts[op] = _Count(answers)

    def sift(self, actions: Iterable[Action]) -> list[Action]:
        """The actions with one answer to each operation: a refusal if any place refused."""
        return [kept for action in actions if (kept := self._sift(action)) is not None]

    def _sift(self, action: Action) -> Action | None:
        if not isinstance(action, Settle) or action.op not in self._counts:
            return action
        count = self._counts[action.op]
        count.left -= 1
        if action.code is not None and count.refusal is None:
            count.refusal = action
        if count.left > 0:
            return None
        del self._counts[action.op]
        return count.refusal or action
