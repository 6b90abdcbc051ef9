"""What becomes of a life: it is there, it is ready, it has ended, it has failed."""

from __future__ import annotations

from kite.launcher.core.actions import (
    Action,
    GiveUpSystem,
    Publish,
    Record,
    RetireLife,
    WelcomeLife,
)
from kite.launcher.core.board import Board, fail_as_written, settle
from kite.launcher.core.facts import (
    BecameUnhealthy,
    Exited,
    HealthChanged,
    OutgrewMemory,
    Spawned,
    SpawnFailed,
    TokenRefused,
    TreeGone,
)
from kite.launcher.core.lifecycle import After, ModuleState, Phase, Stop
from kite.launcher.core.plan import ConfigState, Problem, ReadyBy
from kite.launcher.core.restart import GiveUp, RestartIn, judge, within
from kite.launcher.core.stopping import CHILDREN_GRACE, begin_stop, signal_stop, sweep
from kite.launcher.core.wellbeing import Health, Status

KILL_AFTER_LAUNCH_TIMEOUT = 5.0
UNCOUNTED_DELAY = 0.5


def spawned(board: Board, state: ModuleState, fact: Spawned, now: float) -> list[Action]:
    """The process exists."""
    state.life.pid = fact.pid
    fields = {"life": fact.life, "pid": fact.pid}
    actions: list[Action] = [Record(event="spawned", module=fact.module, fields=fields)]
    if state.phase is Phase.STARTING and state.in_force.ready_by is ReadyBy.PROCESS:
        actions += ready(board, state, now)
    return actions


def spawn_failed(state: ModuleState, fact: SpawnFailed) -> list[Action]:
    """No process could be made: nothing to restart until somebody mends it."""
    code, message = fact.problem.code, fact.problem.message
    about = {"life": fact.life, "reason": code, "error": message}
    actions: list[Action] = [
        *_retire(state),
        Record(event="start_failed", module=fact.module, fields={**about, "code": code}),
    ]
    if state.phase is not Phase.STARTING:  # its end was asked for in the meantime
        return actions + (sweep(state) if state.phase is not Phase.SWEEPING else [])
    state.problem = fact.problem
    state.move(Phase.FAILED)
    return [
        *actions,
        Publish(subject="module.failed", data={"module_id": fact.module, **about}),
        *settle(state, "failed", detail=message),
    ]


def token_refused(board: Board, fact: TokenRefused) -> list[Action]:
    """It will miss its launch timeout; this is why."""
    state = board.roster.newest(fact.module)
    if state.phase is Phase.STARTING:
        params = {"life": state.life.number, "detail": fact.detail}
        state.problem = Problem(code="token_refused", params=params)
    return []


def ready(board: Board, state: ModuleState, now: float) -> list[Action]:
    """The life has said that it is ready, or its probe passed."""
    if state.phase is not Phase.STARTING:
        return []
    name, life = state.plan.name, state.life
    state.move(Phase.RUNNING)
    state.problem = None
    life.ready_at = now
    life.launch_left = None
    seconds = round(now - (life.started_at or now), 3)
    fields = {"life": life.number, "pid": life.pid, "seconds": seconds}
    told = {"module_id": name, "life": life.number, "pid": life.pid}
    return [
        WelcomeLife(module=name, life=life.number),
        Record(event="started", module=name, fields=fields),
        Publish(subject="module.started", data=told),
        *settle(state),
        *board.start_those_who_may(now),
    ]


def launch_timed_out(state: ModuleState, now: float) -> list[Action]:
    """Ready was not said in time: that is a failure, never a start."""
    state.life.blame = "launch_timeout"
    timeout = state.in_force.stop_timeout
    state.stop = Stop(reason="launch_timeout", timeout=timeout, after=After.JUDGE)
    fields = {
        "life": state.life.number,
        "reason": "launch_timeout",
        "timeout": state.in_force.launch_timeout,
    }
    return [
        Record(event="start_failed", module=state.plan.name, fields=fields),
        *signal_stop(state, now, min(KILL_AFTER_LAUNCH_TIMEOUT, timeout)),
    ]


