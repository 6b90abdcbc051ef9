"""Why a module is in the state it is in: what the supervisor's decision rests on, as values.

Instants are monotonic seconds. Sentences are made of it where a person reads them.
"""

from __future__ import annotations

import msgspec

from kite.launcher.core.board import Board
from kite.launcher.core.lifecycle import CrashLoop, ModuleState, Phase
from kite.launcher.core.plan import Condition, RestartRule
from kite.launcher.core.restart import Verdict, foresee, within


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is waited for, and what that waits for itself.

    Args:
        since: when its actual state began; None where nobody knows a module of the name.
    """

    name: str
    condition: Condition
    actual_state: str | None
    since: float | None
    missing: tuple[Missing, ...] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """One module.

    Args:
        since: when the actual state began.
        wanted: whether it shall run in this run.
        wanted_by: the modules that need it and shall run.
        missing: what a waiting module waits for.
        lacks_place: it waits only for a place among those that start.
        doors_open: whether Registry and Hub have been up, so that modules may start.
        rule: the restart rule in force.
        failures: those that still count.
        counted: how many counted at the last failure.
        give_ups: how often it was given up since it was last stable.
        crash_loop: see `restart.py`.
        verdict: what followed the last failure that counted.
        next_verdict: what a failure now would bring, with the longest delay; None where there is
            nothing that could fail.
        forgiven_at: when the present life, if it stays, will have been ready for a whole window.
    """

    since: float
    wanted: bool
    wanted_by: tuple[str, ...]
    missing: tuple[Missing, ...]
    lacks_place: bool
    doors_open: bool
    rule: RestartRule
    failures: tuple[float, ...]
    counted: int
    give_ups: int
    crash_loop: CrashLoop | None
    verdict: Verdict | None
    next_verdict: Verdict | None
    forgiven_at: float | None


def explain(board: Board, state: ModuleState, now: float) -> Explanation:
    """Put together what is known; decides nothing."""
    rule, history = state.in_force.restart, state.history
    failures = within(history.failures, rule, now)
    is_forgiven = state.phase is Phase.RUNNING and state.is_stable(now)
    give_ups = 0 if is_forgiven else history.give_ups
    missing = _missing(board, state, frozenset({state.plan.name}))
    may_fail = state.wanted and state.plan.problem is None and not state.completed
    ready_at = state.life.ready_at if state.phase is Phase.RUNNING else None
    return Explanation(
        since=state.since,
        wanted=state.wanted,
        wanted_by=tuple(_wanted_by(board, state.plan.name)),
        missing=missing,
        lacks_place=state.phase is Phase.WAITING and board.doors_open and not missing,
        doors_open=board.doors_open,
        rule=rule,
        failures=tuple(failures),
        counted=len(history.failures),
        give_ups=give_ups,
        crash_loop=state.crash_loop(now),
        verdict=history.verdict,
        next_verdict=foresee(failures, rule, give_ups=give_ups, now=now) if may_fail else None,
        forgiven_at=ready_at + rule.window if ready_at is not None else None,
    )


def _wanted_by(board: Board, name: str) -> list[str]:
    return [
        other.plan.name
        for other in board.states.values()
        if other.wanted and any(name == needed for needed, _ in other.plan.dependencies)
    ]


def _missing(board: Board, state: ModuleState, seen: frozenset[str]) -> tuple[Missing, ...]:
    """What is waited for, transitively; nobody twice on one way."""
    if state.phase is not Phase.WAITING:
        return ()
    unmet = set(board.unmet(state))
    found: list[Missing] = []
    for name, condition in state.plan.dependencies:
        if name not in unmet:
            continue
        other = board.roster.face(name) if name in board.states else None
        deeper = _missing(board, other, seen | {name}) if other and name not in seen else ()
        found.append(
            Missing(
                name=name,
                condition=condition,
                actual_state=other.actual_state if other else None,
                since=other.since if other else None,
                missing=deeper,
            )
        )
    return tuple(found)
