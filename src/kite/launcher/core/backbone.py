"""Registry and Event Hub: their start, their crashes, and what follows.

    absent ── spawned ── spoken ── ready          (of each of the two)

A start spawns both; the Registry speaks (prints its port) and is told the tokens; only then does
the Hub get its boot line; it speaks (prints its endpoint), the Launcher connects, the Hub says
ready, then the Registry does. A crash of one restarts that one alone (of both: the Hub is spawned when
the new Registry has taken the tokens, so that its time does not run while it waits for that); where
that is not enough, everything starts over with a new kite token.
"""

from __future__ import annotations

from typing import assert_never

from kite.launcher.core import ending_pair as ending
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
    CoresEnded,
    CoresEnding,
    CoreSpoke,
    EndCore,
    Halted,
    Note,
    OpenDoors,
    SayLost,
    SayRestored,
    SettleCore,
    SpawnCore,
    TellTokens,
    TimePassed,
    TokensAcked,
)
from kite.launcher.core.pair import HUB, REGISTRY, Core, Mode, Pair, Stage
from kite.launcher.core.wellbeing import LATE

SPEAKS_WITHIN = 6.0
HUB_READY_WITHIN = 15.0
REGISTRY_READY_WITHIN = 12.0
DEATHS, DEATHS_WITHIN = 3, 60.0


