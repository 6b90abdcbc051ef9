"""How patient the Watchdog is."""

from __future__ import annotations

import msgspec

from kite.hang import Patience

LONGEST_DELAY = 64
"""Restarts that do not help are asked for at growing intervals; this bounds the growth."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that people may change.

    Args:
        interval: seconds between two looks at everything.
        timeout: seconds that a health endpoint may take to answer.
        failures: failures in a row until a module is called unhealthy.
        restart_after: further failures in a row until a restart is asked for; doubled with each
            restart that did not help.
        busy: seconds for which a module that computes may be silent before it counts as hung.
        awaited: seconds that a module which the Hub has cut has for coming back.
        restarts: whether restarts are asked for at all.
        grace: seconds that a restart may take until counting starts again.
        forget_after: seconds in good health after which former restarts are forgotten.
    """

    interval: float = 5.0
    timeout: float = 2.0
    failures: int = 3
    restart_after: int = 2
    busy: float = 60.0
    awaited: float = 10.0
    restarts: bool = True
    grace: float = 60.0
    forget_after: float = 600.0

    @property
    def late(self) -> float:
        """Seconds of delay from which on the Watchdog itself could not run, and says so."""
        return min(1.0, self.interval / 2)

    @property
    def hang(self) -> Patience:
        """With modules that are silent."""
        again = min(1.5, 0.3 * self.interval)
        return Patience(again=again, busy=self.busy, awaited=self.awaited)

    def hung_as(self, certainty: int) -> int:
        """How many failures a hang of this certainty is: it convicts when it is sure, and has the
        module restarted one look later."""
        return self.failures + self.restart_after - 2 + certainty if certainty else 0

    def restart_at(self, restarts: int, patience: int) -> int:
        """The failures in a row at which a restart is asked for.

        Args:
            restarts: how many have been asked for that did not help.
            patience: a factor; more for what many depend on.
        """
        growth: int = min(2**restarts, LONGEST_DELAY)
        return patience * (self.failures + self.restart_after * growth)
