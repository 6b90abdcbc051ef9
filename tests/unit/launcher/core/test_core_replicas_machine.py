"""Replicas and rolling restarts against a world that does anything: never too many lives, never two
answers, and in the end as many as are written."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import LIVE, ModuleState, Phase
from kite.launcher.core.plan import Condition, Plan, Problem, RestartRule
from kite.launcher.core.supervisor import Supervisor

NAMES = st.sampled_from(("w", "d"))
CHOICE = st.integers(0, 20)


@dataclass
class Process:
    """One life in the world."""

    name: str
    life: int
    answered: bool = False
    alive: bool = True
    ending: float | None = None


class Crowd(RuleBasedStateMachine):
    """Two modules with several replicas, one of which needs the other."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.supervisor = Supervisor(concurrency=3, max_failed=0, chance=lambda: 0.5)
        self.processes: dict[tuple[str, int], Process] = {}
        self.last_life = {"w": 0, "d": 0}
        self.written = {"w": 0, "d": 0}
        self.open_ops: dict[int, str] = {}
        self.settled: set[int] = set()
        self.last_op = 0

    def tell(self, fact: facts.Fact) -> list[act.Action]:
        actions = self.supervisor.handle(fact, self.now)
        for action in actions:
            self.perform(action)
        return actions

    def perform(self, action: act.Action) -> None:
        match action:
            case act.Spawn(module=name, life=life):
                assert life == self.last_life[name] + 1, "lives are counted through"
                self.last_life[name] = life
                living = [p for p in self.processes.values() if p.name == name]
                most = self.written[name] + self.is_on_trial(name)
                assert len(living) < most, f"{name}: one life too many"
                self.processes[name, life] = Process(name=name, life=life)
            case act.EndTree(module=name, life=life, grace=grace):
                assert self.processes[name, life].ending is None, "ended twice"
                self.processes[name, life].ending = self.now + grace
            case act.AskToStop(module=name, life=life) | act.SignalStop(module=name, life=life):
                assert (name, life) in self.processes
            case act.Settle(op=op):
                assert op not in self.settled, f"op {op} was settled twice"
                self.settled.add(op)
                self.open_ops.pop(op, None)
            case _:
                pass

    def places(self, name: str) -> list[ModuleState]:
        return self.supervisor.roster.places(name)

    def is_on_trial(self, name: str) -> bool:
        return any(p.on_trial and not p.is_leaving for p in self.places(name))

    def pick(self, name: str, choice: int) -> Process | None:
        living = [p for p in self.processes.values() if p.name == name]
        return living[choice % len(living)] if living else None

    # -- people -------------------------------------------------------------------------------

    @initialize(w=st.integers(1, 3), d=st.integers(1, 2))
    def begin(self, w: int, d: int) -> None:
        self.tell(facts.DoorsOpened())
        self.scan(w, d)

    @rule(w=st.integers(1, 3), d=st.integers(1, 2))
    def scan(self, w: int, d: int) -> None:
        # Fewer apply at the next start.
        self.written = {"w": max(w, self.written["w"]), "d": max(d, self.written["d"])}
        rule_ = RestartRule(max=3, window=50.0)
        dependencies = (("w", Condition.READY),)
        self.tell(
            facts.Scanned(
                plans=(
                    Plan(name="w", replicas=w, restart=rule_),
                    Plan(name="d", replicas=d, restart=rule_, dependencies=dependencies),
                )
            )
        )

    def op(self, name: str) -> int:
        self.last_op += 1
        self.open_ops[self.last_op] = name
        return self.last_op

    @rule(name=NAMES)
    def start(self, name: str) -> None:
        self.tell(facts.StartRequested(module=name, op=self.op(name)))

    @rule(name=NAMES)
    def stop(self, name: str) -> None:
        self.tell(facts.StopRequested(module=name, op=self.op(name)))

    @rule(name=NAMES, rolling=st.booleans())
    def restart(self, name: str, rolling: bool) -> None:
        self.tell(facts.RestartRequested(module=name, op=self.op(name), is_rolling=rolling))

    # -- processes ----------------------------------------------------------------------------

    @rule(name=NAMES, choice=CHOICE, works=st.sampled_from([True, True, True, False]))
    def answer_spawn(self, name: str, choice: int, works: bool) -> None:
        process = self.pick(name, choice)
        if process is None or process.answered:
            return
        process.answered = True
        if works:
            self.tell(facts.Spawned(module=name, life=process.life, pid=process.life))
            return
        process.alive = False
        problem = Problem(code="spawn_failed", text="no program")
        self.tell(facts.SpawnFailed(module=name, life=process.life, problem=problem))
        if process.ending is None:  # else the shell says that it is gone
            del self.processes[name, process.life]

    @rule(name=NAMES, choice=CHOICE)
    def say_ready(self, name: str, choice: int) -> None:
        process = self.pick(name, choice)
        if process is not None and process.answered and process.alive:
            self.tell(facts.BecameReady(module=name, life=process.life))

    @rule(name=NAMES, choice=CHOICE, status=st.sampled_from([0, 1]))
    def exit(self, name: str, choice: int, status: int) -> None:
        process = self.pick(name, choice)
        if process is not None and process.answered and process.alive:
            process.alive = False
            self.tell(facts.Exited(module=name, life=process.life, exit_code=status))

    @rule(name=NAMES, choice=CHOICE)
    def finish_sweep(self, name: str, choice: int) -> None:
        process = self.pick(name, choice)
        if process is None or process.ending is None or not process.answered:
            return
        self.now = max(self.now, process.ending)
        if process.alive:
            process.alive = False
            self.tell(facts.Exited(module=name, life=process.life, signal=9))
        del self.processes[name, process.life]
        self.tell(facts.TreeGone(module=name, life=process.life))

    @rule(seconds=st.sampled_from([0.1, 3.5, 20.0, 100.0]))
    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.supervisor.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.tell(facts.TimePassed())
        self.now = end

    # -- promises -----------------------------------------------------------------------------

    @invariant()
    def places_and_processes_agree(self) -> None:
        living = {
            (name, place.life.number)
            for name in self.supervisor.states
            for place in self.places(name)
            if place.phase in LIVE
        }
        assert living == set(self.processes)

    @invariant()
    def a_rolling_restart_has_one_on_trial_at_most(self) -> None:
        for name in self.supervisor.states:
            trials = [p for p in self.places(name) if p.on_trial and not p.is_leaving]
            assert len(trials) <= 1
            assert not trials or self.supervisor.is_rolling(name)

    @rule()
    def become_quiet(self) -> None:
        """Everybody does as asked: then nobody waits, and there are as many as are written."""
        for _ in range(500):
            if not self.step():
                break
        else:
            raise AssertionError("it never became quiet")
        waiting = {op: name for op, name in self.open_ops.items() if name != "d"}
        assert not waiting, waiting
        for name, first in self.supervisor.states.items():
            assert not self.supervisor.is_rolling(name) or self.supervisor.waiting_for(name)
            staying = self.supervisor.roster.staying(name)
            if not any(place.on_trial for place in staying):
                assert len({place.replica for place in staying}) == len(staying)
            for place in staying:
                if first.desired.running:
                    rests = place.phase is Phase.FAILED or self.supervisor.waiting_for(name)
                    assert rests or place.phase in (Phase.RUNNING, Phase.WAITING), place
                else:
                    assert place.phase in (Phase.STOPPED, Phase.RUNNING), place

    def step(self) -> bool:
        for process in list(self.processes.values()):
            place = self.supervisor.roster.find(process.name, process.life)
            assert place is not None
            if not process.answered:
                process.answered = True
                self.tell(facts.Spawned(module=process.name, life=process.life, pid=1))
            elif process.ending is not None:
                self.finish_sweep(process.name, self.index(process))
            elif place.phase is Phase.STARTING:
                self.tell(facts.BecameReady(module=process.name, life=process.life))
            elif place.phase is not Phase.RUNNING:
                process.alive = False
                self.tell(facts.Exited(module=process.name, life=process.life, exit_code=0))
            else:
                continue
            return True
        waits = [p.deadline for p in self.supervisor.roster.everyone() if p.deadline is not None]
        backing = [p for p in self.supervisor.roster.everyone() if p.phase is Phase.BACKING_OFF]
        if backing:
            self.now = max(self.now, min(waits))
            self.tell(facts.TimePassed())
            return True
        return False

    def index(self, process: Process) -> int:
        return [p for p in self.processes.values() if p.name == process.name].index(process)


Crowd.TestCase.settings = settings(
    max_examples=int(os.environ.get("KITE_EXAMPLES", "100")),
    derandomize="KITE_EXAMPLES" not in os.environ,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
TestCrowd = Crowd.TestCase
