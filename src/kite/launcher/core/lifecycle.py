"""The life of one module as a table: its phases, which may follow which, and what is known of it.

Everything that decides about phases lives in `supervisor.py` and `stopping.py`; they move a module
with `ModuleState.move`, which refuses by name what is not in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kite.errors import InternalError
from kite.launcher.core.facts import Exited
from kite.launcher.core.plan import Desired, Plan, Policy, Problem
from kite.launcher.core.restart import Verdict
from kite.launcher.core.wellbeing import UNKNOWN, Health


class Phase(StrEnum):
    """Where a module stands. Finer than the actual state that people see."""

    STOPPED = "stopped"
    WAITING = "waiting"  # for what it depends on, or for a place among those that start
    STARTING = "starting"  # the process exists and is not ready
    RUNNING = "running"  # ready
    ASKED = "asked"  # module.shutdown was published, no answer yet
    CLEANING = "cleaning"  # it has acknowledged and cleans up
    ENDING = "ending"  # standard input closed, stop signal sent
    SWEEPING = "sweeping"  # the whole tree is being killed, or was left behind by an exit
    BACKING_OFF = "backing_off"  # it crashed and waits for its next try
    FAILED = "failed"  # given up, or cannot run as it is written


MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.STOPPED: frozenset({Phase.WAITING, Phase.FAILED}),
    Phase.WAITING: frozenset({Phase.STARTING, Phase.STOPPED, Phase.FAILED}),
    Phase.STARTING: frozenset(
        {Phase.RUNNING, Phase.ASKED, Phase.ENDING, Phase.SWEEPING, Phase.FAILED}
    ),
    Phase.RUNNING: frozenset({Phase.ASKED, Phase.ENDING, Phase.SWEEPING}),
    Phase.ASKED: frozenset({Phase.CLEANING, Phase.ENDING, Phase.SWEEPING}),
    Phase.CLEANING: frozenset({Phase.ENDING, Phase.SWEEPING}),
    Phase.ENDING: frozenset({Phase.SWEEPING}),
    Phase.SWEEPING: frozenset({Phase.STOPPED, Phase.WAITING, Phase.BACKING_OFF, Phase.FAILED}),
    Phase.BACKING_OFF: frozenset({Phase.WAITING, Phase.STOPPED, Phase.FAILED}),
    Phase.FAILED: frozenset({Phase.WAITING, Phase.STOPPED, Phase.SWEEPING}),
}

LIVE = frozenset(
    {Phase.STARTING, Phase.RUNNING, Phase.ASKED, Phase.CLEANING, Phase.ENDING, Phase.SWEEPING}
)
"""Phases in which something of the module's tree may exist."""

UNDER_WAY = frozenset({Phase.WAITING, Phase.STARTING, Phase.RUNNING})
"""Phases of a module that is there, or is about to be."""

STOPPING = frozenset({Phase.ASKED, Phase.CLEANING, Phase.ENDING, Phase.SWEEPING})


class After(StrEnum):
    """What follows when the tree of a life is gone."""

    STOP = "stop"
    START = "start"
    JUDGE = "judge"  # it was a failure, or may have been: the restart rule decides


class CrashLoop(StrEnum):
    """Where a module that was given up stands; see `restart.py`."""

    OPEN = "open"  # it rests until its next try
    HALF_OPEN = "half_open"  # one life is on trial: a failure gives up again, a window forgives


@dataclass(slots=True, kw_only=True)
class Wait:
    """What a waiting module waited for.

    Args:
        names: what was missing when somebody looked last, and something was.
        cleared_at: since when nothing is missing but a place among those that start.
    """

    names: tuple[str, ...] = ()
    cleared_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Life:
    """The newest process of a module. Instants are monotonic seconds."""

    number: int = 0
    plan: Plan | None = None  # what it was started with: a changed one is for the next
    pid: int | None = None
    connections: int = 0
    started_at: float | None = None
    ready_at: float | None = None
    launch_left: float | None = None  # of the launch timeout, while its clock stands still
    exit_code: int | None = None
    signal: int | None = None
    retired: bool = False  # whether its token is dead
    counted: bool = True  # whether its exit counts as a failure
    survivors: tuple[int, ...] = ()  # pids of its tree that could not be ended
    health: Health = UNKNOWN
    blame: str | None = None  # why it was ended as a failure: launch_timeout, unhealthy …
    evidence: Mapping[str, float] = field(default_factory=dict)  # and what was measured
    last_lines: tuple[str, ...] = ()  # the last that it printed, once it has exited


@dataclass(slots=True, kw_only=True)
class Stop:
    """An asked-for end that is under way."""

    reason: str
    timeout: float
    after: After
    bound: float | None = None  # instant at which the layer's share ends


@dataclass(slots=True, kw_only=True)
class History:
    """What went wrong so far; `verdict` is what followed the last failure that counted."""

    failures: list[float] = field(default_factory=list)
    give_ups: int = 0
    restarts: int = 0
    verdict: Verdict | None = None

    def clear(self) -> None:
        """A start request forgets failures."""
        self.failures.clear()
        self.give_ups = 0
        self.verdict = None


