"""What a request to start, stop or restart a module does in each of its phases."""

from __future__ import annotations

from kite.launcher.core.actions import Action, KeepDesired, Publish, Record, Settle
from kite.launcher.core.board import Board, settle
from kite.launcher.core.facts import RestartRequested, StartRequested, StopRequested
from kite.launcher.core.lifecycle import STOPPING, After, ModuleState, Phase, Stop
from kite.launcher.core.plan import ConfigState, Desired
from kite.launcher.core.stopping import begin_stop, sweep


def start(board: Board, fact: StartRequested, now: float) -> list[Action]:
    """Start a module by name, with what it depends on. Failures are forgotten."""
    state = board.states[fact.module]
    is_there = state.phase in (Phase.STARTING, Phase.RUNNING)
    if refusal := _refuse_start(board, state, is_there=is_there):
        return _refuse(fact.op, state, *refusal)
    actions = _take_over(state, fact.op)
    actions += _desire(state, running=True)
    state.wanted = True
    state.history.clear()
    match state.phase:
        case Phase.RUNNING:
            actions += settle(state)
        case Phase.FAILED if state.life.survivors:
            actions += _sweep_again(state, After.START, "restart")
        case Phase.STOPPED | Phase.BACKING_OFF | Phase.FAILED:
            state.completed = False
            state.move(Phase.WAITING)
        case phase if phase in STOPPING:
            _then(state, After.START)
        case _:
            pass
    for needed in board.requirements(fact.module):
        needed.history.clear()
    board.want(state, revive=True)
    return actions + board.start_those_who_may(now)


def stop(board: Board, fact: StopRequested, now: float) -> list[Action]:
    """Stop a module by name. Its dependents run on."""
    state = board.states[fact.module]
    actions = _take_over(state, fact.op)
    if fact.reason != "removed":
        actions += _desire(state, running=False, by_request=fact.by_request)
    state.wanted = False
    match state.phase:
        case Phase.STOPPED:
            return actions + settle(state)
        case Phase.FAILED if state.life.survivors:
            return actions + _sweep_again(state, After.STOP, fact.reason)
        case Phase.FAILED if state.plan.problem is not None and not _is_disabled(state):
            return actions + settle(state)  # it cannot run as it is written, and stays `failed`
        case Phase.WAITING | Phase.BACKING_OFF | Phase.FAILED:
            state.move(Phase.STOPPED)
            state.stop = Stop(reason=fact.reason, timeout=0.0, after=After.STOP)
            if state.plan.problem is None:
                state.problem = None
            return [*actions, *_say_stopped(state, fact.reason), *settle(state)]
        case Phase.STARTING | Phase.RUNNING:
            timeout = state.in_force.stop_timeout
            plan = Stop(reason=fact.reason, timeout=timeout, after=After.STOP)
            return actions + begin_stop(state, plan, now)
        case _:
            _then(state, After.STOP, reason=fact.reason)
            return actions


def restart(board: Board, fact: RestartRequested, now: float) -> list[Action]:
    """Restart a module by name; its dependents run on."""
    state = board.states[fact.module]
    stopped = state.phase is Phase.STOPPED or state.is_stopping_for_good
    if stopped and not fact.revive and not _is_disabled(state):
        return _refuse(fact.op, state, "stopped", {})
    if stopped or state.phase not in (Phase.STARTING, Phase.RUNNING):
        return start(board, StartRequested(module=fact.module, op=fact.op), now)
    if refusal := _refuse_start(board, state):
        return _refuse(fact.op, state, *refusal)
    actions = _take_over(state, fact.op)
    state.wanted = True
    state.history.clear()
    plan = Stop(reason=fact.reason, timeout=state.in_force.stop_timeout, after=After.START)
    return actions + begin_stop(state, plan, now)


def _is_disabled(state: ModuleState) -> bool:
    return state.plan.config_state is ConfigState.DISABLED


def _say_stopped(state: ModuleState, reason: str) -> list[Action]:
    """There is nothing to say of one that never ran."""
    name, life = state.plan.name, state.life.number
    if life == 0:
        return []
    return [
        Record(event="stopped", module=name, fields={"reason": reason}),
        Publish(subject="module.stopped", data={"module_id": name, "life": life, "reason": reason}),
    ]


def _refuse_start(
    board: Board, state: ModuleState, *, is_there: bool = False
) -> tuple[str, dict[str, object]] | None:
    """Why a module may not be started; one that is there already needs nothing but to be let be."""
    if state.removed:
        return "unknown_module", {}
    if _is_disabled(state):
        return "module_disabled", {}
    if board.ending is not None and not board.ending.is_restart:
        return "stopping", {}
    return None if is_there else _what_bars(board, state)


def _what_bars(board: Board, state: ModuleState) -> tuple[str, dict[str, object]] | None:
    """What would keep a new life of the module from coming up."""
    if state.plan.problem is not None:
        return "failed", {"detail": state.plan.problem.message}
    for needed in board.requirements(state.plan.name):
        is_there = needed.phase is Phase.RUNNING or needed.completed
        if needed.is_stopped_by_request and not is_there:
            return "dependency_stopped", {"dependency": needed.plan.name}
    return None


def start_again(state: ModuleState) -> list[Action]:
    """What is being stopped shall run after all: it starts when the old life is gone."""
    actions = _take_over(state, None)
    _then(state, After.START)
    return actions


def _refuse(
    op: int | None, state: ModuleState, code: str, params: dict[str, object]
) -> list[Action]:
    if op is None:
        return []
    return [Settle(op=op, code=code, params={"module": state.plan.name, **params})]


def _take_over(state: ModuleState, op: int | None) -> list[Action]:
    """A later operation ends the earlier one's waiting."""
    actions = settle(state, "superseded")
    state.op = op
    return actions


def _desire(state: ModuleState, *, running: bool, by_request: bool = False) -> list[Action]:
    desired = Desired(
        running=running,
        by_request=by_request and not running,
        config_state=state.plan.config_state,
    )
    if desired == state.desired:
        return []
    state.desired = desired
    return [KeepDesired(module=state.plan.name, desired=desired)]


def _sweep_again(state: ModuleState, after: After, reason: str) -> list[Action]:
    """Something of its last life could not be ended; perhaps it can be now."""
    state.stop = Stop(reason=reason, timeout=state.in_force.stop_timeout, after=after)
    return sweep(state)


def _then(state: ModuleState, after: After, *, reason: str = "restart") -> None:
    if state.stop is None:  # it is being swept after a crash
        state.stop = Stop(reason=reason, timeout=state.in_force.stop_timeout, after=after)
    else:
        state.stop.after = after
        state.stop.reason = reason if after is After.STOP else state.stop.reason
