"""How one module is ended: asked, waited for, signalled, killed; and who goes after whom.

asked ── ack ──▶ cleaning ── ready ──▶ ending (SIGKILL 1 s later)
  │                 └── late ────────▶ ending (SIGKILL 3 s later)
  └── no ack in 3 s ─────────────────▶ ending (SIGKILL 5 s later)
no Hub connection ───────────────────▶ ending (SIGKILL `timeout` later)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kite.launcher.core.actions import Action, AskToStop, EndTree, Publish, Record, SignalStop
from kite.launcher.core.lifecycle import After, ModuleState, Phase, Stop

ACK_WITHIN = 3.0
LEAST_CLEANUP = 0.5
"""Seconds a module has to say that it is ready, however little it has asked for."""
KILL_AFTER_READY = 1.0
KILL_AFTER_LATE = 3.0
KILL_WITHOUT_ACK = 5.0
CHILDREN_GRACE = 1.0
"""Seconds that the children of a leader which has gone by itself may take to follow it."""


def begin_stop(state: ModuleState, stop: Stop, now: float) -> list[Action]:
    """Begin to end a starting or running module."""
    state.stop = stop
    name, life = state.plan.name, state.life.number
    told = {**state.which, "reason": stop.reason}
    actions: list[Action] = [
        Record(event="stopping", module=name, fields=told),
        Publish(subject="module.stopping", data={"module_id": name, **told}),
    ]
    if state.life.connections <= 0:
        return [*actions, *signal_stop(state, now, stop.timeout)]
    wait = ACK_WITHIN if stop.bound is None else min(ACK_WITHIN, stop.timeout / 3)
    state.move(Phase.ASKED, deadline=now + wait)
    return [*actions, AskToStop(module=name, life=life, reason=stop.reason, timeout=stop.timeout)]


def acknowledge(state: ModuleState, estimated_cleanup: float, now: float) -> list[Action]:
    """The module has said how long it needs; its timeout bounds that."""
    stop = state.stop
    if state.phase is not Phase.ASKED or stop is None:
        return []
    deadline = now + min(max(LEAST_CLEANUP, estimated_cleanup), stop.timeout)
    if stop.bound is not None:
        # The signal has to come early enough for the kill at the end of the layer's share.
        deadline = min(deadline, stop.bound - min(KILL_AFTER_LATE, stop.timeout / 3))
    state.move(Phase.CLEANING, deadline=deadline)
    return []


def signal_stop(state: ModuleState, now: float, kill_after: float) -> list[Action]:
    """Close standard input and send the stop signal; SIGKILL follows after `kill_after` seconds."""
    deadline = now + kill_after
    if state.stop is not None and state.stop.bound is not None:
        deadline = min(deadline, state.stop.bound)
    state.move(Phase.ENDING, deadline=deadline)
    return [SignalStop(module=state.plan.name, life=state.life.number)]


def sweep(state: ModuleState, *, grace: float = 0.0) -> list[Action]:
    """End whatever is left of the tree."""
    state.move(Phase.SWEEPING)
    return [EndTree(module=state.plan.name, life=state.life.number, grace=grace)]


def dismiss(state: ModuleState, reason: str, now: float) -> list[Action]:
    """A place is needed no more: whatever it does, it ends, and nobody waits for that."""
    stop = Stop(reason=reason, timeout=state.in_force.stop_timeout, after=After.STOP)
    match state.phase:
        case Phase.STARTING | Phase.RUNNING:
            return begin_stop(state, stop, now)
        case Phase.WAITING | Phase.BACKING_OFF | Phase.FAILED:
            state.move(Phase.STOPPED)
        case Phase.STOPPED:
            pass
        case _ if state.stop is None:  # it is being swept after a crash
            state.stop = stop
        case _:
            state.stop.after = After.STOP
    return []


def pass_deadline(state: ModuleState, now: float) -> list[Action]:
    """The phase of a module that is being ended took too long."""
    match state.phase:
        case Phase.ASKED:
            return signal_stop(state, now, KILL_WITHOUT_ACK)
        case Phase.CLEANING:
            return signal_stop(state, now, KILL_AFTER_LATE)
        case Phase.ENDING:
            return sweep(state)
        case _:
            return []


def begin_afresh(state: ModuleState, now: float) -> bool:
    """The Launcher could not run when a deadline came, and so, maybe, could nobody: the module has
    its time again. False where it has none to have, or a full stop bounds it."""
    match state.phase:
        case Phase.STARTING if (timeout := state.in_force.launch_timeout) is not None:
            state.deadline = now + timeout
        case Phase.ASKED | Phase.CLEANING | Phase.ENDING if (
            state.stop is not None and state.stop.bound is None
        ):
            state.deadline = now + KILL_AFTER_READY
        case _:
            return False
    return True


def tighten(state: ModuleState, stop: Stop, now: float) -> list[Action]:
    """A module that is already being ended falls under a full stop: never later than its bound."""
    if state.stop is None:
        state.stop = stop
        return []
    state.stop.after = After.STOP
    state.stop.bound = stop.bound
    if stop.bound is None or state.phase is Phase.SWEEPING:
        return []
    if state.phase is Phase.ENDING:
        state.deadline = min(state.deadline or stop.bound, stop.bound)
        return []
    state.stop.timeout = min(state.stop.timeout, stop.timeout)
    latest = stop.bound - min(KILL_AFTER_LATE, stop.timeout / 3)
    state.deadline = max(now, min(state.deadline or latest, latest))
    return []


@dataclass(slots=True, kw_only=True)
class Ending:
    """A full stop under way: layers that are still to go, one after the other.

    Args:
        deadline: the instant at which the last layer must be gone.
        is_restart: everything comes back, and whoever waits for a module is answered by its next
            life.
    """

    reason: str
    deadline: float
    layers: list[tuple[str, ...]]
    current: tuple[str, ...] = ()
    survivors: list[int] = field(default_factory=list)
    is_restart: bool = False

    def next_layer(self, living: Sequence[str], now: float) -> Stop | None:
        """Take the next layer with living modules; None when there is none left.

        The share of a layer is the time left divided by the layers left.
        """
        alive = set(living)
        self.layers = [
            kept for layer in self.layers if (kept := tuple(n for n in layer if n in alive))
        ]
        if not self.layers:
            self.current = ()
            return None
        share = max(0.0, self.deadline - now) / len(self.layers)
        self.current = self.layers.pop(0)
        return Stop(reason=self.reason, timeout=share, after=After.STOP, bound=now + share)