@dataclass(slots=True, kw_only=True)
class ModuleState:
    """Everything the supervisor knows of one module, or of one of its replicas.

    Args:
        wanted: whether it shall run in this run: because it is desired, or because one that is
            depends on it.
        deadline: the instant at which the phase ends by itself.
        completed: a job that ended with exit 0 in this run.
        given_up: it stands in `failed` because it crashed or missed its launch timeout too often.
        removed: its folder is gone; it is forgotten when it has stopped.
        owes_run: a run came due while the last one was not over, and follows it.
        outdated: it runs with an earlier life of what it depends on, and is to be restarted.
        op: who waits for the outcome of the last operation.
        last_exit: how the last process that ended did; a new one does not change it.
        replica: which of the module's places this is, from 0.
        on_trial: its life is to take another's place; if it fails nothing is tried again.
        is_leaving: it is forgotten when its life has ended.
        wait: what it waits for, or waited for last.
        since: the instant at which the actual state became what it is.
    """

    plan: Plan
    desired: Desired
    phase: Phase = Phase.STOPPED
    wanted: bool = False
    life: Life = field(default_factory=Life)
    stop: Stop | None = None
    history: History = field(default_factory=History)
    deadline: float | None = None
    next_run: float | None = None
    completed: bool = False
    given_up: bool = False
    removed: bool = False
    owes_run: bool = False
    outdated: bool = False
    problem: Problem | None = None
    op: int | None = None
    last_exit: Exited | None = None
    replica: int = 0
    on_trial: bool = False
    is_leaving: bool = False
    wait: Wait = field(default_factory=Wait)
    since: float = 0.0
    _noted: tuple[Phase, str] | None = None

    def move(self, phase: Phase, *, deadline: float | None = None) -> None:
        """Go to a phase; `deadline` is when it ends by itself."""
        if phase not in MOVES[self.phase]:
            raise InternalError(
                "internal_error",
                detail=f"module '{self.plan.name}' may not go from {self.phase} to {phase}",
            )
        self.phase = phase
        self.deadline = deadline
        self.given_up = False
        if phase is Phase.WAITING:
            self.wait = Wait()

    def note(self, now: float) -> None:
        """Remember since when its actual state is what it is; said after each fact."""
        before = self._noted
        if before is not None and before[0] is self.phase is not Phase.SWEEPING:
            return
        actual = self.actual_state
        if before is None or before[1] != actual:
            self.since = now
        self._noted = (self.phase, actual)

    def waited(self, now: float) -> float:
        """For how many seconds it has been waiting; 0 for one that only just begins to."""
        was_waiting = self._noted is not None and self._noted[0] is Phase.WAITING
        return now - self.since if was_waiting else 0.0

    def is_stable(self, now: float) -> bool:
        """Whether the newest life has been ready for a whole window, which forgives what was before.

        Asked of a life that is there, or that has just ended.
        """
        ready_at = self.life.ready_at
        return ready_at is not None and now - ready_at >= self.in_force.restart.window

    def crash_loop(self, now: float) -> CrashLoop | None:
        """Whether it was given up and is, or will be, tried again; None: neither."""
        if self.given_up and self.deadline is not None:
            return CrashLoop.OPEN
        is_tried = self.history.give_ups > 0 and self.phase in UNDER_WAY
        is_forgiven = self.phase is Phase.RUNNING and self.is_stable(now)
        return CrashLoop.HALF_OPEN if is_tried and not is_forgiven else None

    @property
    def in_force(self) -> Plan:
        """What the newest life was started with; changes apply at the next start."""
        return self.life.plan or self.plan

    @property
    def which(self) -> dict[str, int]:
        """Which process is meant, in what is told of it: `life`, and of several replicas `replica`."""
        place = {"replica": self.replica} if self.in_force.replicas > 1 else {}
        return {"life": self.life.number, **place}

    @property
    def is_essential(self) -> bool:
        """Whether everything ends when it has failed; a manifest that broke says what it said before."""
        return (self.plan if self.plan.is_readable else self.in_force).is_essential

    @property
    def is_stopped_by_request(self) -> bool:
        """Whether only a start request that names it starts it."""
        return self.desired.by_request and not self.desired.running

    @property
    def error(self) -> Problem | None:
        """What is wrong: what befell it, else what is written, though it runs on until its next start."""
        return self.problem or self.plan.problem

    @property
    def actual_state(self) -> str:
        """One of the seven words of CONTRACT, section 4."""
        match self.phase:
            case Phase.ASKED | Phase.CLEANING | Phase.ENDING:
                return "stopping"
            case Phase.SWEEPING:
                failed = self.stop is None or self.stop.after is After.JUDGE
                return "backing_off" if failed else "stopping"
            case phase:
                return phase.value

    @property
    def reason(self) -> str | None:
        """Why it was stopped, or is being stopped; None while it is there, and where it ended by itself."""
        is_over = self.phase is Phase.STOPPED or self.phase in STOPPING
        asked = self.stop if self.stop is not None and self.stop.after is not After.JUDGE else None
        return asked.reason if is_over and asked is not None else None

    @property
    def comes_back(self) -> bool:
        """Whether it is there to stay, or its next life follows by itself and soon."""
        return self.wanted and self.phase not in (Phase.STOPPED, Phase.FAILED)

    @property
    def is_stopping_for_good(self) -> bool:
        """Whether it is being ended and nothing follows."""
        return self.phase in STOPPING and self.stop is not None and self.stop.after is After.STOP

    @property
    def awaits_schedule(self) -> bool:
        """Whether the clock starts its next run.

        A run that is still tried again (backing off, or given up with a `next_try`) has not ended,
        and what was given up for good waits for a request. `restart: never` gives up single runs.
        """
        if not self.plan.is_scheduled:
            return False
        only_this_run = self.given_up and self.in_force.restart.policy is Policy.NEVER
        return self.phase is Phase.STOPPED or (self.phase is Phase.FAILED and only_this_run)

    @property
    def failed_by_crash(self) -> bool:
        """Whether it counts for `max_failed_modules`."""
        return self.phase is Phase.FAILED and self.given_up
