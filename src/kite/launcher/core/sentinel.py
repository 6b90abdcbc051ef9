"""Whether the Watchdog stands still: who judges everybody cannot judge itself. Pure.

The judgement is the Watchdog's own (`kite/hang.py`), with one look more before it is acted upon.
Instants are seconds of a clock that also runs while the machine sleeps.
"""

from __future__ import annotations

from typing import Final

from kite.hang import Evidence, Hang, Heartbeat, Patience
from kite.pulse import Pulse

EVERY: Final = 5.0
"""Seconds from one look to the next, once the first two are over."""
LATE: Final = 1.0
"""Seconds by which a look may be late; beyond that the Launcher itself could not run."""
SURE: Final = 2
"""The certainty from which on a life is ended: convicted, and confirmed by a further look."""


class Sentinel:
    """The lives of the Watchdog that are not heard at present.

    Duties: nothing is looked at while all are heard. A life that the Hub calls silent is looked at, and
    so is one that has lost its connection and does not come back: the Hub of which it was silent may
    have died meanwhile. A look that comes late has seen nothing, and neither has any before it.
    """

    def __init__(self) -> None:
        self._hangs: dict[int, Hang] = {}

    def present(self, life: int, connections: int, silent: int, seconds: float, now: float) -> None:
        """The Hub has said how many connections a life has, and how many are silent."""
        hang = self._hangs.setdefault(life, Hang(Patience()))
        hang.cut()  # the Watchdog never goes without a connection for long
        hang.present(connections, silent, seconds, now)
        if not hang.is_silent:
            self.forget(life)

    def forget(self, life: int) -> None:
        """It is heard, or is nobody's business any more."""
        self._hangs.pop(life, None)

    def next_look(self) -> float | None:
        """When somebody is to be looked at next."""
        looks = [hang.look_at for hang in self._hangs.values() if hang.look_at is not None]
        return min(looks, default=None)

    def due(self, now: float, *, is_hub_there: bool) -> list[int]:
        """The lives whose process is to be looked at now.

        Args:
            is_hub_there: else nobody can be heard, and nobody is looked at.
        """
        due: list[int] = []
        for life, hang in self._hangs.items():
            if hang.look_at is None or hang.look_at > now:
                continue
            if now - hang.look_at > LATE or not is_hub_there:
                hang.start_afresh(now)
                continue
            hang.look_at = now + EVERY  # unless the look says otherwise
            due.append(life)
        return due

    def inspected(
        self, life: int, pulse: Pulse | None, heartbeat: Heartbeat, now: float
    ) -> Evidence | None:
        """A life was looked at; what it is to be ended for, or None."""
        hang = self._hangs.get(life)
        if hang is None:
            return None
        if pulse is None or not heartbeat.watched:
            self.forget(life)
            return None
        found = hang.inspected(pulse, heartbeat, now, whole=True)
        if hang.look_at is None:
            hang.look_at = now + EVERY
        if hang.certainty(heartbeat) < SURE:
            return None
        self.forget(life)
        return found
