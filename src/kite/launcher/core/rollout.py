"""Rolling restarts: the new life of a replica is ready before the old one goes, one after the other.

ask ──▶ a place beside, on trial ──ready──▶ it takes the old one's place, which is ended ──▶ next
                 └─ ends, or misses its launch timeout ──▶ it goes, the old one stays: failed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kite.launcher.core.actions import Action, Record, Settle
from kite.launcher.core.board import Board, Refusal
from kite.launcher.core.lifecycle import LIVE, ModuleState, Phase
from kite.launcher.core.stopping import dismiss


@dataclass(slots=True, kw_only=True)
class Rollout:
    """One module's rolling restart under way.

    Args:
        op: who waits for it.
        left: the places that are still to be renewed.
        outgoing, incoming: the old one and the new one of now.
    """

    reason: str
    op: int | None
    left: list[ModuleState]
    outgoing: ModuleState | None = None
    incoming: ModuleState | None = None


class Rollouts:
    """All that are under way, by module."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._open: dict[str, Rollout] = {}

    def begin(
        self, name: str, places: Sequence[ModuleState], *, reason: str, op: int | None
    ) -> list[Action]:
        """Renew these places of a module, which are ready now; `advance` does it."""
        self._open[name] = Rollout(reason=reason, op=op, left=list(places))
        return [Record(event="rolling", module=name, fields={"reason": reason})]

    def covers(self, name: str) -> bool:
        """Whether one is under way."""
        return name in self._open

    def cancel(self, name: str, now: float, code: str = "superseded") -> list[Action]:
        """Something else is wanted of the module: what is on trial goes, whatever else stays."""
        rollout = self._open.pop(name, None)
        if rollout is None:
            return []
        actions: list[Action] = []
        incoming = rollout.incoming
        if incoming is not None and incoming.on_trial:
            incoming.is_leaving, incoming.wanted = True, False
            actions += dismiss(incoming, rollout.reason, now)
        self._board.roster.forget(name)
        return [*actions, *_settle(name, rollout, code)]

    def hand_over(self) -> None:
        """Everything starts over, and with it every life: whoever waits is answered by the next."""
        for name, rollout in self._open.items():
            self._board.states[name].op = rollout.op
            if rollout.incoming is not None and rollout.incoming.on_trial:
                rollout.incoming.is_leaving, rollout.incoming.wanted = True, False
        self._open.clear()

    def advance(self, now: float) -> list[Action]:
        """Take the next step of each, where there is one."""
        return [action for name in list(self._open) for action in self._advance(name, now)]

    def _advance(self, name: str, now: float) -> list[Action]:
        rollout, roster = self._open[name], self._board.roster
        incoming, outgoing = rollout.incoming, rollout.outgoing
        actions: list[Action] = []
        if incoming is not None and incoming.on_trial:
            if incoming.phase is not Phase.RUNNING:
                why = self._why_hopeless(incoming)
                return self._abandon(name, rollout, incoming, why) if why else []
            assert outgoing is not None
            incoming.on_trial = False
            roster.succeed(incoming, outgoing)
            actions += dismiss(outgoing, rollout.reason, now)
            roster.forget(name)
        if outgoing is not None and outgoing.phase in LIVE:
            return actions
        if outgoing is not None and outgoing.life.survivors:
            del self._open[name]
            pids = list(outgoing.life.survivors)
            told = {"pids": pids, "pid_list": ", ".join(map(str, pids))}
            return [*actions, *_settle(name, rollout, "survivors", **told)]
        return actions + self._next(name, rollout, now)

    def _next(self, name: str, rollout: Rollout, now: float) -> list[Action]:
        board = self._board
        staying = board.roster.staying(name)
        rollout.left = [s for s in rollout.left if s in staying and s.phase is Phase.RUNNING]
        if not rollout.left:
            del self._open[name]
            return _settle(name, rollout, None)
        outgoing = rollout.left.pop(0)
        incoming = board.roster.open_beside(outgoing.plan, outgoing.replica)
        incoming.on_trial = True
        incoming.move(Phase.WAITING)
        rollout.outgoing, rollout.incoming = outgoing, incoming
        if why := self._why_hopeless(incoming):
            return self._abandon(name, rollout, incoming, why)
        return board.start_those_who_may(now)

    def _why_hopeless(self, incoming: ModuleState) -> Refusal | None:
        if incoming.phase is Phase.FAILED:
            error = incoming.error
            detail = f"the new process did not become ready: {error.message if error else ''}"
            return "failed", {"detail": detail}
        return self._board.why_in_vain(incoming) if incoming.phase is Phase.WAITING else None

    def _abandon(
        self, name: str, rollout: Rollout, incoming: ModuleState, why: Refusal
    ) -> list[Action]:
        """The new one will not come; the old ones stay as they are."""
        del self._open[name]
        incoming.is_leaving, incoming.wanted = True, False
        if incoming.phase is Phase.WAITING:
            incoming.move(Phase.STOPPED)
        self._board.roster.forget(name)
        return _settle(name, rollout, why[0], **why[1])


def _settle(name: str, rollout: Rollout, code: str | None, **params: object) -> list[Action]:
    if rollout.op is None:
        return []
    return [Settle(op=rollout.op, code=code, params={"module": name, **params})]
