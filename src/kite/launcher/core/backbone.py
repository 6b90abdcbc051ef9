"""Registry and Event Hub: their start, their crashes, and what follows.

    absent ── spawned ── spoken ── ready          (of each of the two)

A start spawns both; the Registry speaks (prints its port) and is told the tokens; only then does
the Hub get its boot line; it speaks (prints its endpoint), the Launcher connects, the Hub says
ready, then the Registry does. A crash of one restarts that one alone (of both: the Hub is spawned when
the new Registry has taken the tokens, so that its time does not run while it waits for that); where
that is not enough, everything starts over with a new kite token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, assert_never

from kite.launcher.core.backbone_words import (
    Begin,
    BootHub,
    ConnectHub,
    CoreAction,
    CoreExited,
    CoreFact,
    CoreLost,
    CoreReady,
    CoreRestartAsked,
    CoreSpoke,
    EndCore,
    Fatal,
    Halted,
    Note,
    OpenDoors,
    SayLost,
    SayRestored,
    SettleCore,
    SpawnCore,
    StartOver,
    TellTokens,
    TimePassed,
    TokensAcked,
)

REGISTRY, HUB = "registry", "event_hub"
CORES = (REGISTRY, HUB)

SPEAKS_WITHIN = 6.0
HUB_READY_WITHIN = 15.0
REGISTRY_READY_WITHIN = 12.0
DEATHS, DEATHS_WITHIN = 3, 60.0
FULL_RESTARTS, FULL_RESTARTS_WITHIN = 3, 600.0

STATUS_NOT_READY = 4
STATUS_FAILED = 1


class Stage(IntEnum):
    """How far a core module has come."""

    ABSENT = 0
    SPAWNED = 1
    SPOKEN = 2
    READY = 3


class Mode(StrEnum):
    """What kind of start is under way, or was the last."""

    INITIAL = "initial"
    ISOLATED = "isolated"
    FULL = "full"


@dataclass(slots=True)
class Core:
    """What is known of one of the two."""

    name: str
    stage: Stage = Stage.ABSENT
    life: int = 0
    is_lost: bool = False
    spawned_at: float = 0.0
    counted_from: float = 0.0  # its seconds run from here: as a rule since it was spawned
    deadline: float | None = None
    booted: bool = False
    restart_asked: bool = False
    op: int | None = None
    deaths: list[float] = field(default_factory=list)
    error: str | None = None

    @property
    def restarts(self) -> int:
        """How often it was started anew: alone, with everything, or because somebody asked."""
        return max(0, self.life - 1)

    @property
    def is_leaving(self) -> bool:
        """Whether this life is over, or soon will be: what it says means nothing any more."""
        return self.is_lost or self.restart_asked


class Backbone:
    """Decides about Registry and Hub.

    Args:
        full_on_crash: a crash of either restarts everything (`on_core_crash: full`).
    """

    def __init__(self, *, full_on_crash: bool = False) -> None:
        self.cores = {name: Core(name) for name in CORES}
        self._full_on_crash = full_on_crash
        self._mode = Mode.INITIAL
        self._doors_open = False
        self._up = False
        self._halted = True
        self._starts_over = False
        self._tokens_acked = False
        self._full_restarts: list[float] = []

    @property
    def is_up(self) -> bool:
        """Whether both are there and know each other."""
        return self._up

    def next_deadline(self) -> float | None:
        """The instant at which `TimePassed` is due."""
        deadlines = [core.deadline for core in self.cores.values() if core.deadline is not None]
        return None if self._halted else min(deadlines, default=None)

    def handle(self, fact: CoreFact, now: float) -> list[CoreAction]:  # noqa: PLR0911 - a table
        """Take a fact and say what is to be done. Facts of an earlier life change nothing."""
        match fact:
            case Begin():
                return self._begin(now)
            case Halted():
                self._halt()
                return self._refuse_all()
            case CoreRestartAsked():
                return self._restart_asked(fact)
            case TokensAcked():
                return self._tokens(fact, now)
            case TimePassed():
                return self._pass_time(now)
            case CoreSpoke() | CoreReady() | CoreLost() | CoreExited():
                core = self.cores[fact.name]
                if self._halted or fact.life != core.life:
                    return []
                match fact:
                    case CoreSpoke():
                        return self._spoke(core, now)
                    case CoreReady():
                        return self._ready(core, now)
                    case CoreLost():
                        return self._lost(core)
                    case CoreExited():
                        return self._exited(core, fact.detail, now)
            case _:
                assert_never(fact)

    def _halt(self) -> None:
        """From here on exits are no crashes."""
        self._halted, self._up, self._starts_over = True, False, False
        for core in self.cores.values():
            core.deadline = None
            core.restart_asked = False

    def _refuse_all(self) -> list[CoreAction]:
        """Whoever waits for a restart is told that there will be none."""
        actions: list[CoreAction] = []
        for core in self.cores.values():
            if core.op is not None:
                actions.append(SettleCore(core.op, "stopping"))
                core.op = None
        return actions

    def _begin(self, now: float) -> list[CoreAction]:
        self._halted = self._doors_open = self._up = self._starts_over = False
        actions: list[CoreAction] = []
        for core in self.cores.values():
            core.deaths.clear()
            actions += self._spawn(core, now)
        return actions

    def _revive(self, core: Core, now: float) -> list[CoreAction]:
        """Its next life, alone; that of a Hub begins when the Registry knows the others' tokens."""
        registry = self.cores[REGISTRY]
        knows = self._tokens_acked and not registry.is_leaving
        if core.name == REGISTRY or knows or not self._doors_open:
            return self._spawn(core, now)
        if registry.stage is Stage.SPOKEN and not registry.is_leaving:
            registry.deadline = now + SPEAKS_WITHIN
        return []

    def _spawn(self, core: Core, now: float) -> list[CoreAction]:
        core.life += 1
        core.stage = Stage.SPAWNED
        core.is_lost = False
        core.spawned_at = core.counted_from = now
        core.deadline = now + SPEAKS_WITHIN
        core.booted = False
        core.error = None
        if core.name == REGISTRY:
            self._tokens_acked = False
        actions: list[CoreAction] = [
            Note("starting", core.name, {"life": core.life}),
            SpawnCore(core.name, core.life),
        ]
        registry = self.cores[REGISTRY]
        if core.name == HUB and registry.stage >= Stage.SPOKEN and not registry.is_leaving:
            actions.append(TellTokens(registry.life))
        return actions

    def _spoke(self, core: Core, now: float) -> list[CoreAction]:
        if core.stage is not Stage.SPAWNED:
            return []
        core.stage = Stage.SPOKEN
        if core.is_leaving:
            return []
        if core.name == REGISTRY:
            core.deadline = self._registry_deadline(now)
            return [TellTokens(core.life)]
        core.deadline = core.counted_from + HUB_READY_WITHIN
        return [ConnectHub(core.life)]

    def _registry_deadline(self, now: float) -> float | None:
        """Until when a Registry that speaks now has to go on, which depends on where the Hub is."""
        hub = self.cores[HUB]
        match hub.stage:
            case Stage.READY:
                return now + REGISTRY_READY_WITHIN
            case Stage.ABSENT:  # which comes when the tokens are taken
                return now + SPEAKS_WITHIN
            case Stage.SPAWNED if not hub.booted and hub.deadline is None:
                # It was left alone before it knew its token: its time begins anew.
                hub.counted_from, hub.deadline = now, now + SPEAKS_WITHIN
        return None

    def _tokens(self, fact: TokensAcked, now: float) -> list[CoreAction]:
        registry, hub = self.cores[REGISTRY], self.cores[HUB]
        if self._halted or fact.registry_life != registry.life:
            return []
        self._tokens_acked = True
        if hub.stage is Stage.ABSENT:
            registry.deadline = None
            return self._spawn(hub, now)
        if fact.hub_life != hub.life or hub.stage is not Stage.SPAWNED or hub.booted:
            return self._consider_up()
        hub.booted = True
        return [BootHub(hub.life)]

    def _ready(self, core: Core, now: float) -> list[CoreAction]:
        if core.stage is not Stage.SPOKEN or core.is_leaving:
            return []
        core.stage = Stage.READY
        core.deadline = None
        core.error = None
        actions: list[CoreAction] = [Note("started", core.name, {"life": core.life})]
        if core.op is not None:
            actions.append(SettleCore(core.op))
            core.op = None
        registry = self.cores[REGISTRY]
        if core.name == HUB and registry.stage is Stage.SPOKEN:
            registry.deadline = now + REGISTRY_READY_WITHIN
        if self.cores[HUB].stage is Stage.READY and registry.stage is Stage.READY:
            actions += self._open_doors()
        return actions + self._consider_up()

    def _consider_up(self) -> list[CoreAction]:
        there = self._tokens_acked and self.cores[HUB].stage is Stage.READY
        lost = any(core.is_lost for core in self.cores.values())
        if not there or lost or self._up:
            return []
        self._up = True
        return [SayRestored()]

    def _open_doors(self) -> list[CoreAction]:
        if self._doors_open:
            return []
        self._doors_open = True
        self._mode = Mode.ISOLATED
        return [OpenDoors()]

    def _lost(self, core: Core) -> list[CoreAction]:
        """Said at once, so that no module is blamed for leaving with it."""
        core.is_lost = True
        core.deadline = None
        registry, hub = self.cores[REGISTRY], self.cores[HUB]
        if core.name == HUB and registry.stage is Stage.SPOKEN:
            registry.deadline = None  # it cannot be ready before the next Hub is
        if core.name == REGISTRY and hub.stage is Stage.SPAWNED and not hub.booted:
            hub.deadline = None if self._doors_open else hub.deadline  # nobody tells its token
        if not self._up:
            return []
        self._up = False
        return [SayLost(core.name)]

    def _exited(self, core: Core, detail: str, now: float) -> list[CoreAction]:
        early = core.stage is Stage.SPAWNED
        actions = self._lost(core)
        core.stage = Stage.ABSENT
        if core.restart_asked:
            core.restart_asked = False
            return actions + self._revive(core, now)
        actions.append(Note("core_crash", core.name, {"life": core.life, "reason": detail}))
        if early:
            return actions + self._missed(core, f"it ended before it spoke: {detail}", now)
        core.deaths = [at for at in core.deaths if now - at < DEATHS_WITHIN] + [now]
        if self._full_on_crash and self._doors_open:
            return actions + self._start_over(f"{core.name} crashed", now)
        if len(core.deaths) >= DEATHS:
            return actions + self._start_over(f"{core.name} crashed {DEATHS} times", now)
        return actions + self._revive(core, now)

    def _missed(self, core: Core, detail: str, now: float) -> list[CoreAction]:
        """A start that did not come in time: fatal at first, else everything starts over."""
        if self._mode is Mode.INITIAL:
            params: dict[str, Any] = {"module": core.name, "detail": detail}
            self._halt()
            return [*self._refuse_all(), Fatal(STATUS_NOT_READY, "core_not_ready", params)]
        return self._start_over(f"{core.name}: {detail}", now)

    def _start_over(self, reason: str, now: float) -> list[CoreAction]:
        recent = [at for at in self._full_restarts if now - at < FULL_RESTARTS_WITHIN]
        self._full_restarts = [*recent, now]
        self._mode = Mode.FULL
        self._halt()
        if len(self._full_restarts) >= FULL_RESTARTS:
            fatal = Fatal(STATUS_FAILED, "core_keeps_crashing", {"reason": reason})
            return [*self._refuse_all(), fatal]
        self._starts_over = True  # whoever waits for a restart has it when the next life is ready
        return [StartOver(reason)]

    def _restart_asked(self, fact: CoreRestartAsked) -> list[CoreAction]:
        core = self.cores[fact.name]
        actions: list[CoreAction] = []
        if core.op is not None:
            actions.append(SettleCore(core.op, "superseded"))
        core.op = fact.op
        if self._starts_over:
            return actions
        if self._halted:
            core.op = None
            return [*actions, SettleCore(fact.op, "stopping")] if fact.op is not None else actions
        if core.restart_asked or core.stage is Stage.ABSENT:  # its next life is about to come
            return actions
        core.restart_asked = True
        core.deadline = None
        note = Note("stopping", core.name, {"life": core.life, "reason": "restart"})
        return [*actions, note, EndCore(core.name, core.life)]

    def _pass_time(self, now: float) -> list[CoreAction]:
        actions: list[CoreAction] = []
        for core in self.cores.values():
            if self._halted or core.deadline is None or core.deadline > now:
                continue
            core.deadline = None
            if core.stage is Stage.SPAWNED:
                actions += self._missed(core, f"it did not speak within {SPEAKS_WITHIN:g} s", now)
            elif core.name == REGISTRY and self.cores[HUB].stage is Stage.ABSENT:
                within = f"it did not take the tokens within {SPEAKS_WITHIN:g} s"
                actions += self._missed(core, within, now)
            elif core.name == REGISTRY:
                core.error = f"it was not ready within {REGISTRY_READY_WITHIN:g} s"
                actions += self._open_doors()
            else:
                within = f"it was not ready within {HUB_READY_WITHIN:g} s"
                actions += self._missed(core, within, now)
        return actions
