"""Which places there are: one for each replica of each module, and one more in a rolling restart.

A module's first place stands under its name; further ones stand beside it. A fact about a process
names module and life, and the life says which place is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kite.launcher.core.lifecycle import LIVE, Life, ModuleState, Phase
from kite.launcher.core.plan import Plan

FURTHEST = (
    Phase.RUNNING,
    Phase.STARTING,
    Phase.CLEANING,
    Phase.ASKED,
    Phase.ENDING,
    Phase.SWEEPING,
    Phase.WAITING,
    Phase.BACKING_OFF,
    Phase.FAILED,
    Phase.STOPPED,
)
"""Of several places the first of these stands for the module."""


@dataclass(slots=True, kw_only=True)
class Roster:
    """All places.

    Args:
        first: the first place of each module, by name.
        beside: further replicas, and what comes or goes in a rolling restart.
        lives: how many processes each module has had in this instance.
    """

    first: dict[str, ModuleState] = field(default_factory=dict)
    beside: dict[str, list[ModuleState]] = field(default_factory=dict)
    lives: dict[str, int] = field(default_factory=dict)

    def everyone(self) -> Iterator[ModuleState]:
        """Every place, those of one module together."""
        for name, state in self.first.items():
            yield state
            yield from self.beside.get(name, ())

    def places(self, name: str) -> list[ModuleState]:
        """All places of a module that there is, the first one first."""
        return [self.first[name], *self.beside.get(name, ())]

    def staying(self, name: str) -> list[ModuleState]:
        """The places of a module, without those that go when their life has ended."""
        return [state for state in self.places(name) if not state.is_leaving]

    def face(self, name: str) -> ModuleState:
        """The place that stands for a module: the one that is furthest."""
        if name not in self.beside:
            return self.first[name]
        return min(self.staying(name), key=lambda state: FURTHEST.index(state.phase))

    def find(self, name: str, life: int | None) -> ModuleState | None:
        """The place that a fact is about; without a life the only one that can be meant."""
        if name not in self.first:
            return None
        places = self.places(name)
        if life is not None:
            return next((state for state in places if state.life.number == life), None)
        living = [state for state in places if state.phase in LIVE] or places
        return living[0] if len(living) == 1 else None

    def newest(self, name: str) -> ModuleState:
        """The place with the module's newest life."""
        return max(self.places(name), key=lambda state: state.life.number)

    def has_room(self, state: ModuleState) -> bool:
        """Whether one more life would be no more than there are places that stay."""
        if state.plan.name not in self.beside:
            return True
        living = sum(place.phase in LIVE for place in self.places(state.plan.name))
        return living < len(self.staying(state.plan.name))

    def new_life(self, state: ModuleState, now: float) -> Life:
        """The next life of a module, in this place."""
        name = state.plan.name
        self.lives[name] = self.lives.get(name, 0) + 1
        state.life = Life(number=self.lives[name], plan=state.plan, started_at=now)
        return state.life

    # -- places that come and go ----------------------------------------------------------------

    def open_beside(self, plan: Plan, replica: int) -> ModuleState:
        """One more place of a module that there is already."""
        first = self.first[plan.name]
        state = ModuleState(plan=plan, desired=first.desired, replica=replica)
        state.wanted, state.next_run = first.wanted, first.next_run
        self.beside.setdefault(plan.name, []).append(state)
        return state

    def fit(self, name: str) -> list[ModuleState]:
        """Make as many places as the plan says; the ones too many, which are leaving from now on."""
        wanted = self.first[name].plan.replicas
        staying = self.staying(name)
        taken = {state.replica for state in staying}
        for replica in range(wanted):
            if replica not in taken:
                self.open_beside(self.first[name].plan, replica)
        surplus = [state for state in staying if state.replica >= wanted]
        for state in surplus:
            state.is_leaving, state.wanted = True, False
        return surplus

    def succeed(self, incoming: ModuleState, outgoing: ModuleState) -> None:
        """One takes the other's place; the other goes when its life has ended."""
        name = outgoing.plan.name
        outgoing.is_leaving, outgoing.wanted = True, False
        incoming.history.restarts = outgoing.history.restarts
        if self.first[name] is outgoing:
            beside = self.beside[name]
            beside[beside.index(incoming)] = outgoing
            self.first[name] = incoming

    def forget(self, name: str) -> None:
        """Close the places whose time is over, and forget a module that was removed."""
        if name not in self.first:
            return
        if name in self.beside:
            kept = [state for state in self.beside[name] if not _is_over(state)]
            if kept:
                self.beside[name] = kept
            else:
                del self.beside[name]
        if _is_over(self.first[name]) and name not in self.beside:
            del self.first[name]


def _is_over(state: ModuleState) -> bool:
    return (state.removed or state.is_leaving) and state.phase not in LIVE
