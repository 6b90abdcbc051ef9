"""The end of Registry and Event Hub together: for good, or because everything starts over."""

from __future__ import annotations

from kite.launcher.core.backbone_words import CoreAction, Fatal, Note, SettleCore, StartOver
from kite.launcher.core.pair import Core, Mode, Pair, Stage

FULL_RESTARTS, FULL_RESTARTS_WITHIN = 3, 600.0

STATUS_NOT_READY = 4
STATUS_FAILED = 1


def halt(pair: Pair) -> list[CoreAction]:
    """Everything is to end for good: whoever waits for a restart is told that there will be none."""
    _decide_no_more(pair)
    actions: list[CoreAction] = []
    for core in pair.cores.values():
        if core.op is not None:
            actions.append(SettleCore(core.op, "stopping"))
            core.op = None
    return actions


def missed(pair: Pair, core: Core, detail: str, now: float) -> list[CoreAction]:
    """A start that did not come in time: fatal at first, else everything starts over."""
    if pair.mode is not Mode.INITIAL:
        return start_over(pair, f"{core.name}: {detail}", now)
    params = {"module": core.name, "detail": detail}
    return [*halt(pair), Fatal(STATUS_NOT_READY, "core_not_ready", params)]


def start_over(pair: Pair, reason: str, now: float) -> list[CoreAction]:
    """Everything begins again with a new kite token, unless that was tried too often."""
    recent = [at for at in pair.full_restarts if now - at < FULL_RESTARTS_WITHIN]
    pair.full_restarts = [*recent, now]
    pair.mode = Mode.FULL
    if len(pair.full_restarts) >= FULL_RESTARTS:
        return [*halt(pair), Fatal(STATUS_FAILED, "core_keeps_crashing", {"reason": reason})]
    _decide_no_more(pair)
    pair.starts_over = True  # whoever waits for a restart has it when the next life is ready
    return [StartOver(reason)]


def say_ending(pair: Pair, reason: str) -> list[CoreAction]:
    """Their processes are being ended now."""
    return [
        Note("stopping", core.name, {"life": core.life, "reason": reason})
        for core in _living(pair)
        if not core.is_lost
    ]


def say_ended(pair: Pair, reason: str) -> list[CoreAction]:
    """Nothing of the two is left."""
    notes: list[CoreAction] = []
    for core in _living(pair):
        core.stage = Stage.ABSENT
        notes.append(Note("stopped", core.name, {"life": core.life, "reason": reason}))
    return notes


def _living(pair: Pair) -> list[Core]:
    return [core for core in pair.cores.values() if core.stage is not Stage.ABSENT]


def _decide_no_more(pair: Pair) -> None:
    """From here on exits are no crashes."""
    pair.is_halted, pair.is_up, pair.starts_over = True, False, False
    for core in pair.cores.values():
        core.deadline = None
        core.restart_asked = False
