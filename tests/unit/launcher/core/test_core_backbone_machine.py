"""The backbone against Registries and Hubs that live, speak and die as they please."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import Phase as Part
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kite.launcher.core import backbone_words as spine
from kite.launcher.core.backbone import Backbone
from kite.launcher.core.pair import HUB, REGISTRY, Stage

WHO = st.sampled_from([REGISTRY, HUB])


@dataclass
class Process:
    """A living process of a core module."""

    life: int
    booted: bool = False
    spoke: bool = False
    connected: bool = False
    lost: bool = False
    ending: bool = False


class Bones(RuleBasedStateMachine):
    """Facts in any order that two processes, an operator and time can produce."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 50.0
        self.processes: dict[str, Process] = {}
        self.lives = {REGISTRY: 0, HUB: 0}
        self.told: list[int] = []  # lives of the Registry that are being told tokens
        self.doors = 0
        self.up = False
        self.began = 0
        self.ended: str | None = None  # "over", "fatal" or "halted": nothing is decided any more
        self.ops: dict[int, tuple[str, int]] = {}  # who was to be restarted in which life
        self.last_op = 0

    @initialize(full=st.sampled_from([False, False, False, True]), is_up=st.booleans())
    def begin(self, full: bool, is_up: bool) -> None:
        self.backbone = Backbone(full_on_crash=full)
        self.tell(spine.Begin())
        if is_up:
            self.become_quiet()

    def tell(self, fact: object) -> None:
        was_ended = self.ended
        actions = self.backbone.handle(fact, self.now)  # type: ignore[arg-type]
        for action in actions:
            self.perform(action)
        if was_ended and not isinstance(fact, spine.Begin):
            assert all(isinstance(a, spine.SettleCore | spine.Note) for a in actions), actions

    def perform(self, action: spine.CoreAction) -> None:
        match action:
            case spine.SpawnCore(name=name, life=life):
                assert name not in self.processes, f"two living processes of {name}"
                assert life == self.lives[name] + 1
                assert self.ended is None
                self.lives[name] = life
                self.processes[name] = Process(life, booted=name == REGISTRY)
            case spine.EndCore(name=name, life=life):
                assert self.processes[name].life == life
                assert not self.processes[name].ending, "ended twice"
                self.processes[name].ending = True
            case spine.TellTokens(registry_life=life):
                assert self.processes[REGISTRY].life == life
                assert self.processes[REGISTRY].spoke
                assert not self.processes[REGISTRY].lost
                self.told.append(life)
            case spine.BootHub(life=life):
                assert self.processes[HUB].life == life
                assert not self.processes[HUB].booted, "booted twice"
                self.processes[HUB].booted = True
            case spine.ConnectHub(life=life):
                assert self.processes[HUB].life == life
                assert not self.processes[HUB].connected
                self.processes[HUB].connected = True
            case spine.OpenDoors():
                self.doors += 1
                assert self.doors <= self.began_count, "opened twice"
            case spine.SayLost():
                assert self.up, "it was away already"
                self.up = False
            case spine.SayRestored():
                assert not self.up
                assert self.processes[HUB].connected
                assert not any(process.lost for process in self.processes.values())
                self.up = True
            case spine.SettleCore(op=op, code=code):
                who, life = self.ops.pop(op)  # else it was settled twice
                assert code is not None or self.processes[who].life > life
            case spine.StartOver():
                self.end("over")
            case spine.Fatal():
                self.end("fatal")
            case spine.Note():
                pass

    @property
    def began_count(self) -> int:
        return self.began + 1

    def end(self, how: str) -> None:
        assert self.ended is None
        self.ended = how
        self.up = False

    # -- processes ----------------------------------------------------------------------------

    def answers(self, who: str) -> Process | None:
        process = self.processes.get(who)
        return process if process is not None and process.booted else None

    @rule(who=WHO)
    def speak(self, who: str) -> None:
        if process := self.answers(who):
            process.spoke = True
            self.tell(spine.CoreSpoke(who, process.life))

    @rule(who=WHO)
    def say_ready(self, who: str) -> None:
        """The Hub once the Launcher is connected, the Registry through the Hub."""
        hub, process = self.processes.get(HUB), self.answers(who)
        if process and hub and hub.connected and not hub.lost:
            self.tell(spine.CoreReady(who, process.life))

    @rule()
    def acknowledge(self) -> None:
        if self.told:
            life = self.told.pop(0)
            registry, hub = self.processes.get(REGISTRY), self.processes.get(HUB)
            if registry is None or registry.life != life:
                return  # its exit has cancelled the call
            self.tell(spine.TokensAcked(life, hub.life if hub else 0))

    @rule(who=WHO)
    def fall(self, who: str) -> None:
        process = self.processes.get(who)
        if process is not None and not process.lost:
            process.lost = True
            self.tell(spine.CoreLost(who, process.life))

    @precondition(lambda self: self.up)
    @rule()
    def fall_both(self) -> None:
        self.fall(HUB)
        self.fall(REGISTRY)

    @rule(who=WHO)
    def be_swept(self, who: str) -> None:
        process = self.processes.get(who)
        if process is not None and process.lost:
            del self.processes[who]
            self.tell(spine.CoreExited(who, process.life, "signal 9"))

    @rule(who=WHO)
    def cannot_be_made(self, who: str) -> None:
        """No process at all: the shell says exited without lost."""
        process = self.processes.get(who)
        if process is not None and not process.spoke and not process.lost:
            del self.processes[who]
            self.tell(spine.CoreExited(who, process.life, "no memory"))

    # -- people and time ----------------------------------------------------------------------

    @rule(who=WHO)
    def ask_for_a_restart(self, who: str) -> None:
        self.last_op += 1
        self.ops[self.last_op] = (who, self.lives[who])
        self.tell(spine.CoreRestartAsked(who, self.last_op))

    @rule(seconds=st.sampled_from([0.1, 3.0, 7.0, 30.0, 700.0]))
    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.backbone.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.tell(spine.TimePassed())
            later = self.backbone.next_deadline()
            assert later is None or later > self.now
        self.now = end

    @precondition(lambda self: self.ended in (None, "over"))
    @rule()
    def halt(self) -> None:
        self.tell(spine.Halted())
        self.ended, self.up = "halted", False
        assert not self.ops

    @precondition(lambda self: self.ended == "over")
    @rule()
    def start_over(self) -> None:
        """The shell has ended both; their last words may come late."""
        self.processes.clear()
        self.told.clear()
        self.ended = None
        self.began += 1
        self.doors = self.began
        self.tell(spine.Begin())

    # -- promises -----------------------------------------------------------------------------

    @invariant()
    def it_says_what_it_means(self) -> None:
        if hasattr(self, "backbone"):
            assert self.backbone.is_up == self.up
            if self.ended:
                assert self.backbone.next_deadline() is None
                # After a full restart whoever waits is answered by the next life.
                assert not self.ops or self.ended == "over"

    @rule()
    def become_quiet(self) -> None:
        """With processes that do what they should it comes up, or has said that it cannot."""
        for _ in range(60):
            if self.ended == "over":
                self.start_over()
            if self.ended:
                return
            for who in (REGISTRY, HUB):
                core, process = self.backbone.cores[who], self.processes.get(who)
                if process is None:  # a Hub that is spawned when the Registry has the tokens
                    assert (who, core.stage) == (HUB, Stage.ABSENT)
                    continue
                if core.restart_asked:
                    self.fall(who)
                if process.lost or core.restart_asked:
                    self.be_swept(who)
            self.speak(REGISTRY)
            while self.told:
                self.acknowledge()
            self.speak(HUB)
            self.say_ready(HUB)
            self.say_ready(REGISTRY)
            if self.up and not self.ops and self.doors == self.began_count:
                break
        else:
            raise AssertionError(f"it never came up: {self.backbone.cores}")
        self.pass_time(7.0)
        assert self.up


Bones.TestCase.settings = settings(
    max_examples=int(
        os.environ.get("KITE_EXAMPLES", "100")
    ),  # the same ones, unless more are wanted
    derandomize="KITE_EXAMPLES" not in os.environ,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Part.explicit, Part.generate, Part.shrink],
    suppress_health_check=list(HealthCheck),
)
TestBones = Bones.TestCase
