"""All cases: one for each place of each module, and which of them a fact is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from kite.extensions.watchdog.core.case import Case

UNPLACED: Final = -1
"""The replica of a life that has spoken before anybody has told of it."""


class Cases:
    """The cases by module.

    Duties: a place keeps its case from one life to the next. In a rolling restart, while the old life
    serves and another is being made, a place has two: the former goes when the other is ready, or the
    other when it has failed. A late word about a life that has gone is about nobody.

    Args:
        open_case: makes the case of a module's replica.
    """

    def __init__(self, open_case: Callable[[str, int], Case]) -> None:
        self._open = open_case
        self._by_name: dict[str, list[Case]] = {}

    def __iter__(self) -> Iterator[Case]:
        return (case for cases in list(self._by_name.values()) for case in list(cases))

    def of(self, name: str) -> list[Case]:
        """Those of a module."""
        return list(self._by_name.get(name, ()))

    def find(self, name: str, life: int | None) -> Case | None:
        """The case of a life; of the newest where it is not said which."""
        known = self.of(name)
        if life is None:
            return max(known, key=_age, default=None)
        exact = [case for case in known if case.life == life]
        unsaid = [case for case in known if case.life is None]
        return next(iter([*exact, *unsaid]), None)

    def place(self, name: str, life: int | None, replica: int) -> Case:
        """The case of a life that is being made or is ready in this place, opened where there is none."""
        known = self._by_name.setdefault(name, [])
        here = [case for case in known if case.replica == replica]
        exact = next((case for case in known if life is not None and case.life == life), None)
        idle = [case for case in here if case is not exact and not case.running]
        if exact is None:
            taken = [*idle, *(case for case in here if life is None or case.life is None)]
            if taken:
                return max(taken, key=_age)
            exact = self._open(name, replica)
            known.append(exact)
            if here:
                exact.follows(max(here, key=_age))
        elif exact.replica != replica:
            exact.replica = replica
            if here:
                exact.follows(max(here, key=_age))
        for former in idle:
            known.remove(former)
        return exact

    def meet(self, name: str, life: int | None) -> Case | None:
        """The case of a life that speaks, perhaps before anybody has told of it; None: a late word."""
        found = self.find(name, life)
        known = self._by_name.setdefault(name, [])
        if found is not None or any(life is not None and _age(case) > life for case in known):
            return found
        case = self._open(name, UNPLACED if known else 0)
        case.life = life
        known.append(case)
        return case

    def take_over(self, case: Case) -> None:
        """Its life is ready: who was in its place before is its business no more."""
        known = self._by_name.get(case.name, [])
        for other in list(known):
            if other.replica == case.replica and _age(other) < _age(case):
                known.remove(other)

    def leave(self, case: Case) -> None:
        """Its life has ended: where another is in its place already, it is closed."""
        known = self._by_name.get(case.name, [])
        if any(other is not case and other.replica == case.replica for other in known):
            known.remove(case)

    def keep(self, found: AbstractSet[tuple[str, int | None]]) -> None:
        """Everybody was looked up: close the cases of whom nobody knows, but for lives that have come
        since."""
        for name, known in list(self._by_name.items()):
            newest = max((life or 0 for each, life in found if each == name), default=None)
            kept = [
                case
                for case in known
                if (name, case.life) in found or (newest is not None and _age(case) > newest)
            ]
            self._by_name[name] = kept
            if not kept:
                del self._by_name[name]


def _age(case: Case) -> int:
    return -1 if case.life is None else case.life
