"""What follows an exit that nobody asked for: it was done, comes back, waits, or is given up."""

from __future__ import annotations

from kite.launcher.core.actions import Action, GiveUpSystem, Publish, Record
from kite.launcher.core.board import Board, fail_as_written, settle
from kite.launcher.core.lifecycle import ModuleState, Phase
from kite.launcher.core.plan import ConfigState, Problem
from kite.launcher.core.restart import GiveUp, RestartIn, judge, within

UNCOUNTED_DELAY = 0.5


def answer_exit(board: Board, state: ModuleState, now: float) -> list[Action]:
    """The restart rule decides what follows an exit that nobody asked for."""
    life = state.life
    if is_completion(state):
        state.completed = True
        state.history.give_ups = 0  # a job cannot be more stable than that
        state.move(Phase.STOPPED)
        done = say_stopped(state, "completed")
        return [*done, *settle(state), *board.start_those_who_may(now)]
    told = {"module_id": state.plan.name, **state.which, "reason": life.blame or "crashed"}
    actions: list[Action] = [
        Publish(
            subject="module.stopped",
            data={**told, **how(state), **life.evidence, **last_words(state)},
        )
    ]
    if not state.wanted:
        state.move(Phase.STOPPED)
        return actions + settle(state, "superseded")
    if state.on_trial:
        return actions + _fail_trial(state)
    return actions + _answer_failure(board, state, now)


def _answer_failure(board: Board, state: ModuleState, now: float) -> list[Action]:
    rule, life = state.in_force.restart, state.life
    if state.plan.problem is not None:  # its manifest broke while it ran: nothing is restarted
        return fail_as_written(state)
    history = state.history
    if not (life.counted and board.backbone_up):
        # It may have noticed before us that Registry or Hub was gone, and have left for that.
        # One that cannot even start without Registry or Hub must not spin until they are back.
        delay = 0.0 if life.ready_at is not None else UNCOUNTED_DELAY
        history.verdict = None
        return _restart(board, state, delay, now)
    if state.is_stable(now):
        history.give_ups = 0
    history.failures = [*within(history.failures, rule, now), now]
    verdict = judge(history.failures, rule, give_ups=history.give_ups, chance=board.chance())
    history.verdict = verdict
    match verdict:
        case RestartIn():
            return _restart(board, state, verdict.delay, now)
        case GiveUp():
            return _give_up(board, state, verdict.retry_in, now)


def _fail_trial(state: ModuleState) -> list[Action]:
    """The life that it was to replace is still there. There is no second try: whoever asked is told why."""
    name, reason = state.plan.name, state.life.blame or "crashed"
    state.problem = _explain(state, 1)
    state.move(Phase.FAILED)
    message = state.problem.message
    told = {**how(state), "error": message, **last_words(state)}
    fields = {**state.which, "reason": reason, **told}
    return [Record(event="failed", module=name, fields=fields)]


def _restart(board: Board, state: ModuleState, delay: float, now: float) -> list[Action]:
    state.history.restarts += 1
    fields = {
        **state.which,
        "life": board.roster.lives[state.plan.name] + 1,
        "reason": state.life.blame or "crashed",
        "delay": round(delay, 3),
        "failures": len(state.history.failures),
    }
    record = Record(event="restarting", module=state.plan.name, fields=fields)
    if delay > 0:
        state.move(Phase.BACKING_OFF, deadline=now + delay)
        return [record]
    state.move(Phase.WAITING)
    return [record, *board.start_those_who_may(now)]


def _give_up(board: Board, state: ModuleState, retry_in: float | None, now: float) -> list[Action]:
    history, name = state.history, state.plan.name
    count = len(history.failures)
    history.give_ups += 1
    reason = state.life.blame or "crashed"
    state.problem = _explain(state, count)
    message = state.problem.message
    state.move(Phase.FAILED, deadline=None if retry_in is None else now + retry_in)
    state.given_up = True
    if retry_in is None and state.awaits_schedule and state.next_run is not None:
        retry_in = round(max(0.0, state.next_run - now), 3)
    measured = {**how(state), **state.life.evidence}
    exit_fields = {**measured, "retry_in": retry_in, "error": message, **last_words(state)}
    fields = {**state.which, "reason": reason, **exit_fields}
    actions: list[Action] = [
        Record(event="failed", module=name, fields=fields),
        Publish(subject="module.failed", data={"module_id": name, **fields}),
        *settle(state, "failed", detail=message, **last_words(state)),
    ]
    failed = tuple(
        other
        for other, first in board.states.items()
        if first.plan.config_state is ConfigState.ENABLED
        and all(place.failed_by_crash for place in board.roster.staying(other))
    )
    if board.max_failed and len(failed) >= board.max_failed and not board.gave_up:
        board.gave_up = True
        actions.append(GiveUpSystem(failed=failed))
    return actions


def _explain(state: ModuleState, count: int) -> Problem:
    """Why it was given up, in a sentence of its own for each way to fail."""
    if state.problem is not None and state.problem.code == "token_refused":
        return state.problem
    params: dict[str, int | float | None] = {
        "count": count,
        "window": state.in_force.restart.window,
    }
    match state.life.blame:
        case "launch_timeout":
            timeout = state.in_force.launch_timeout
            return Problem(code="gave_up_launch_timeout", params={**params, "timeout": timeout})
        case "unhealthy":
            return Problem(code="gave_up_unhealthy", params=params)
        case "out_of_memory" | "memory_limit":
            return Problem(code="gave_up_memory", params=params)
        case _ if state.life.signal is not None:
            return Problem(code="gave_up_signal", params={**params, "signal": state.life.signal})
        case _:
            status = state.life.exit_code
            return Problem(code="gave_up_exit", params={**params, "status": status})


def is_completion(state: ModuleState) -> bool:
    """Whether it ended as a job that is done, and not by a failure."""
    rule, life = state.in_force.restart, state.life
    return rule.is_success(life.exit_code, life.signal) and life.blame is None


def say_stopped(state: ModuleState, reason: str) -> list[Action]:
    """It has ended and nothing follows by itself."""
    name = state.plan.name
    fields = {**state.which, "reason": reason, **how(state)}
    told = {"module_id": name, **fields}
    return [
        Record(event="stopped", module=name, fields=fields),
        Publish(subject="module.stopped", data=told),
    ]


def last_words(state: ModuleState) -> dict[str, list[str]]:
    """`last_lines`: what it printed last, where it printed anything."""
    return {"last_lines": list(state.life.last_lines)} if state.life.last_lines else {}


def how(state: ModuleState) -> dict[str, int]:
    """How the process ended: `exit_code` or `signal`."""
    if state.life.signal is not None:
        return {"signal": state.life.signal}
    if state.life.exit_code is not None:
        return {"exit_code": state.life.exit_code}
    return {}
