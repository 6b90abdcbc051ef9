"""Restart budgets: what follows a failure, as functions of history and now.

closed ── the max-th failure within the window ──▶ open (failed, tried again at growing intervals)
open ──── its time has come ─────────────────────▶ half open (one life on trial)
half open ── it fails ───────────────────────────▶ open, for longer
half open ── it was ready for a whole window ────▶ closed
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kite.launcher.core.plan import Policy, RestartRule

LEAST_DELAY = 0.1
"""Seconds that a delayed restart waits in any case, so that no crash loop can spin."""
RETRY_FIRST = 60.0
"""Seconds until a module that was given up is tried for the first time, at most."""
RETRY_CAP = 1800.0


class RestartIn(msgspec.Struct, frozen=True):
    """Start it again after `delay` seconds, which were drawn from nearly 0 to `up_to`."""

    delay: float
    up_to: float = 0.0


class GiveUp(msgspec.Struct, frozen=True):
    """The budget is spent. `retry_in` seconds later it is tried once more; None: never.

    Those seconds were drawn from the upper half of `up_to`.
    """

    retry_in: float | None
    up_to: float | None = None


Verdict = RestartIn | GiveUp


def within(failures: Sequence[float], rule: RestartRule, now: float) -> list[float]:
    """The failures (monotonic seconds, ascending) that count together with one at `now`."""
    return [at for at in failures if now - at < rule.window]


def judge(failures: Sequence[float], rule: RestartRule, *, give_ups: int, chance: float) -> Verdict:
    """What follows the last of `failures`, all of which lie within one window.

    The first failure of a window is answered at once, later ones with exponential backoff and full
    jitter: many that fell together come back apart. A module on trial (it was given up before and
    has not been stable since) is given up again at its first failure.

    Args:
        give_ups: how often it was given up since it was last stable.
        chance: from 0 up to 1, spreads delays between nothing and the whole.
    """
    count = len(failures)
    if rule.policy is Policy.NEVER:
        return GiveUp(None)
    if give_ups or count >= rule.max:
        return _give_up(give_ups, chance) if rule.retry else GiveUp(None)
    if count <= 1:
        return RestartIn(0.0)
    whole = max(LEAST_DELAY, min(rule.cap, rule.initial * rule.factor ** exponent(count)))
    return RestartIn(LEAST_DELAY + chance * (whole - LEAST_DELAY), whole)


def exponent(count: int) -> int:
    """How often the delay after the `count`-th failure of a window has grown, from 0."""
    return max(0, min(count - 2, 64))  # bounded: 2.0 ** 5000 is an error, and far beyond any cap


def foresee(failures: Sequence[float], rule: RestartRule, *, give_ups: int, now: float) -> Verdict:
    """What a failure at `now` would bring, with the longest delay that chance could draw."""
    return judge([*within(failures, rule, now), now], rule, give_ups=give_ups, chance=1.0)


def _give_up(give_ups: int, chance: float) -> GiveUp:
    """Intervals grow whatever chance says: half of one is the whole of the one before."""
    whole = retry_delay(give_ups)
    return GiveUp(whole * (0.5 + chance / 2), whole)


def retry_delay(give_ups: int) -> float:
    """Seconds, at most, until a module given up for the `give_ups`-th time more is tried."""
    return min(RETRY_CAP, RETRY_FIRST * 2.0 ** min(give_ups, 64))
