"""The account of what one module uses, over all its lives: readings and time in, a `Use` out. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

NEAR, FAR = 1.0, 60.0
"""A percentage is over the time since a look that is so many seconds old, at least and at most."""
_SHORTEST = 0.1  # seconds, of a life that has hardly begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a module uses.

    Args:
        cpu_seconds: processor time of all its lives in this instance. Of processes that have ended
            what their parents have waited for is in it.
        cpu_percent: of one core, over the time since the last look that is 1 to 60 s old, else
            since the life began. None where nothing runs.
        memory_bytes: proportional set size of all its processes: what they share among each other
            or with others counts by shares. None where nothing runs.
        processes: how many it has.
    """

    cpu_seconds: float = 0.0
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What the living processes of one life have together."""

    seconds: float
    memory: int
    processes: int


@dataclass(slots=True)
class _Life:
    begun: float
    seconds: float = 0.0  # as last seen


@dataclass(slots=True)
class Account:
    """One module's. Lives are told apart by numbers of the caller's; instants are monotonic seconds.

    Attributes:
        seconds: processor time of all lives. Only ever added to, so that it never falls, not even by
            what a sum in another order would be rounded to.
    """

    seconds: float = 0.0

    _lives: dict[int, _Life] = field(default_factory=dict)
    _looks: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=64))

    def begin(self, life: int, now: float) -> None:
        """A life has begun."""
        self._lives[life] = _Life(now)

    def end(self, life: int, seconds: float) -> None:
        """A life is over, and this is what its leader said last."""
        if (over := self._lives.pop(life, None)) is not None:
            self._see(over, seconds)

    def look(self, readings: Mapping[int, Reading], now: float) -> Use:
        """What it uses, by readings of its lives; of one without a reading nothing is there."""
        living = [
            (life, reading)
            for number, life in self._lives.items()
            if (reading := readings.get(number)) is not None and reading.processes
        ]
        for life, reading in living:
            self._see(life, reading.seconds)
        if not living:
            return Use(cpu_seconds=round(self.seconds, 2))
        return Use(
            cpu_seconds=round(self.seconds, 2),
            cpu_percent=self._percent(now),
            memory_bytes=sum(reading.memory for _, reading in living),
            processes=sum(reading.processes for _, reading in living),
        )

    def _see(self, life: _Life, seconds: float) -> None:
        """Of an orphan that has died nobody says any more what it had used: what was seen stays."""
        if seconds > life.seconds:
            self.seconds += seconds - life.seconds
            life.seconds = seconds

    def _percent(self, now: float) -> float:
        total = self.seconds
        base = next((look for look in reversed(self._looks) if look[0] <= now - NEAR), None)
        if not self._looks or self._looks[-1][0] <= now - NEAR:
            self._looks.append((now, total))
        if base is not None and base[0] >= now - FAR:
            share = (total - base[1]) / (now - base[0])
        else:
            lives = self._lives.values()
            share = sum(life.seconds / max(now - life.begun, _SHORTEST) for life in lives)
        return round(100 * share, 1)
