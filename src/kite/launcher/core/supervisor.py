"""The supervisor: facts about modules in, actions out, time passed in.

It knows nothing of processes, sockets or files. `requests.py` says what people and programs may
ask for, `outcomes.py` what becomes of a life, `stopping.py` how one is ended, `board.py` who may
start; this file hands each fact to the one that decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from kite.launcher.core import outcomes, requests, stopping
from kite.launcher.core.actions import Action, EverythingStopped, KeepDesired, Publish, Record
from kite.launcher.core.board import Board, fail_as_written, settle
from kite.launcher.core.facts import (
    BackboneLost,
    BackboneRestored,
    BecameReady,
    BecameUnhealthy,
    ConnectionsChanged,
    DoorsOpened,
    Exited,
    Fact,
    RestartRequested,
    RunDue,
    RunPlanned,
    Scanned,
    ShutdownAcked,
    ShutdownReady,
    Spawned,
    SpawnFailed,
    StartedOver,
    StartRequested,
    StopEverything,
    StopRequested,
    TimePassed,
    TokenRefused,
    TreeGone,
    WaitingSkipped,
)
from kite.launcher.core.lifecycle import LIVE, After, ModuleState, Phase, Stop
from kite.launcher.core.plan import ConfigState, Plan, settle_desired


class Supervisor:
    """Decides for all modules but the core ones.

    Args:
        concurrency: how many modules may be between process and ready at once.
        max_failed: how many enabled modules may have failed before the system gives up; 0: never.
        chance: gives numbers from 0 up to 1 that spread restarts.
    """

    def __init__(self, *, concurrency: int, max_failed: int, chance: Callable[[], float]) -> None:
        self._board = Board(concurrency=concurrency, max_failed=max_failed, chance=chance)

    @property
    def states(self) -> dict[str, ModuleState]:
        """The modules by name; for reading only."""
        return self._board.states

    def waiting_for(self, name: str) -> list[str]:
        """What a waiting module waits for, by name."""
        state = self._board.states[name]
        return self._board.unmet(state) if state.phase is Phase.WAITING else []

    def next_deadline(self) -> float | None:
        """The instant at which `TimePassed` is due."""
        deadlines = [s.deadline for s in self._board.states.values() if s.deadline is not None]
        return min(deadlines, default=None)

    def handle(self, fact: Fact, now: float) -> list[Action]:
        """Take a fact and say what is to be done. Facts of an earlier life change nothing."""
        board = self._board
        if _is_stale(board, fact):
            return []
        actions = self._decide(board, fact, now)
        actions += self._go_on_ending(now)
        return actions + board.refuse_those_who_wait_in_vain()

    def _decide(self, board: Board, fact: Fact, now: float) -> list[Action]:  # noqa: C901, PLR0911, PLR0912 - a table
        match fact:
            case Scanned():
                return self._scanned(fact, now)
            case DoorsOpened():
                board.doors_open = board.backbone_up = True
                return board.start_those_who_may(now)
            case BackboneLost():
                board.freeze_launch_clocks(now)
                return []
            case BackboneRestored():
                board.thaw_launch_clocks(now)
                return board.start_those_who_may(now)
            case StartRequested():
                return requests.start(board, fact, now)
            case StopRequested():
                return requests.stop(board, fact, now) + self._forget_removed(fact.module)
            case RestartRequested():
                return requests.restart(board, fact, now)
            case RunDue():
                return self._run_due(fact, now)
            case RunPlanned():
                board.states[fact.module].next_run = fact.at
                return []
            case Spawned():
                return outcomes.spawned(board, fact, now)
            case SpawnFailed():
                return outcomes.spawn_failed(board, fact)
            case TokenRefused():
                return outcomes.token_refused(board, fact)
            case BecameReady():
                return outcomes.ready(board, board.states[fact.module], now)
            case ConnectionsChanged():
                board.states[fact.module].life.connections = fact.connections
                return []
            case ShutdownAcked():
                state = board.states[fact.module]
                return stopping.acknowledge(state, fact.estimated_cleanup, now)
            case ShutdownReady():
                return self._cleaned(fact, now)
            case Exited():
                return outcomes.exited(board, fact, now)
            case TreeGone():
                gone = outcomes.tree_gone(board, fact, now)
                return gone + self._forget_removed(fact.module)
            case BecameUnhealthy():
                return outcomes.unhealthy(board, fact, now)
            case StopEverything():
                return self._stop_everything(fact, now)
            case WaitingSkipped():
                return self._skip_waiting()
            case StartedOver():
                return self._start_over()
            case TimePassed():
                return self._pass_time(now)
            case _:
                assert_never(fact)

    def _scanned(self, fact: Scanned, now: float) -> list[Action]:
        board = self._board
        actions: list[Action] = []
        found = {plan.name for plan in fact.plans}
        for plan in fact.plans:
            actions += self._take_plan(plan, now, start=fact.start)
        for name in [name for name in board.states if name not in found]:
            board.states[name].removed = True
            if not board.states[name].is_stopping_for_good:
                request = StopRequested(module=name, reason="removed", by_request=False)
                actions += requests.stop(board, request, now)
            actions += self._forget_removed(name)
        # Start order is the order of the plans, which the shell sorts by dependency.
        board.states = {n: board.states[n] for n in [*(p.name for p in fact.plans), *board.states]}
        for state in list(board.states.values()):
            if not fact.start or not state.wanted or board.ending is not None:
                continue
            if state.phase in (Phase.STOPPED, Phase.FAILED) and not state.failed_by_crash:
                board.want(state)
            elif state.is_stopping_for_good:  # it was disabled or gone for a moment
                actions += requests.start_again(state)
        return actions + board.start_those_who_may(now)

    def _take_plan(self, plan: Plan, now: float, *, start: bool) -> list[Action]:
        board, name = self._board, plan.name
        state = board.states.get(name)
        # What was shown while a manifest could not be read was nobody's decision.
        is_known = state is not None and state.plan.is_readable
        kept = state.desired if state is not None and is_known else plan.desired
        desired = settle_desired(kept, plan.config_state)
        actions: list[Action] = []
        if state is None:
            state = board.states[name] = ModuleState(plan=plan, desired=desired)
        before, state.plan, state.desired, state.removed = state.plan, plan, desired, False
        if desired != plan.desired and plan.is_readable:
            actions.append(KeepDesired(module=name, desired=desired))
        if before.config_state is not plan.config_state and (is_known or plan.desired):
            actions += _state_changed(state, before)
        is_awaited = state.op is not None  # perhaps since before a full restart
        is_off = state.phase is Phase.STOPPED and not is_awaited
        if plan.config_state is ConfigState.DISABLED and not is_off:
            if state.is_stopping_for_good:
                return actions
            request = StopRequested(module=name, reason="disabled", by_request=False)
            return actions + requests.stop(board, request, now)
        actions += self._take_problem(state)
        runs = desired.running and plan.is_readable and not plan.is_scheduled
        if start and runs and board.ending is None:
            state.wanted = True
        return actions

    def _take_problem(self, state: ModuleState) -> list[Action]:
        """A plan that cannot run is `failed` at once; one that was mended may run again."""
        problem, resting = state.plan.problem, state.phase not in LIVE
        if problem is None:
            is_lasting = state.failed_by_crash or state.life.survivors
            if resting and state.problem is not None and not is_lasting:
                state.problem = None
                if state.phase is Phase.FAILED:
                    state.move(Phase.STOPPED)
            return []
        if not resting or state.problem == problem:
            return []
        if state.plan.config_state is ConfigState.DISABLED:
            state.problem = problem
            return []
        return fail_as_written(state)

    def _forget_removed(self, name: str) -> list[Action]:
        state = self._board.states.get(name)
        if state is not None and state.removed and state.phase not in LIVE:
            del self._board.states[name]
        return []

    def _run_due(self, fact: RunDue, now: float) -> list[Action]:
        """One more run, which forgets no failure: only a request does."""
        state = self._board.states[fact.module]
        is_idle = state.awaits_schedule and state.desired.running
        if not is_idle or self._board.ending is not None:
            return []
        state.completed = False
        self._board.want(state)
        return self._board.start_those_who_may(now)

    def _cleaned(self, fact: ShutdownReady, now: float) -> list[Action]:
        state = self._board.states[fact.module]
        if state.phase not in (Phase.ASKED, Phase.CLEANING):
            return []
        return stopping.signal_stop(state, now, stopping.KILL_AFTER_READY)

    def _stop_everything(self, fact: StopEverything, now: float) -> list[Action]:
        """End all modules. In a full restart those that somebody waits for stay wanted."""
        board = self._board
        is_restart = fact.is_restart and (board.ending is None or board.ending.is_restart)
        actions: list[Action] = []
        for state in board.states.values():
            if not is_restart:
                actions += settle(state, "stopping")
            state.wanted = state.wanted and state.op is not None
            if state.phase in (Phase.WAITING, Phase.BACKING_OFF):
                state.move(Phase.STOPPED)
            state.deadline = None if state.phase is Phase.FAILED else state.deadline
        if board.ending is not None:
            board.ending.is_restart = is_restart
        else:
            stray = tuple(name for name in board.states if not any(name in x for x in fact.layers))
            layers = [layer for layer in (stray, *fact.layers) if layer]
            deadline = now + fact.budget
            board.ending = stopping.Ending(
                reason=fact.reason, deadline=deadline, layers=layers, is_restart=is_restart
            )
            actions += self._next_layer(now)
        return actions

    def _go_on_ending(self, now: float) -> list[Action]:
        """When the present layer is gone, the next one goes; after the last, everything is."""
        ending = self._board.ending
        if ending is None or not ending.current:
            return []
        living = set(self._board.living())
        return [] if living.intersection(ending.current) else self._next_layer(now)

    def _next_layer(self, now: float) -> list[Action]:
        board, ending = self._board, self._board.ending
        assert ending is not None
        stop = ending.next_layer(board.living(), now)
        if stop is None:
            return [EverythingStopped(survivors=tuple(ending.survivors))]
        actions: list[Action] = []
        for name in ending.current:
            state = board.states[name]
            own = Stop(reason=stop.reason, timeout=stop.timeout, after=stop.after, bound=stop.bound)
            if state.phase in (Phase.STARTING, Phase.RUNNING):
                actions += stopping.begin_stop(state, own, now)
            else:
                actions += stopping.tighten(state, own, now)
        return actions

    def _skip_waiting(self) -> list[Action]:
        actions: list[Action] = []
        for state in self._board.states.values():
            if state.phase in LIVE and state.phase is not Phase.SWEEPING:
                if state.stop is None and self._board.ending is not None:
                    state.stop = Stop(
                        reason=self._board.ending.reason, timeout=0.0, after=After.STOP
                    )
                actions += stopping.sweep(state)
        return actions

    def _start_over(self) -> list[Action]:
        board = self._board
        board.ending = None
        board.doors_open = board.gave_up = False
        for state in board.states.values():
            state.history.clear()
            state.completed = False
            if state.phase is Phase.FAILED and not state.life.survivors:
                state.move(Phase.STOPPED)
                state.problem = None
        return []

    def _pass_time(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for state in list(self._board.states.values()):
            if state.deadline is None or state.deadline > now:
                continue
            match state.phase:
                case Phase.STARTING:
                    actions += outcomes.launch_timed_out(state, now)
                case Phase.BACKING_OFF | Phase.FAILED:
                    state.move(Phase.WAITING)
                case _:
                    actions += stopping.pass_deadline(state, now)
        return actions + self._board.start_those_who_may(now)


def _state_changed(state: ModuleState, before: Plan) -> list[Action]:
    plan = state.plan
    fields = {"old": before.config_state.value, "new": plan.config_state.value}
    told = {"module_id": plan.name, "life": state.life.number, **fields}
    return [
        Record(event="state_changed", module=plan.name, fields=fields),
        Publish(subject="module.state_changed", data=told),
    ]


def _is_stale(board: Board, fact: Fact) -> bool:
    """Whether a fact is about a module that is not known, or about an earlier life of one."""
    name = getattr(fact, "module", None)
    if name is None:
        return False
    state = board.states.get(name)
    if state is None:
        return True
    life = getattr(fact, "life", None)
    return life is not None and life != state.life.number