def unhealthy(state: ModuleState, fact: BecameUnhealthy, now: float) -> list[Action]:
    """The health probe has failed for good: ended as a failure."""
    if state.phase is not Phase.RUNNING:
        return []
    state.life.blame = "unhealthy"
    plan = Stop(reason="unhealthy", timeout=state.in_force.stop_timeout, after=After.JUDGE)
    state.life.health = Health(status=Status.UNHEALTHY, detail=fact.detail, since=now)
    fields = {"life": fact.life, "detail": fact.detail}
    record = Record(event="unhealthy", module=fact.module, fields=fields)
    told = {"module_id": fact.module, "life": fact.life, "status": "unhealthy"}
    changed = Publish(subject="module.health_changed", data={**told, "detail": fact.detail})
    return [record, changed, *begin_stop(state, plan, now)]


def health_changed(state: ModuleState, fact: HealthChanged, now: float) -> list[Action]:
    """It is told and shown, and nothing else follows."""
    is_news = state.life.health.gives_way_to(fact.status, fact.by)
    if state.phase is not Phase.RUNNING or not is_news:
        return []
    state.life.health = Health(status=fact.status, detail=fact.detail, since=now, by=fact.by)
    if fact.by != "probe":  # who found it has told everybody
        return []
    told = {"life": fact.life, "status": fact.status.value, "detail": fact.detail}
    return [
        Record(event="health_changed", module=fact.module, fields=told),
        Publish(subject="module.health_changed", data={"module_id": fact.module, **told}),
    ]


def outgrew_memory(state: ModuleState, fact: OutgrewMemory, now: float) -> list[Action]:
    """Its tree uses more memory than it may: ended as a failure, in good order."""
    if state.phase not in (Phase.STARTING, Phase.RUNNING):
        return []
    state.life.blame = "memory_limit"
    plan = Stop(reason="memory_limit", timeout=state.in_force.stop_timeout, after=After.JUDGE)
    state.life.evidence = {"used": fact.used, "limit": fact.limit}
    fields = {"life": fact.life, **state.life.evidence}
    record = Record(event="over_memory", module=fact.module, fields=fields)
    return [record, *begin_stop(state, plan, now)]


def exited(board: Board, state: ModuleState, fact: Exited, now: float) -> list[Action]:
    """The process has ended, asked or not. What it left behind is swept before anything else."""
    life = state.life
    life.exit_code, life.signal = fact.exit_code, fact.signal
    life.last_lines = fact.last_lines
    state.last_exit = fact
    life.blame = fact.blame or life.blame
    life.connections = 0
    life.pid = None
    name = fact.module
    fields: dict[str, object] = {"life": fact.life, **how(state)}
    if fact.blame is not None:
        fields["reason"] = fact.blame
    if life.blame is not None or (
        state.phase in (Phase.STARTING, Phase.RUNNING) and not _is_completion(state)
    ):
        fields |= last_words(state)
    actions: list[Action] = [
        Record(event="exited", module=name, fields=fields),
        *_retire(state),
    ]
    if state.phase in (Phase.STARTING, Phase.RUNNING):
        life.counted = board.counts_exit(life, now)
        actions += sweep(state)
    elif state.phase in (Phase.ASKED, Phase.CLEANING, Phase.ENDING):
        # Its children were asked with it and may take a moment to follow.
        bounds = [
            state.stop.bound if state.stop is not None else None,
            board.ending.deadline if board.ending is not None else None,
        ]
        left = min((bound - now for bound in bounds if bound is not None), default=CHILDREN_GRACE)
        actions += sweep(state, grace=max(0.0, min(CHILDREN_GRACE, left)))
    return actions


