"""All modules side by side: who waits for whom, and who may start now. `roster.py` says which there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kite.launcher.core.actions import Action, GiveUpForOne, Publish, Record, Settle, Spawn
from kite.launcher.core.lifecycle import LIVE, Life, ModuleState, Phase
from kite.launcher.core.plan import Condition, ConfigState
from kite.launcher.core.roster import Roster
from kite.launcher.core.stopping import Ending

CORE_NAMES = ("launcher", "registry", "event_hub")

Refusal = tuple[str, dict[str, object]]
"""A code and what fills its sentence."""

NOTICED_WITHIN = 0.25
"""Seconds: a module may notice that Registry or Hub is gone, and leave, before the Launcher does; and
the Launcher may notice that it left when both are there again."""


@dataclass(slots=True, kw_only=True)
class Board:
    """What the supervisor decides upon.

    Args:
        roster: the places of all modules.
        concurrency: how many modules may be between process and ready at once.
        max_failed: how many enabled modules may stand in `failed` by crashes; 0: any number.
        chance: gives numbers from 0 up to 1 that spread restarts.
        doors_open: Registry and Hub have been up, so modules may start.
        backbone_up: both are there now.
        restored_at: when they were there again after an outage, the last time.
    """

    concurrency: int
    max_failed: int
    chance: Callable[[], float]
    roster: Roster = field(default_factory=Roster)
    doors_open: bool = False
    backbone_up: bool = True
    restored_at: float | None = None
    ending: Ending | None = None
    gave_up: bool = False

    @property
    def states(self) -> dict[str, ModuleState]:
        """The first place of each module, by name."""
        return self.roster.first

    def living(self) -> list[str]:
        """Modules of whose trees something may exist."""
        return list(dict.fromkeys(s.plan.name for s in self.roster.everyone() if s.phase in LIVE))

    def requirements(self, name: str) -> Iterator[ModuleState]:
        """The places of the modules that `name` depends on, directly or not, each once."""
        seen = {name}
        todo = [name]
        while todo:
            state = self.states.get(todo.pop())
            for dependency, _ in state.plan.dependencies if state else ():
                if dependency not in seen and dependency in self.states:
                    seen.add(dependency)
                    todo.append(dependency)
                    yield from self.roster.staying(dependency)

    def unmet(self, state: ModuleState) -> list[str]:
        """What the module waits for, in the manifest's order."""
        return [
            dependency
            for dependency, condition in state.plan.dependencies
            if dependency not in CORE_NAMES and not self._met(dependency, condition)
        ]

    def _met(self, dependency: str, condition: Condition) -> bool:
        if dependency not in self.states:
            return False
        is_completed = all(state.completed for state in self.roster.staying(dependency))
        if condition is Condition.COMPLETED or is_completed:
            return is_completed
        phase = self.roster.face(dependency).phase
        if condition is Condition.STARTED:
            return phase in (Phase.STARTING, Phase.RUNNING)
        return phase is Phase.RUNNING

    def refuse_those_who_wait_in_vain(self) -> list[Action]:
        """Tell whoever waits for a start that will not come by itself, or not soon."""
        if self.ending is not None:
            return []  # in a full restart what has failed is tried again
        return [
            action
            for state in self.roster.everyone()
            if state.op is not None and state.phase is Phase.WAITING
            if (why := self.why_in_vain(state)) is not None
            for action in settle(state, why[0], **why[1])
        ]

    def why_in_vain(self, state: ModuleState) -> Refusal | None:
        """Why what a place waits for will not come by itself, or not soon; None: it may."""
        for needed in self._unmet_requirements(state):
            name = needed.plan.name
            if needed.phase is Phase.FAILED:
                why = needed.error.message if needed.error else ""
                detail = f"it waits for '{name}', which has failed: {why}"
                return "failed", {"dependency": name, "detail": detail}
            is_going = needed.phase is Phase.STOPPED or needed.is_stopping_for_good
            if is_going and needed.is_stopped_by_request:
                return "dependency_stopped", {"dependency": name}
        return None

    def _unmet_requirements(self, state: ModuleState) -> Iterator[ModuleState]:
        """What the module waits for, and what those wait for, each once."""
        seen = {state.plan.name}
        todo = [state]
        while todo:
            for name in self.unmet(todo.pop()):
                if name not in seen and name in self.states:
                    seen.add(name)
                    needed = self.roster.face(name)
                    yield needed
                    if needed.phase is Phase.WAITING:
                        todo.append(needed)

    def give_up_for_the_essential(self) -> list[Action]:
        """End everything, once, where a module stands in `failed` without which nothing shall run."""
        if self.ending is not None or self.gave_up:
            return []
        for name, state in self.states.items():
            if not state.is_essential:
                continue
            places = self.roster.staying(name)
            is_wanted = any(place.wanted or place.desired.running for place in places)
            has_failed = bool(places) and all(place.phase is Phase.FAILED for place in places)
            if has_failed and is_wanted:
                self.gave_up = True
                why = state.error.message if state.error else ""
                return [GiveUpForOne(module=name, detail=why)]
        return []

    def want(self, state: ModuleState, *, revive: bool = False) -> None:
        """Let a module run, with all it depends on but what a request stopped.

        Args:
            revive: what it depends on is tried at once, too, where it backs off or has failed.
        """
        for place in self.roster.staying(state.plan.name):
            self._enlist(place)
        for needed in self.requirements(state.plan.name):
            if not needed.is_stopped_by_request and (revive or not needed.wanted):
                self._enlist(needed)

    def _enlist(self, state: ModuleState) -> None:
        if state.removed or state.plan.config_state is ConfigState.DISABLED:
            return
        state.wanted = True
        if state.plan.problem is not None:
            return
        if state.life.survivors:
            return  # no new life while something of the old one lives
        if state.phase in (Phase.STOPPED, Phase.BACKING_OFF, Phase.FAILED) and not state.completed:
            state.move(Phase.WAITING)

    def start_those_who_may(self, now: float) -> list[Action]:
        """Spawn every waiting module whose conditions are met, as far as there are places."""
        if not self.doors_open or self.ending is not None:
            return []
        actions: list[Action] = []
        everyone = list(self.roster.everyone())
        places = self.concurrency - sum(state.phase is Phase.STARTING for state in everyone)
        for state in everyone:
            if state.phase is not Phase.WAITING:
                continue
            if unmet := self.unmet(state):
                actions += _note_what_is_missing(state, unmet)
                continue
            if state.wait.cleared_at is None:
                state.wait.cleared_at = now
            if places > 0 and self.roster.has_room(state):
                actions += self._spawn(state, now)
                places -= 1
        return actions

    def note_states(self, now: float) -> None:
        """Remember since when each module is in the state that people see."""
        for state in self.roster.everyone():
            state.note(now)

    def _spawn(self, state: ModuleState, now: float) -> list[Action]:
        waited = _waited(state, now)
        name, number = state.plan.name, self.roster.new_life(state, now).number
        which = state.which
        state.stop = None
        state.completed = state.outdated = False
        state.problem = None
        timeout = state.plan.launch_timeout
        deadline = None
        if timeout is not None and self.backbone_up:
            deadline = now + timeout
        elif timeout is not None:
            state.life.launch_left = timeout
        state.move(Phase.STARTING, deadline=deadline)
        return [
            Record(event="starting", module=name, fields={**which, **waited}),
            Publish(subject="module.starting", data={"module_id": name, **which}),
            Spawn(module=name, life=number, replica=state.replica),
        ]

    def freeze_launch_clocks(self, now: float) -> None:
        """Registry or Hub is away: launch clocks stand still, and who left for that is forgiven."""
        self.backbone_up = False
        for state in self.roster.everyone():
            history = state.history
            history.failures = [at for at in history.failures if now - at > NOTICED_WITHIN]
            if state.phase is Phase.STARTING and state.deadline is not None:
                state.life.launch_left = max(0.0, state.deadline - now)
                state.deadline = None

    def counts_exit(self, life: Life, now: float) -> bool:
        """Whether the exit of a life may be a failure: it cannot have left for an outage."""
        restored, started = self.restored_at, life.started_at
        if not self.backbone_up or restored is None or started is None or started >= restored:
            return self.backbone_up
        return now - restored > NOTICED_WITHIN

    def thaw_launch_clocks(self, now: float) -> None:
        """Both are back: the launch timeouts run on from where they stood."""
        if not self.backbone_up:
            self.restored_at = now
        self.backbone_up = True
        for state in self.roster.everyone():
            if state.phase is Phase.STARTING and state.life.launch_left is not None:
                state.deadline = now + state.life.launch_left
                state.life.launch_left = None


