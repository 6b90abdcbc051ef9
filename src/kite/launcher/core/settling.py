"""Whether the system has come up, as far as it will by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kite.launcher.core.lifecycle import ModuleState, Phase
from kite.launcher.core.supervisor import Supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What `kite up --wait` wants to know.

    Args:
        settled: every module that shall run is ready, completed or waiting for its schedule, or
            it cannot get there by itself.
        unready: those that cannot, by name (or that have not yet, while not settled).
    """

    settled: bool
    unready: tuple[str, ...]


def settlement(supervisor: Supervisor) -> Settlement:
    """Look at all modules that shall run."""
    pending: list[str] = []
    stuck: list[str] = []
    for name, is_stuck in _late(supervisor):
        (stuck if is_stuck else pending).append(name)
    return Settlement(settled=not pending, unready=(*stuck, *pending))


def is_settled(supervisor: Supervisor) -> bool:
    """The same in short: who is asked at each step of a start looks no further than the first that
    is on its way."""
    return all(is_stuck for _, is_stuck in _late(supervisor))


def _late(supervisor: Supervisor) -> Iterator[tuple[str, bool]]:
    """Who is not there yet, and whether that is for good."""
    for name in supervisor.states:
        places = supervisor.roster.staying(name)
        late = [s for s in places if s.desired.running and not _has_arrived(s)]
        if late:
            yield name, all(_is_stuck(supervisor, state, frozenset()) for state in late)


def _has_arrived(state: ModuleState) -> bool:
    return (
        state.phase is Phase.RUNNING
        or state.completed
        or (state.plan.is_scheduled and state.phase is Phase.STOPPED)
    )


def _is_stuck(supervisor: Supervisor, state: ModuleState, seen: frozenset[str]) -> bool:
    """Whether it has failed, or waits for a module that has or that was stopped."""
    name = state.plan.name
    if state.phase in (Phase.FAILED, Phase.STOPPED) or name in seen:
        return True
    if state.phase is not Phase.WAITING:
        return False
    needed = (supervisor.face(dependency) for dependency in supervisor.waiting_for(name))
    return any(
        other is None or (not _has_arrived(other) and _is_stuck(supervisor, other, seen | {name}))
        for other in needed
    )
