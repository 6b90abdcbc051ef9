"""The supervisor: facts about modules in, actions out, time passed in.

It knows nothing of processes, sockets or files. `reception.py` takes what people and programs ask
for, `scanning.py` what is written, `outcomes.py` says what becomes of a life, `stopping.py` how one is
ended, `full_stop.py` how all are, `rollout.py` how one follows another, `board.py` who may start; this
file hands each fact to the one that decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from kite.launcher.core import following, outcomes, stopping
from kite.launcher.core.actions import Action
from kite.launcher.core.board import Board
from kite.launcher.core.explanation import Explanation, explain
from kite.launcher.core.facts import (
    BackboneLost,
    BackboneRestored,
    BecameReady,
    BecameUnhealthy,
    ConnectionsChanged,
    DoorsOpened,
    Exited,
    Fact,
    HealthChanged,
    LifeFact,
    OutgrewMemory,
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
from kite.launcher.core.full_stop import FullStop
from kite.launcher.core.lifecycle import ModuleState, Phase
from kite.launcher.core.plan import Condition
from kite.launcher.core.reception import Reception
from kite.launcher.core.rollout import Rollouts
from kite.launcher.core.roster import Roster
from kite.launcher.core.scanning import Scanning
from kite.launcher.core.tally import Tally
from kite.launcher.core.wellbeing import LATE


class Supervisor:
    """Decides for all modules but the core ones.

    Args:
        concurrency: how many modules may be between process and ready at once.
        max_failed: how many enabled modules may have failed before the system gives up; 0: never.
        chance: gives numbers from 0 up to 1 that spread restarts.
    """

    def __init__(self, *, concurrency: int, max_failed: int, chance: Callable[[], float]) -> None:
        self._board = Board(concurrency=concurrency, max_failed=max_failed, chance=chance)
        self._rollouts = Rollouts(self._board)
        self._tally = Tally()
        self._reception = Reception(self._board, self._rollouts, self._tally)
        self._scanning = Scanning(self._board, self._reception)
        self._full_stop = FullStop(self._board, self._rollouts)

    @property
    def states(self) -> dict[str, ModuleState]:
        """The modules by name, of several replicas the first; for reading only."""
        return self._board.states

    @property
    def roster(self) -> Roster:
        """All places of all modules; for reading only."""
        return self._board.roster

    def face(self, name: str) -> ModuleState | None:
        """Of a module's replicas the one that is furthest; None: there is no such module."""
        return self._board.roster.face(name) if name in self._board.states else None

    def is_rolling(self, name: str) -> bool:
        """Whether a rolling restart of the module is under way."""
        return self._rollouts.covers(name)

    def waiting_for(self, name: str) -> list[str]:
        """What a waiting module waits for, by name."""
        state = self._board.roster.face(name)
        return self._board.unmet(state) if state.phase is Phase.WAITING else []

    def waiting_on(self, name: str) -> list[tuple[str, Condition]]:
        """As `waiting_for`, with how far each has to be."""
        missing = set(self.waiting_for(name))
        conditions = self._board.roster.face(name).plan.dependencies
        return [(other, condition) for other, condition in conditions if other in missing]

    def explain(self, name: str, now: float) -> Explanation:
        """Why a module is in the state it is in."""
        return explain(self._board, self._board.roster.face(name), now)

    def explain_places(self, name: str, now: float) -> list[Explanation]:
        """The same of each of its places, in the order of `roster.places`."""
        return [explain(self._board, place, now) for place in self._board.roster.places(name)]

    def next_deadline(self) -> float | None:
        """The instant at which `TimePassed` is due."""
        deadlines = [s.deadline for s in self._board.roster.everyone() if s.deadline is not None]
        return min(deadlines, default=None)

    def handle(self, fact: Fact, now: float) -> list[Action]:
        """Take a fact and say what is to be done. Facts of an earlier life change nothing."""
        actions = self._decide(fact, now)
        actions += self._follow(now)
        actions += self._rollouts.advance(now)
        actions += self._full_stop.go_on(now)
        actions += self._board.refuse_those_who_wait_in_vain()
        actions += self._board.give_up_for_the_essential()
        self._board.note_states(now)
        return self._tally.sift(actions)

    def _follow(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for name in following.due(self._board):
            fact = RestartRequested(module=name, reason=following.REASON, revive=False)
            actions += self._reception.restart(fact, now)
        return actions

    def _decide(self, fact: Fact, now: float) -> list[Action]:  # noqa: C901, PLR0911, PLR0912 - a table
        board = self._board
        match fact:
            case Scanned():
                return self._scanning.take(fact, now)
            case DoorsOpened():
                board.doors_open = board.backbone_up = True
                return board.start_those_who_may(now)
            case BackboneLost():
                board.freeze_launch_clocks(now)
                return []
            case BackboneRestored():
                board.thaw_launch_clocks(now)
                return board.start_those_who_may(now)
            case StopEverything():
                return self._full_stop.begin(fact, now)
            case WaitingSkipped():
                return self._full_stop.skip_waiting()
            case StartedOver():
                return self._full_stop.start_over()
            case TimePassed():
                return self._pass_time(now, is_late=fact.late > LATE)
            case _ if fact.module not in board.states:
                return []
            case StartRequested():
                return self._reception.start(fact, now)
            case StopRequested():
                return self._reception.stop(fact, now)
            case RestartRequested():
                return self._reception.restart(fact, now)
            case RunDue():
                return self._reception.run_due(fact, now)
            case RunPlanned():
                for place in board.roster.places(fact.module):
                    place.next_run = fact.at
                return []
            case TokenRefused():
                return outcomes.token_refused(board, fact)
            case _:
                state = board.roster.find(fact.module, fact.life)
                return [] if state is None else self._of_life(state, fact, now)

    def _of_life(  # noqa: PLR0911 - a table
        self, state: ModuleState, fact: LifeFact, now: float
    ) -> list[Action]:
        """A fact about a process that there is, or has been the last in its place."""
        board = self._board
        match fact:
            case Spawned():
                return outcomes.spawned(board, state, fact, now)
            case SpawnFailed():
                return outcomes.spawn_failed(state, fact)
            case BecameReady():
                return outcomes.ready(board, state, now)
            case ConnectionsChanged():
                state.life.connections = fact.connections
                return []
            case ShutdownAcked():
                return stopping.acknowledge(state, fact.estimated_cleanup, now)
            case ShutdownReady():
                return _cleaned(state, now)
            case Exited():
                return outcomes.exited(board, state, fact, now)
            case TreeGone():
                gone = outcomes.tree_gone(board, state, fact, now)
                gone += self._reception.make_up(fact.module, now)
                board.roster.forget(fact.module)
                return gone + board.start_those_who_may(now) if state.is_leaving else gone
            case BecameUnhealthy():
                return outcomes.unhealthy(state, fact, now)
            case HealthChanged():
                return outcomes.health_changed(state, fact, now)
            case OutgrewMemory():
                return outcomes.outgrew_memory(state, fact, now)
            case _:
                assert_never(fact)

    def _pass_time(self, now: float, *, is_late: bool) -> list[Action]:
        actions: list[Action] = []
        for state in list(self._board.roster.everyone()):
            if state.deadline is None or state.deadline > now:
                continue
            if is_late and stopping.begin_afresh(state, now):
                continue
            match state.phase:
                case Phase.STARTING:
                    actions += outcomes.launch_timed_out(state, now)
                case Phase.BACKING_OFF | Phase.FAILED:
                    state.move(Phase.WAITING)
                case _:
                    actions += stopping.pass_deadline(state, now)
        return actions + self._board.start_those_who_may(now)


def _cleaned(state: ModuleState, now: float) -> list[Action]:
    if state.phase not in (Phase.ASKED, Phase.CLEANING):
        return []
    return stopping.signal_stop(state, now, stopping.KILL_AFTER_READY)
