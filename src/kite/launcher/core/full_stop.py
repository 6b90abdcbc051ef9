"""The end of all modules, layer by layer: for good, or because everything starts over."""

from __future__ import annotations

from kite.launcher.core import stopping
from kite.launcher.core.actions import Action, EverythingStopped
from kite.launcher.core.board import Board, settle
from kite.launcher.core.facts import StopEverything
from kite.launcher.core.lifecycle import LIVE, After, Phase, Stop
from kite.launcher.core.rollout import Rollouts


class FullStop:
    """Ends everything that a board knows."""

    def __init__(self, board: Board, rollouts: Rollouts) -> None:
        self._board = board
        self._rollouts = rollouts

    def begin(self, fact: StopEverything, now: float) -> list[Action]:
        """End all modules. In a full restart those that somebody waits for stay wanted."""
        board = self._board
        is_restart = fact.is_restart and (board.ending is None or board.ending.is_restart)
        actions: list[Action] = []
        if is_restart:
            self._rollouts.hand_over()
        for name in list(board.states):
            actions += self._rollouts.cancel(name, now, "stopping")
        for state in board.roster.everyone():
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

    def go_on(self, now: float) -> list[Action]:
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
        for state in [s for name in ending.current for s in board.roster.places(name)]:
            own = Stop(reason=stop.reason, timeout=stop.timeout, after=stop.after, bound=stop.bound)
            if state.phase in (Phase.STARTING, Phase.RUNNING):
                actions += stopping.begin_stop(state, own, now)
            elif state.phase in LIVE:
                actions += stopping.tighten(state, own, now)
        return actions

    def skip_waiting(self) -> list[Action]:
        """Kill what still runs."""
        actions: list[Action] = []
        for state in self._board.roster.everyone():
            if state.phase in LIVE and state.phase is not Phase.SWEEPING:
                if state.stop is None and self._board.ending is not None:
                    state.stop = Stop(
                        reason=self._board.ending.reason, timeout=0.0, after=After.STOP
                    )
                actions += stopping.sweep(state)
        return actions

    def start_over(self) -> list[Action]:
        """Everything has stopped and begins again: what went wrong is forgotten."""
        board = self._board
        board.ending = None
        board.doors_open = board.gave_up = False
        for state in board.roster.everyone():
            state.history.clear()
            state.completed = False
            if state.phase is Phase.FAILED and not state.life.survivors:
                state.move(Phase.STOPPED)
                state.problem = None
        return []