def tree_gone(board: Board, state: ModuleState, fact: TreeGone, now: float) -> list[Action]:
    """Nothing of the life is left, but for `survivors`."""
    if state.phase is not Phase.SWEEPING:
        return []
    leader, state.life.pid = state.life.pid, None
    state.life.last_lines = fact.last_lines or state.life.last_lines
    if state.life.survivors:
        state.problem = state.plan.problem  # what was left before is gone, or is named anew
    state.life.survivors = fact.survivors
    if fact.survivors:
        # Where the leader itself is left, nobody has said that it exited.
        dead = _retire(state) if leader is not None else []
        return [*dead, *_survived(board, state, fact.survivors)]
    after = After.JUDGE if state.stop is None else state.stop.after
    if board.ending is not None and after is not After.STOP:
        after = After.STOP
    match after:
        case After.JUDGE:
            return _judge(board, state, now)
        case After.START:
            actions = _stopped(state, state.stop.reason if state.stop else "restart")
            if state.plan.problem is not None:
                return [*actions, *fail_as_written(state)]
            state.move(Phase.WAITING)
            restarting = {"life": board.roster.lives[state.plan.name] + 1, "reason": "restart"}
            record = Record(event="restarting", module=state.plan.name, fields=restarting)
            return [*actions, record, *board.start_those_who_may(now)]
        case After.STOP:
            reason = "stop_requested"
            if state.stop is not None:
                reason = state.stop.reason
            elif board.ending is not None:  # it fell before its turn came
                reason = board.ending.reason
            state.move(Phase.STOPPED)
            comes_back = state.wanted and board.ending is not None and board.ending.is_restart
            return [*_stopped(state, reason), *([] if comes_back else settle(state))]


def _survived(board: Board, state: ModuleState, survivors: tuple[int, ...]) -> list[Action]:
    pids = ", ".join(map(str, survivors))
    state.problem = Problem(code="survivors_left", params={"pids": pids})
    state.move(Phase.FAILED)
    if board.ending is not None:
        board.ending.survivors.extend(survivors)
    fields = {"life": state.life.number, "reason": "survivors", "pids": list(survivors)}
    told = {"module_id": state.plan.name, **fields}
    return [
        Record(event="failed", module=state.plan.name, fields=fields),
        Publish(subject="module.failed", data=told),
        *settle(state, "survivors", pids=list(survivors), pid_list=pids),
    ]


def _retire(state: ModuleState) -> list[Action]:
    """Its token dies with a life, once."""
    if state.life.retired:
        return []
    state.life.retired = True
    return [RetireLife(module=state.plan.name, life=state.life.number)]


def _stopped(state: ModuleState, reason: str) -> list[Action]:
    name, number = state.plan.name, state.life.number
    told = {"module_id": name, "life": number, "reason": reason, **how(state)}
    fields = {"life": number, "reason": reason, **how(state)}
    return [
        Record(event="stopped", module=name, fields=fields),
        Publish(subject="module.stopped", data=told),
    ]


def _judge(board: Board, state: ModuleState, now: float) -> list[Action]:
    """The restart rule decides what follows an exit that nobody asked for."""
    life = state.life
    if _is_completion(state):
        state.completed = True
        state.history.give_ups = 0  # a job cannot be more stable than that
        state.move(Phase.STOPPED)
        done = _stopped(state, "completed")
        return [*done, *settle(state), *board.start_those_who_may(now)]
    told = {"module_id": state.plan.name, "life": life.number, "reason": life.blame or "crashed"}
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
    fields = {"life": state.life.number, "reason": reason, **told}
    return [Record(event="failed", module=name, fields=fields)]


def _restart(board: Board, state: ModuleState, delay: float, now: float) -> list[Action]:
    state.history.restarts += 1
    fields = {
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
    fields = {"life": state.life.number, "reason": reason, **exit_fields}
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


def _is_completion(state: ModuleState) -> bool:
    """Whether it ended as a job that is done, and not by a failure."""
    rule, life = state.in_force.restart, state.life
    return rule.is_success(life.exit_code, life.signal) and life.blame is None


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