class Backbone:
    """Decides about Registry and Hub.

    Args:
        full_on_crash: a crash of either restarts everything (`on_core_crash: full`).
    """

    def __init__(self, *, full_on_crash: bool = False) -> None:
        self._pair = Pair()
        self._full_on_crash = full_on_crash

    @property
    def cores(self) -> dict[str, Core]:
        """The two by name; for reading only."""
        return self._pair.cores

    @property
    def is_up(self) -> bool:
        """Whether both are there and know each other."""
        return self._pair.is_up

    def next_deadline(self) -> float | None:
        """The instant at which `TimePassed` is due."""
        deadlines = [core.deadline for core in self.cores.values() if core.deadline is not None]
        return None if self._pair.is_halted else min(deadlines, default=None)

    def handle(self, fact: CoreFact, now: float) -> list[CoreAction]:  # noqa: PLR0911 - a table
        """Take a fact and say what is to be done. Facts of an earlier life change nothing."""
        match fact:
            case Begin():
                return self._begin(now)
            case Halted():
                return ending.halt(self._pair)
            case CoresEnding():
                return ending.say_ending(self._pair, fact.reason)
            case CoresEnded():
                return ending.say_ended(self._pair, fact.reason)
            case CoreRestartAsked():
                return self._restart_asked(fact)
            case TokensAcked():
                return self._tokens(fact, now)
            case TimePassed():
                return self._pass_time(now, is_late=fact.late > LATE)
            case CoreSpoke() | CoreReady() | CoreLost() | CoreExited():
                core = self.cores[fact.name]
                return self._heard(core, fact, now) if fact.life == core.life else []
            case _:
                assert_never(fact)

    def _heard(
        self, core: Core, fact: CoreSpoke | CoreReady | CoreLost | CoreExited, now: float
    ) -> list[CoreAction]:
        """A fact about its present life. While everything ends only the exit is of interest."""
        is_halted = self._pair.is_halted
        match fact:
            case CoreLost():
                was_asked = is_halted or core.restart_asked
                return [_note_exit(fact, was_asked=was_asked), *self._lost(core)]
            case CoreSpoke() if not is_halted:
                return self._spoke(core, now)
            case CoreReady() if not is_halted:
                return self._ready(core, now)
            case CoreExited() if not is_halted:
                return self._exited(core, fact.detail, now)
            case _:
                return []

    def _begin(self, now: float) -> list[CoreAction]:
        pair = self._pair
        pair.is_halted = pair.doors_open = pair.is_up = pair.starts_over = False
        actions: list[CoreAction] = []
        for core in self.cores.values():
            core.deaths.clear()
            actions += self._spawn(core, now)
        return actions

    def _revive(self, core: Core, now: float) -> list[CoreAction]:
        """Its next life, alone; that of a Hub begins when the Registry knows the others' tokens."""
        registry = self._pair.registry
        knows = self._pair.tokens_acked and not registry.is_leaving
        if core.name == REGISTRY or knows or not self._pair.doors_open:
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
            self._pair.tokens_acked = False
        actions: list[CoreAction] = [
            Note("starting", core.name, {"life": core.life}),
            SpawnCore(core.name, core.life),
        ]
        registry = self._pair.registry
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
        hub = self._pair.hub
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
        registry, hub = self._pair.registry, self._pair.hub
        if self._pair.is_halted or fact.registry_life != registry.life:
            return []
        self._pair.tokens_acked = True
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
        registry = self._pair.registry
        if core.name == HUB and registry.stage is Stage.SPOKEN:
            registry.deadline = now + REGISTRY_READY_WITHIN
        if self._pair.hub.stage is Stage.READY and registry.stage is Stage.READY:
            actions += self._open_doors()
        return actions + self._consider_up()

    def _consider_up(self) -> list[CoreAction]:
        there = self._pair.tokens_acked and self._pair.hub.stage is Stage.READY
        lost = any(core.is_lost for core in self.cores.values())
        if not there or lost or self._pair.is_up:
            return []
        self._pair.is_up = True
        return [SayRestored()]

    def _open_doors(self) -> list[CoreAction]:
        if self._pair.doors_open:
            return []
        self._pair.doors_open = True
        self._pair.mode = Mode.ISOLATED
        return [OpenDoors()]

    def _lost(self, core: Core) -> list[CoreAction]:
        """Said at once, so that no module is blamed for leaving with it."""
        core.is_lost = True
        core.deadline = None
        registry, hub = self._pair.registry, self._pair.hub
        if core.name == HUB and registry.stage is Stage.SPOKEN:
            registry.deadline = None  # it cannot be ready before the next Hub is
        if core.name == REGISTRY and hub.stage is Stage.SPAWNED and not hub.booted:
            hub.deadline = None if self._pair.doors_open else hub.deadline  # nobody tells its token
        if not self._pair.is_up:
            return []
        self._pair.is_up = False
        return [SayLost(core.name)]

    def _exited(self, core: Core, detail: str, now: float) -> list[CoreAction]:
        early = core.stage is Stage.SPAWNED
        actions = self._lost(core)
        core.stage = Stage.ABSENT
        if core.restart_asked:
            core.restart_asked = False
            actions.append(Note("stopped", core.name, {"life": core.life, "reason": "restart"}))
            return actions + self._revive(core, now)
        actions.append(Note("core_crash", core.name, {"life": core.life, "reason": detail}))
        if early:
            return actions + ending.missed(
                self._pair, core, f"it ended before it spoke: {detail}", now
            )
        core.deaths = [at for at in core.deaths if now - at < DEATHS_WITHIN] + [now]
        if self._full_on_crash and self._pair.doors_open:
            return actions + ending.start_over(self._pair, f"{core.name} crashed", now)
        if len(core.deaths) >= DEATHS:
            return actions + ending.start_over(
                self._pair, f"{core.name} crashed {DEATHS} times", now
            )
        return actions + self._revive(core, now)

    def _restart_asked(self, fact: CoreRestartAsked) -> list[CoreAction]:
        core = self.cores[fact.name]
        actions: list[CoreAction] = []
        if core.op is not None:
            actions.append(SettleCore(core.op, "superseded"))
        core.op = fact.op
        if self._pair.starts_over:
            return actions
        if self._pair.is_halted:
            core.op = None
            return [*actions, SettleCore(fact.op, "stopping")] if fact.op is not None else actions
        if core.restart_asked or core.stage is Stage.ABSENT:  # its next life is about to come
            return actions
        core.restart_asked = True
        core.deadline = None
        note = Note("stopping", core.name, {"life": core.life, "reason": "restart"})
        return [*actions, note, EndCore(core.name, core.life)]

    def _pass_time(self, now: float, *, is_late: bool) -> list[CoreAction]:
        actions: list[CoreAction] = []
        for core in self.cores.values():
            if self._pair.is_halted or core.deadline is None or core.deadline > now:
                continue
            if is_late:  # whoever could not run has missed nothing
                is_mute = core.stage is Stage.SPAWNED
                core.deadline = now + (SPEAKS_WITHIN if is_mute else HUB_READY_WITHIN)
                continue
            core.deadline = None
            if core.stage is Stage.SPAWNED:
                actions += ending.missed(
                    self._pair, core, f"it did not speak within {SPEAKS_WITHIN:g} s", now
                )
            elif core.name == REGISTRY and self._pair.hub.stage is Stage.ABSENT:
                within = f"it did not take the tokens within {SPEAKS_WITHIN:g} s"
                actions += ending.missed(self._pair, core, within, now)
            elif core.name == REGISTRY:
                core.error = f"it was not ready within {REGISTRY_READY_WITHIN:g} s"
                actions += self._open_doors()
            else:
                within = f"it was not ready within {HUB_READY_WITHIN:g} s"
                actions += ending.missed(self._pair, core, within, now)
        return actions


def _note_exit(fact: CoreLost, *, was_asked: bool) -> Note:
    fields = {"life": fact.life, "exit_code": fact.exit_code, "signal": fact.signal}
    words = {} if was_asked or not fact.last_lines else {"last_lines": list(fact.last_lines)}
    return Note("exited", fact.name, {**fields, **words})
