"""Restart budgets: what follows a failure, as functions of history and now."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kite.launcher.core.plan import Policy, RestartRule

RETRY_FIRST = 60.0
"""Seconds until a module that was given up is tried for the first time."""
RETRY_CAP = 1800.0


class RestartIn(msgspec.Struct, frozen=True):
    """Start it again after `delay` seconds."""

    delay: float


class GiveUp(msgspec.Struct, frozen=True):
    """The budget is spent. `retry_in` seconds later it is tried once more; None: never."""

    retry_in: float | None


Verdict = RestartIn | GiveUp


def within(failures: Sequence[float], rule: RestartRule, now: float) -> list[float]:
    """The failures (monotonic seconds, ascending) that count together with one at `now`."""
    return [at for at in failures if now - at < rule.window]


def judge(failures: Sequence[float], rule: RestartRule, *, give_ups: int, chance: float) -> Verdict:
    """What follows the last of `failures`, all of which lie within one window.

    The first failure of a window is answered at once, later ones with exponential backoff and
    jitter. A module on probation (it was given up before and has not been stable since) is given
    up again at its first failure.

    Args:
        give_ups: how often it was given up since it was last stable.
        chance: from 0 up to 1, spreads delays between half and the whole.
    """
    count = len(failures)
    if rule.policy is Policy.NEVER:
        return GiveUp(None)
    if give_ups or count >= rule.max:
        return GiveUp(retry_delay(give_ups) if rule.retry else None)
    if count <= 1:
        return RestartIn(0.0)
    delay = min(rule.cap, rule.initial * rule.factor ** min(count - 2, 64))
    return RestartIn(delay * (0.5 + chance / 2))


def retry_delay(give_ups: int) -> float:
    """Seconds until a module given up for the `give_ups`-th time more is tried: growing, capped."""
    return min(RETRY_CAP, RETRY_FIRST * 2.0**give_ups)
