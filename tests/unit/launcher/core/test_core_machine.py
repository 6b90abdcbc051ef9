"""The supervisor against a world that does anything: whatever happens, the promises hold."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from supervised import plan

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import LIVE, Phase
from kite.launcher.core.plan import (
    Condition,
    ConfigState,
    Desired,
    Plan,
    Policy,
    Problem,
    ReadyBy,
    RestartRule,
)
from kite.launcher.core.supervisor import Supervisor
from kite.launcher.core.wellbeing import Status

NAMES = ("a", "b", "c")
MODULES = st.sampled_from(NAMES)


@dataclass
class Process:
    """One life in the world."""

    life: int
    answered: bool = False  # Spawned was told
    alive: bool = True  # the leader lives
    children: bool = False  # others of its tree do
    told_exit: bool = False
    ending: float | None = None  # instant by which the shell has killed all of it
    survives: bool = False  # something of it could not be killed


@dataclass
class Story:
    """What was written down about one life."""

    records: list[str] = field(default_factory=list)
    retired: int = 0


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, ...]:
    """Modules that depend on earlier ones only; some are missing, some cannot run."""
    found: list[Plan] = []
    for index, name in enumerate(NAMES):
        kind = draw(st.sampled_from(["normal"] * 6 + ["missing", "job", "broken"]))
        if kind == "missing":
            continue
        needs = draw(st.sets(st.sampled_from(NAMES[:index]), max_size=2)) if index else set()
        needs &= {one.name for one in found}
        job = kind == "job"
        found.append(
            Plan(
                name=name,
                config_state=draw(
                    st.sampled_from(
                        [ConfigState.ENABLED] * 4 + [ConfigState.MANUAL, ConfigState.DISABLED]
                    )
                ),
                dependencies=tuple(
                    (need, draw(st.sampled_from(Condition))) for need in sorted(needs)
                ),
                ready_by=ReadyBy.PROCESS if job else ReadyBy.MODULE,
                launch_timeout=None if job else 15.0,
                stop_timeout=draw(st.sampled_from([0.5, 10.0, 30.0])),
                restart=RestartRule(
                    policy=draw(st.sampled_from(Policy)),
                    max=draw(st.integers(1, 3)),
                    retry=draw(st.booleans()),
                ),
                problem=Problem(code="x", text="cannot run") if kind == "broken" else None,
                is_job=job,
                is_scheduled=job and draw(st.booleans()),
            )
        )
    return tuple(found)


class World(RuleBasedStateMachine):
    """Facts in any order that processes, people and time can produce."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.supervisor = Supervisor(concurrency=2, max_failed=2, chance=lambda: 0.5)
        self.processes: dict[str, Process] = {}
        self.last_life: dict[str, int] = {}
        self.story: dict[tuple[str, int], Story] = {}
        self.open_ops: dict[int, str] = {}
        self.settled: set[int] = set()
        self.last_op = 0
        self.kept: dict[str, Desired] = {}
        self.barred: set[str] = set()  # stopped by request; only a request by name lifts that
        self.backbone = True
        self.stop_began: float | None = None
        self.is_restart = False  # what stops comes back by itself
        self.everything_stopped = False

    # -- performing ---------------------------------------------------------------------------

    def tell(self, fact: facts.Fact) -> list[act.Action]:
        known = set(self.supervisor.states)
        actions = self.supervisor.handle(fact, self.now)
        for action in actions:
            self.perform(action)
        for name in known - set(self.supervisor.states):
            left = self.processes.pop(name, None)
            assert left is None or left.survives, f"{name} was forgotten with a process"
            self.story = {key: one for key, one in self.story.items() if key[0] != name}
            self.barred.discard(name)
        return actions

    def perform(self, action: act.Action) -> None:
        match action:
            case act.Spawn(module=name, life=life):
                assert name not in self.processes, (
                    f"{name}: life {life} while an earlier one is there"
                )
                assert life == self.last_life.get(name, 0) + 1
                assert name not in self.barred, f"{name} was stopped by request"
                state = self.supervisor.states[name]
                assert state.plan.problem is None, f"{name} cannot run and is spawned"
                assert not state.removed
                assert state.plan.config_state is not ConfigState.DISABLED
                assert self.stop_began is None, "a spawn in a full stop"
                self.last_life[name] = life
                self.processes[name] = Process(life=life)
            case act.AskToStop(module=name, life=life):
                assert self.processes[name].life == life
                assert action.timeout >= 0
            case act.SignalStop(module=name, life=life):
                assert self.processes[name].life == life
            case act.EndTree(module=name, life=life, grace=grace):
                assert self.processes[name].life == life
                assert self.processes[name].ending is None, "ended twice"
                assert 0 <= grace <= 1
                self.processes[name].ending = self.now + grace
            case act.RetireLife(module=name, life=life):
                self.story_of(name, life).retired += 1
            case act.Record(event=event, module=name, fields=fields):
                if "life" in fields and event != "restarting":
                    self.story_of(name, int(fields["life"])).records.append(event)
            case act.KeepDesired(module=name, desired=desired):
                assert self.supervisor.states[name].desired == desired
                self.kept[name] = desired
                if desired.by_request and not desired.running:
                    self.barred.add(name)
                else:
                    self.barred.discard(name)
            case act.Settle(op=op, code=code):
                assert op not in self.settled, f"op {op} was settled twice"
                self.settled.add(op)
                self.open_ops.pop(op, None)
                assert code != "internal_error"
            case act.EverythingStopped(survivors=survivors):
                assert self.stop_began is not None
                assert not survivors
                assert all(process.survives for process in self.processes.values())
                self.everything_stopped = True
            case act.GiveUpSystem(failed=failed):
                assert len(failed) >= 2
            case act.GiveUpForOne():
                raise AssertionError("no module here is essential")
            case act.Publish() | act.WelcomeLife():
                pass

    def story_of(self, name: str, life: int) -> Story:
        return self.story.setdefault((name, life), Story())

    # -- people -------------------------------------------------------------------------------

    @initialize(found=plans())
    def first_scan(self, found: tuple[Plan, ...]) -> None:
        self.scan(found)

    @rule(found=plans())
    def scan(self, found: tuple[Plan, ...]) -> None:
        self.found = found
        self.tell(facts.Scanned(plans=found))

    @rule(
        name=MODULES,
        how=st.sampled_from(["break", "mend", "remove", "add", "enable", "disable", "free"]),
    )
    def edit(self, name: str, how: str) -> None:
        """The author of one module changes it, and asks for a rescan."""
        found = {one.name: one for one in self.found}
        broken = Problem(code="unreadable_manifest", text="cannot run")
        states = {"enable": "enabled", "disable": "disabled", "free": "manual"}
        if how == "add":
            found.setdefault(name, Plan(name=name))
        elif how == "remove":
            found.pop(name, None)
        elif name in found and how in states:
            state = ConfigState(states[how])
            found[name] = msgspec.structs.replace(found[name], config_state=state)
        elif name in found:
            problem = broken if how == "break" else None
            found[name] = msgspec.structs.replace(found[name], problem=problem)
        self.scan(tuple(found.values()))

    def op(self, name: str) -> int:
        self.last_op += 1
        if name in self.supervisor.states:
            self.open_ops[self.last_op] = name
        return self.last_op

    @rule(name=MODULES)
    def start(self, name: str) -> None:
        op = self.op(name)
        self.tell(facts.StartRequested(module=name, op=op))

    @rule(name=MODULES)
    def stop(self, name: str) -> None:
        op = self.op(name)
        self.tell(facts.StopRequested(module=name, op=op))
        state = self.supervisor.states.get(name)
        assert state is None or not state.desired.running

    @rule(name=MODULES, revive=st.booleans())
    def restart(self, name: str, revive: bool) -> None:
        op = self.op(name)
        self.tell(facts.RestartRequested(module=name, op=op, revive=revive))

    @rule(name=MODULES)
    def run_due(self, name: str) -> None:
        state = self.supervisor.states.get(name)
        if state is not None and state.plan.is_scheduled:
            self.tell(facts.RunDue(module=name))

    # -- the backbone -------------------------------------------------------------------------

    @rule()
    def open_doors(self) -> None:
        if self.backbone:
            self.tell(facts.DoorsOpened())

    @rule()
    def lose_or_restore(self) -> None:
        self.backbone = not self.backbone
        self.tell(facts.BackboneRestored() if self.backbone else facts.BackboneLost())

    # -- processes ----------------------------------------------------------------------------

    @rule(name=MODULES, works=st.sampled_from([True, True, True, False]), children=st.booleans())
    def answer_spawn(self, name: str, works: bool, children: bool) -> None:
        process = self.processes.get(name)
        if process is None or process.answered:
            return
        process.answered = True
        if works:
            process.children = children
            self.tell(facts.Spawned(module=name, life=process.life, pid=process.life))
        else:
            process.alive = False
            problem = Problem(code="spawn_failed", text="no program")
            self.tell(facts.SpawnFailed(module=name, life=process.life, problem=problem))
            if process.ending is None:  # else the shell says that it is gone
                del self.processes[name]

    def living(self, name: str) -> Process | None:
        process = self.processes.get(name)
        return process if process is not None and process.answered and process.alive else None

    @rule(name=MODULES)
    def say_ready(self, name: str) -> None:
        if process := self.living(name):
            self.tell(facts.BecameReady(module=name, life=process.life))

    @rule(name=MODULES, count=st.integers(0, 2))
    def connect(self, name: str, count: int) -> None:
        if process := self.living(name):
            self.tell(facts.ConnectionsChanged(module=name, life=process.life, connections=count))

    @rule(name=MODULES, estimate=st.sampled_from([-1.0, 0.0, 2.0, 1e9]))
    def acknowledge(self, name: str, estimate: float) -> None:
        if process := self.living(name):
            fact = facts.ShutdownAcked(module=name, life=process.life, estimated_cleanup=estimate)
            self.tell(fact)

    @rule(name=MODULES)
    def clean(self, name: str) -> None:
        if process := self.living(name):
            self.tell(facts.ShutdownReady(module=name, life=process.life))

    @rule(name=MODULES)
    def sicken(self, name: str) -> None:
        if process := self.living(name):
            self.tell(facts.BecameUnhealthy(module=name, life=process.life, detail="500"))

    @rule(name=MODULES, status=st.sampled_from([0, 0, 1, -9]))
    def exit(self, name: str, status: int) -> None:
        if process := self.living(name):
            process.alive = False
            code, signal = (None, -status) if status < 0 else (status, None)
            self.tell(facts.Exited(module=name, life=process.life, exit_code=code, signal=signal))

    @rule(name=MODULES, survivors=st.sampled_from([(), (), (), (4711,)]), leader_too=st.booleans())
    def finish_sweep(
        self, name: str, survivors: tuple[int, ...] = (), leader_too: bool = False
    ) -> None:
        process = self.processes.get(name)
        if process is None or process.ending is None:
            return
        if not process.answered:
            return  # the shell answers about the spawn first
        self.now = max(self.now, process.ending)
        if process.alive and not (survivors and leader_too and self.stop_began is None):
            process.alive = False
            self.tell(facts.Exited(module=name, life=process.life, signal=9))
        process.ending, process.survives = None, bool(survivors)
        if not survivors or self.stop_began is not None:
            survivors = ()
            del self.processes[name]
        self.tell(facts.TreeGone(module=name, life=process.life, survivors=survivors))

    @rule(name=MODULES, back=st.integers(1, 3))
    def speak_from_the_grave(self, name: str, back: int) -> None:
        """Facts of earlier lives change nothing."""
        state = self.supervisor.states.get(name)
        if state is None:
            return
        life = state.life.number - back
        before = repr(state)
        for fact in (
            facts.Spawned(module=name, life=life, pid=1),
            facts.SpawnFailed(module=name, life=life, problem=Problem(code="x")),
            facts.BecameReady(module=name, life=life),
            facts.ConnectionsChanged(module=name, life=life, connections=3),
            facts.ShutdownAcked(module=name, life=life, estimated_cleanup=1.0),
            facts.ShutdownReady(module=name, life=life),
            facts.Exited(module=name, life=life, exit_code=1),
            facts.TreeGone(module=name, life=life),
            facts.BecameUnhealthy(module=name, life=life, detail="x"),
            facts.HealthChanged(module=name, life=life, status=Status.DEGRADED, detail="x"),
        ):
            assert self.tell(fact) == []
        assert repr(state) == before

    # -- time ---------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.5, 20.0, 70.0, 4000.0]))
    def pass_time(self, seconds: float) -> None:
        """As the shell's timer does: at every deadline on the way."""
        end = self.now + seconds
        while (due := self.supervisor.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.tell(facts.TimePassed())
            later = self.supervisor.next_deadline()
            assert later is None or later >= self.now, "a deadline in the past"
            if later is not None and later == due == self.now:
                self.tell(facts.TimePassed())
        self.now = end

    @rule(seconds=st.sampled_from([5.0, 50.0]))
    def oversleep(self, seconds: float) -> None:
        """The whole Launcher was suspended: one late look has to catch up within a few."""
        self.now += seconds
        for _ in range(5):
            self.tell(facts.TimePassed())
        due = self.supervisor.next_deadline()
        assert due is None or due > self.now

    # -- the end ------------------------------------------------------------------------------

    @precondition(lambda self: self.stop_began is None)
    @rule(
        budget=st.sampled_from([10.0, 10.0, 0.0]), layered=st.booleans(), is_restart=st.booleans()
    )
    def stop_everything(self, budget: float, layered: bool, is_restart: bool) -> None:
        self.stop_began, self.is_restart = self.now, is_restart
        names = [name for name in reversed(NAMES) if name in self.supervisor.states]
        layers = tuple((name,) for name in names) if layered else ()
        fact = facts.StopEverything(budget=budget, layers=layers, is_restart=is_restart)
        self.tell(fact)
        # Children of one that had left before keep the second they were given.
        graces = [p.ending - self.now for p in self.processes.values() if p.ending is not None]
        self.within = max([budget, *graces])

    @precondition(lambda self: self.stop_began is not None)
    @rule()
    def stop_for_good(self) -> None:
        """In a full restart somebody wants all to end: nobody waits any more."""
        self.is_restart = False
        self.tell(facts.StopEverything())
        self.nobody_waits_for_a_start()

    def nobody_waits_for_a_start(self) -> None:
        assert not any(self.supervisor.states[name].wanted for name in self.open_ops.values())

    @precondition(lambda self: self.stop_began is not None)
    @rule()
    def skip_waiting(self) -> None:
        self.tell(facts.WaitingSkipped())
        assert all(p.ending is not None or p.survives for p in self.processes.values())

    @precondition(lambda self: self.stop_began is not None)
    @rule()
    def end_in_time(self) -> None:
        """Everybody ignores everything but SIGKILL: all are gone when the time is over."""
        began_in_time = self.now <= self.stop_began + self.within
        for _ in range(200):
            sweeps = any(p.ending is not None for p in self.processes.values())
            if self.everything_stopped and not sweeps:
                break
            for name in list(self.processes):
                self.answer_spawn(name, works=True, children=True)
            endings = [p.ending for p in self.processes.values() if p.ending is not None]
            due = self.supervisor.next_deadline()
            nearest = min([*endings, *([due] if due is not None else [])])
            self.now = max(self.now, nearest)
            for name, process in list(self.processes.items()):
                if process.ending is not None and process.ending <= self.now:
                    self.finish_sweep(name)
            self.tell(facts.TimePassed())
        assert self.everything_stopped
        if began_in_time:
            assert self.now <= self.stop_began + self.within + 1e-6
        for name in self.open_ops.values():
            assert self.is_restart, "nothing comes back that could answer"
            assert self.supervisor.states[name].wanted

    @precondition(lambda self: self.everything_stopped)
    @rule()
    def start_over(self) -> None:
        self.tell(facts.StartedOver())
        self.stop_began = None
        self.everything_stopped = False
        self.scan(self.found)

    # -- promises -----------------------------------------------------------------------------

    @invariant()
    def phases_agree_with_processes(self) -> None:
        for name, state in self.supervisor.states.items():
            process = self.processes.get(name)
            assert (process is not None) == (state.phase in LIVE or bool(state.life.survivors))
            if process is not None:
                assert (process.ending is not None) == (state.phase is Phase.SWEEPING)

    @invariant()
    def places_are_kept(self) -> None:
        states = self.supervisor.states.values()
        assert sum(state.phase is Phase.STARTING for state in states) <= 2

    @invariant()
    def every_life_is_told_once(self) -> None:
        for (name, life), story in self.story.items():
            told = story.records
            for once in ("starting", "spawned", "started", "exited"):
                assert told.count(once) <= 1, (name, life, told)
            assert story.retired <= 1
            if "exited" in told:
                assert "spawned" in told, (name, life, told)
                assert story.retired == 1
            current = self.processes.get(name)
            if current is not None and current.life == life and current.survives:
                assert story.retired == 1, "the token of a life that was given up lives on"
            if current is None or current.life != life:
                assert story.retired == 1, (name, life, told)
                assert ("spawned" in told) == ("exited" in told), (name, life, told)

    @invariant()
    def who_waits_has_a_state(self) -> None:
        for op, name in self.open_ops.items():
            assert self.supervisor.states[name].op == op, (op, name)

    @rule()
    def become_quiet(self) -> None:
        """Everybody does as asked until nothing more happens: then nobody waits in vain."""
        if self.stop_began is not None:
            return
        if not self.backbone:
            self.lose_or_restore()
        self.open_doors()
        for _ in range(400):
            if not self.step_quietly():
                break
        else:
            raise AssertionError("it never became quiet")
        for op, name in self.open_ops.items():
            waits = self.supervisor.waiting_for(name)
            assert waits, (op, name, self.supervisor.states[name])
            for state in (self.supervisor.states.get(needed) for needed in waits):
                assert state is None or state.phase is not Phase.FAILED, (op, name)
                assert state is None or not state.is_stopped_by_request or state.phase in LIVE
        for name, state in self.supervisor.states.items():
            wanted = state.desired.running and not state.plan.is_scheduled and not state.completed
            if wanted and not state.plan.problem:
                stuck = state.phase is Phase.FAILED or self.supervisor.waiting_for(name)
                assert stuck or state.phase is Phase.RUNNING, (name, state)

    def step_quietly(self) -> bool:
        """Whether something happened: the world is kind, and time goes no further than needed."""
        busy = False
        for name, process in list(self.processes.items()):
            phase = self.supervisor.states[name].phase
            if not process.answered:
                self.answer_spawn(name, works=True, children=False)
            elif process.ending is not None:
                self.finish_sweep(name)
            elif process.survives:
                continue
            elif phase is Phase.STARTING:
                self.say_ready(name)
            elif phase is not Phase.RUNNING:
                self.exit(name, 0)
            else:
                continue
            busy = True
        if busy:
            return True
        backing_off = [
            state.deadline
            for state in self.supervisor.states.values()
            if state.phase is Phase.BACKING_OFF and state.deadline is not None
        ]
        if backing_off:
            self.now = max(self.now, *backing_off)
            self.tell(facts.TimePassed())
            return True
        return False


World.TestCase.settings = settings(
    max_examples=int(
        os.environ.get("KITE_EXAMPLES", "150")
    ),  # the same ones, unless more are wanted
    derandomize="KITE_EXAMPLES" not in os.environ,
    stateful_step_count=50,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Stage.explicit, Stage.generate, Stage.shrink],
    suppress_health_check=list(HealthCheck),
)
TestWorld = World.TestCase


def test_the_plans_of_the_world_are_plans() -> None:
    assert plan("a", "b:completed").dependencies == (("b", Condition.COMPLETED),)
