"""What a request to start, stop or restart a module does to each of its places, in each phase.

The supervisor asks first whether the module may be started at all, then tells every place.
"""

from __future__ import annotations

from kite.launcher.core.actions import Action, KeepDesired, Publish, Record, Settle
from kite.launcher.core.board import Board, Refusal, settle
from kite.launcher.core.facts import RestartRequested, StartRequested, StopRequested
from kite.launcher.core.lifecycle import STOPPING, After, ModuleState, Phase, Stop
from kite.launcher.core.plan import ConfigState, Desired
from kite.launcher.core.stopping import begin_stop, sweep


def start(state: ModuleState, op: int | None) -> list[Action]:
    """Start a place. Failures are forgotten."""
    actions = _take_over(state, op)
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
    return actions


def stop(state: ModuleState, fact: StopRequested, now: float) -> list[Action]:
    """Stop a place. Who depends on the module runs on."""
    actions = _take_over(state, fact.op)
    if fact.reason != "removed":
        actions += _desire(state, running=False, by_request=fact.by_request)
    state.wanted = state.owes_run = False
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


def restart(state: ModuleState, fact: RestartRequested, now: float) -> list[Action]:
    """Restart a place that runs; any other is started."""
    if state.phase not in (Phase.STARTING, Phase.RUNNING):
        return start(state, fact.op)
    actions = give_way(state)
    state.op = fact.op
    plan = Stop(reason=fact.reason, timeout=state.in_force.stop_timeout, after=After.START)
    return actions + begin_stop(state, plan, now)


def give_way(state: ModuleState) -> list[Action]:
    """A new life is wanted of this place: earlier operations are over, failures forgotten."""
    actions = _take_over(state, None)
    state.wanted = True
    state.history.clear()
    return actions


def _is_disabled(state: ModuleState) -> bool:
    return state.plan.config_state is ConfigState.DISABLED


def _say_stopped(state: ModuleState, reason: str) -> list[Action]:
    """There is nothing to say of one that never ran."""
    name, which = state.plan.name, state.which
    if which["life"] == 0:
        return []
    return [
        Record(event="stopped", module=name, fields={"reason": reason}),
        Publish(subject="module.stopped", data={"module_id": name, **which, "reason": reason}),
    ]


def refuse_start(board: Board, name: str) -> Refusal | None:
    """Why a module may not be started; one that is there already needs nothing but to be let be."""
    phases = {place.phase for place in board.roster.staying(name)}
    return _refuse(board, name, is_there=phases <= {Phase.STARTING, Phase.RUNNING})


def refuse_restart(board: Board, name: str) -> Refusal | None:
    """Why no new life of a module may begin."""
    return _refuse(board, name, is_there=False)


def _refuse(board: Board, name: str, *, is_there: bool) -> Refusal | None:
    state = board.states[name]
    if state.removed:
        return "unknown_module", {}
    if _is_disabled(state):
        return "module_disabled", {}
    if board.ending is not None and not board.ending.is_restart:
        return "stopping", {}
    return None if is_there else _what_bars(board, state)


def _what_bars(board: Board, state: ModuleState) -> Refusal | None:
    """What would keep a new life of the module from coming up."""
    if state.plan.problem is not None:
        return "failed", {"detail": state.plan.problem.message}
    for needed in board.requirements(state.plan.name):
        face = board.roster.face(needed.plan.name)
        is_there = face.phase is Phase.RUNNING or needed.completed
        if needed.is_stopped_by_request and not is_there:
            return "dependency_stopped", {"dependency": needed.plan.name}
    return None


def start_again(state: ModuleState) -> list[Action]:
    """What is being stopped shall run after all: it starts when the old life is gone."""
    actions = _take_over(state, None)
    _then(state, After.START)
    return actions


def refused(fact: StartRequested | RestartRequested, refusal: Refusal) -> list[Action]:
    """Tell whoever asked."""
    code, params = refusal
    if fact.op is None:
        return []
    return [Settle(op=fact.op, code=code, params={"module": fact.module, **params})]


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
