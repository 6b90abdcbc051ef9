"""What becomes of a life: it is there, it is ready, it has ended, it has failed."""

from __future__ import annotations

from kite.launcher.core.actions import (
    Action,
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
from kite.launcher.core.judging import answer_exit, how, is_completion, last_words, say_stopped
from kite.launcher.core.lifecycle import After, ModuleState, Phase, Stop
from kite.launcher.core.plan import Problem, ReadyBy
from kite.launcher.core.stopping import CHILDREN_GRACE, begin_stop, signal_stop, sweep
from kite.launcher.core.wellbeing import Health, Status

KILL_AFTER_LAUNCH_TIMEOUT = 5.0


def spawned(board: Board, state: ModuleState, fact: Spawned, now: float) -> list[Action]:
    """The process exists."""
    state.life.pid = fact.pid
    fields = {**state.which, "pid": fact.pid}
    actions: list[Action] = [Record(event="spawned", module=fact.module, fields=fields)]
    if state.phase is Phase.STARTING and state.in_force.ready_by is ReadyBy.PROCESS:
        actions += ready(board, state, now)
    return actions


def spawn_failed(state: ModuleState, fact: SpawnFailed) -> list[Action]:
    """No process could be made: nothing to restart until somebody mends it."""
    code, message = fact.problem.code, fact.problem.message
    about = {**state.which, "reason": code, "error": message}
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
    fields = {**state.which, "pid": life.pid, "seconds": seconds}
    told = {"module_id": name, **state.which, "pid": life.pid}
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
        **state.which,
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
    fields = {**state.which, "detail": fact.detail}
    record = Record(event="unhealthy", module=fact.module, fields=fields)
    told = {"module_id": fact.module, **state.which, "status": "unhealthy"}
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
    told = {**state.which, "status": fact.status.value, "detail": fact.detail}
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
    fields = {**state.which, **state.life.evidence}
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
    fields: dict[str, object] = {**state.which, **how(state)}
    if fact.blame is not None:
        fields["reason"] = fact.blame
    if life.blame is not None or (
        state.phase in (Phase.STARTING, Phase.RUNNING) and not is_completion(state)
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
            return answer_exit(board, state, now)
        case After.START:
            actions = say_stopped(state, state.stop.reason if state.stop else "restart")
            if state.plan.problem is not None:
                return [*actions, *fail_as_written(state)]
            state.move(Phase.WAITING)
            following = {**state.which, "life": board.roster.lives[state.plan.name] + 1}
            restarting = {**following, "reason": "restart"}
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
            return [*say_stopped(state, reason), *([] if comes_back else settle(state))]


def _survived(board: Board, state: ModuleState, survivors: tuple[int, ...]) -> list[Action]:
    pids = ", ".join(map(str, survivors))
    state.problem = Problem(code="survivors_left", params={"pids": pids})
    state.move(Phase.FAILED)
    if board.ending is not None:
        board.ending.survivors.extend(survivors)
    fields = {**state.which, "reason": "survivors", "pids": list(survivors)}
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
