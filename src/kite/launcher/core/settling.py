"""Whether the system has come up, as far as it will by itself."""

from __future__ import annotations

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
    for name, state in supervisor.states.items():
        if not state.desired.running or _has_arrived(state):
            continue
        (stuck if _is_stuck(supervisor, name, frozenset()) else pending).append(name)
    return Settlement(settled=not pending, unready=(*stuck, *pending))


def _has_arrived(state: ModuleState) -> bool:
    return (
        state.phase is Phase.RUNNING
        or state.completed
        or (state.plan.is_scheduled and state.phase is Phase.STOPPED)
    )


def _is_stuck(supervisor: Supervisor, name: str, seen: frozenset[str]) -> bool:
    """Whether a module has failed, or waits for one that has or that was stopped."""
    state = supervisor.states.get(name)
    if state is None or state.phase in (Phase.FAILED, Phase.STOPPED) or name in seen:
        return True
    if state.phase is not Phase.WAITING:
        return False
    return any(
        _is_stuck(supervisor, dependency, seen | {name})
        for dependency in supervisor.waiting_for(name)
        if not (dependency in supervisor.states and _has_arrived(supervisor.states[dependency]))
    )
