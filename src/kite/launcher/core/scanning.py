"""What a look into the folders changes: modules that came, went, or say something else now."""

from __future__ import annotations

from kite.launcher.core import requests
from kite.launcher.core.actions import Action, KeepDesired, Publish, Record
from kite.launcher.core.board import Board, fail_as_written, settle
from kite.launcher.core.facts import Scanned, StopRequested
from kite.launcher.core.lifecycle import LIVE, ModuleState, Phase
from kite.launcher.core.plan import ConfigState, Plan, settle_desired
from kite.launcher.core.reception import Reception


class Scanning:
    """Takes scans over."""

    def __init__(self, board: Board, reception: Reception) -> None:
        self._board = board
        self._reception = reception

    def take(self, fact: Scanned, now: float) -> list[Action]:
        """The folders were read: take over what is different."""
        board = self._board
        actions: list[Action] = []
        found = {plan.name for plan in fact.plans}
        for plan in fact.plans:
            actions += self._take_plan(plan, now, start=fact.start)
        for name in [name for name in board.states if name not in found]:
            for place in board.roster.places(name):
                place.removed = True
            if not board.roster.face(name).is_stopping_for_good:
                actions += self._reception.stop(
                    StopRequested(module=name, reason="removed", by_request=False), now
                )
            elif board.ending is not None and board.ending.is_restart:
                actions += self._dismiss_who_waits(name)
            board.roster.forget(name)
        # Start order is the order of the plans, which the shell sorts by dependency.
        order = [*(plan.name for plan in fact.plans), *board.states]
        board.roster.first = {name: board.states[name] for name in order}
        for state in list(board.roster.everyone()):
            if not fact.start or not state.wanted or board.ending is not None:
                continue
            if state.phase in (Phase.STOPPED, Phase.FAILED) and not state.failed_by_crash:
                board.want(state)
            elif state.is_stopping_for_good:  # it was disabled or gone for a moment
                actions += requests.start_again(state)
        return actions + board.start_those_who_may(now)

    def _dismiss_who_waits(self, name: str) -> list[Action]:
        """It was to come back after the full restart, and will not: nobody would answer."""
        actions: list[Action] = []
        for place in self._board.roster.places(name):
            if place.wanted:
                place.wanted = False
                actions += settle(place, "superseded")
        return actions

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
        before = state.plan
        for place in board.roster.places(name):
            place.plan, place.desired, place.removed = plan, desired, False
        places = board.roster.places(name)
        if not any(place.phase in LIVE for place in places):  # a change of replicas may apply now
            actions += self._reception.fit(name, now)
        if desired != plan.desired and plan.is_readable:
            actions.append(KeepDesired(module=name, desired=desired))
        if before.config_state is not plan.config_state and (is_known or plan.desired):
            actions += _state_changed(board.roster.face(name), before)
        places = board.roster.staying(name)
        is_awaited = any(place.op is not None for place in places)  # since before a full restart
        is_off = all(place.phase is Phase.STOPPED for place in places) and not is_awaited
        if plan.config_state is ConfigState.DISABLED and not is_off:
            if board.roster.face(name).is_stopping_for_good:
                return actions
            request = StopRequested(module=name, reason="disabled", by_request=False)
            return actions + self._reception.stop(request, now)
        runs = desired.running and plan.is_readable and not plan.is_scheduled
        for place in places:
            actions += self._take_problem(place)
            if start and runs and board.ending is None:
                place.wanted = True
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


def _state_changed(state: ModuleState, before: Plan) -> list[Action]:
    plan = state.plan
    fields = {"old": before.config_state.value, "new": plan.config_state.value}
    told = {"module_id": plan.name, **state.which, **fields}
    return [
        Record(event="state_changed", module=plan.name, fields=fields),
        Publish(subject="module.state_changed", data=told),
    ]