def _note_what_is_missing(state: ModuleState, unmet: list[str]) -> list[Action]:
    """Said once for each wait; what it waited for last is told when it starts."""
    is_new = not state.wait.names
    state.wait.names = tuple(unmet)
    state.wait.cleared_at = None
    if not is_new:
        return []
    return [Record(event="waiting", module=state.plan.name, fields={"for": unmet})]


def _waited(state: ModuleState, now: float) -> dict[str, object]:
    """For how long it has waited, of that for a place alone, and what was missing last."""
    whole = state.waited(now)
    place = now - state.wait.cleared_at if state.wait.cleared_at is not None else 0.0
    found: dict[str, object] = {"waited": round(whole, 3), "place": round(place, 3)}
    if state.wait.names:
        found["after"] = list(state.wait.names)
    return {key: value for key, value in found.items() if value}


def settle(state: ModuleState, code: str | None = None, **params: object) -> list[Action]:
    """Tell whoever waits for the module's last operation."""
    if state.op is None:
        return []
    op, state.op = state.op, None
    return [Settle(op=op, code=code, params={"module": state.plan.name, **params})]


def fail_as_written(state: ModuleState) -> list[Action]:
    """A module whose plan has a problem cannot run: it is `failed` until a rescan finds it mended."""
    problem = state.plan.problem
    if problem is None:
        return []
    state.problem = problem
    if state.phase is not Phase.FAILED:
        state.move(Phase.FAILED)
    state.deadline = None
    state.given_up = False
    fields = {"reason": problem.code, "error": problem.message}
    told = {"module_id": state.plan.name, **state.which, **fields}
    return [
        Record(event="failed", module=state.plan.name, fields=fields),
        Publish(subject="module.failed", data=told),
        *settle(state, "failed", detail=problem.message),
    ]
