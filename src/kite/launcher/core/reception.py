"""Where requests about a module arrive: may it be done, which places are meant, who is answered.

`requests.py` says what each place then does.
"""

from __future__ import annotations

from kite.launcher.core import following, requests, stopping
from kite.launcher.core.actions import Action
from kite.launcher.core.board import Board, settle
from kite.launcher.core.facts import RestartRequested, RunDue, StartRequested, StopRequested
from kite.launcher.core.lifecycle import ModuleState, Phase
from kite.launcher.core.plan import ConfigState
from kite.launcher.core.rollout import Rollouts
from kite.launcher.core.tally import Tally


class Reception:
    """Takes requests for all places of a module."""

    def __init__(self, board: Board, rollouts: Rollouts, tally: Tally) -> None:
        self._board = board
        self._rollouts = rollouts
        self._tally = tally

    def start(self, fact: StartRequested, now: float) -> list[Action]:
        """Start a module by name, with what it depends on."""
        board = self._board
        if (refusal := requests.refuse_start(board, fact.module)) is not None:
            return requests.refused(fact, refusal)
        actions = self._rollouts.cancel(fact.module, now) + self.fit(fact.module, now)
        places = board.roster.staying(fact.module)
        self._tally.expect(fact.op, len(places))
        for place in places:
            actions += requests.start(place, fact.op)
        for needed in board.requirements(fact.module):
            needed.history.clear()
        board.want(board.states[fact.module], revive=True)
        return actions + board.start_those_who_may(now)

    def stop(self, fact: StopRequested, now: float) -> list[Action]:
        """Stop a module by name. Its dependents run on."""
        roster = self._board.roster
        actions = self._rollouts.cancel(fact.module, now)
        places = roster.staying(fact.module)
        self._tally.expect(fact.op, len(places))
        for place in places:
            actions += requests.stop(place, fact, now)
        roster.forget(fact.module)
        return actions

    def restart(self, fact: RestartRequested, now: float) -> list[Action]:
        """Restart a module by name; one that is not there is started, unless a request stopped it."""
        if fact.life is not None:
            return self._restart_one(fact, now)
        board, name = self._board, fact.module
        face = board.roster.face(name)
        is_stopped = face.phase is Phase.STOPPED or face.is_stopping_for_good
        is_disabled = face.plan.config_state is ConfigState.DISABLED
        if is_stopped and not fact.revive and not is_disabled:
            return requests.refused(fact, ("stopped", {}))
        if is_stopped or face.phase not in (Phase.STARTING, Phase.RUNNING):
            actions = self.start(StartRequested(module=name, op=fact.op), now)
            if fact.dependents and board.roster.face(name).comes_back:
                following.outdate_dependents(board, name)
            return actions
        if (refusal := requests.refuse_restart(board, name)) is not None:
            return requests.refused(fact, refusal)
        if fact.dependents:
            following.outdate_dependents(board, name)
        actions = self._rollouts.cancel(name, now) + self.fit(name, now)
        places = board.roster.staying(name)
        rolls = fact.is_rolling and face.phase is Phase.RUNNING
        renewed = [place for place in places if place.phase is Phase.RUNNING] if rolls else []
        others = [place for place in places if place not in renewed]
        self._tally.expect(fact.op, len(others) + rolls)
        for place in others:
            actions += requests.restart(place, fact, now)
        for place in renewed:
            actions += requests.give_way(place)
        if rolls:
            actions += self._rollouts.begin(name, renewed, reason=fact.reason, op=fact.op)
        return actions + board.start_those_who_may(now)

    def _restart_one(self, fact: RestartRequested, now: float) -> list[Action]:
        """Restart one life; the other replicas run on, and there are as many as before."""
        board, name = self._board, fact.module
        if not _is_there(board.roster.find(name, fact.life)):
            return requests.refused(fact, ("life_gone", {"life": fact.life}))
        if (refusal := requests.refuse_restart(board, name)) is not None:
            return requests.refused(fact, refusal)
        actions = self._rollouts.cancel(name, now)
        place = board.roster.find(name, fact.life)
        if place is None or not _is_there(place):  # it was on trial, and went with the rest of that
            return actions + requests.refused(fact, ("life_gone", {"life": fact.life}))
        if not (fact.is_rolling and place.phase is Phase.RUNNING):
            return actions + requests.restart(place, fact, now)
        actions += requests.give_way(place)
        return actions + self._rollouts.begin(name, [place], reason=fact.reason, op=fact.op)

    def fit(self, name: str, now: float) -> list[Action]:
        """Make as many places as the plan says, and end what is too many."""
        actions: list[Action] = []
        for surplus in self._board.roster.fit(name):
            actions += settle(surplus, "superseded")
            actions += stopping.dismiss(surplus, "removed", now)
        self._board.roster.forget(name)
        return actions

    def make_up(self, name: str, now: float) -> list[Action]:
        """The run that came due meanwhile, when the last one is over."""
        state = self._board.states.get(name)
        if state is None or not (state.owes_run and state.completed):
            return []
        return self.run_due(RunDue(module=name), now)

    def run_due(self, fact: RunDue, now: float) -> list[Action]:
        """One more run, which forgets no failure: only a request does."""
        places = self._board.roster.staying(fact.module)
        is_idle = all(place.awaits_schedule and place.desired.running for place in places)
        if not is_idle or self._board.ending is not None:
            places[0].owes_run = places[0].plan.makes_up and places[0].desired.running
            return []
        for place in places:
            place.completed = place.owes_run = False
        self._board.want(places[0])
        return self._board.start_those_who_may(now)


def _is_there(place: ModuleState | None) -> bool:
    """Whether it has a process that nobody is ending yet."""
    is_here = place is not None and place.phase in (Phase.STARTING, Phase.RUNNING)
    return is_here and place is not None and not place.is_leaving
