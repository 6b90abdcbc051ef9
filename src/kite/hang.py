"""Whether a module stands still: what its connections and its process say together. Pure.

The Watchdog judges every module so, and the Launcher the Watchdog.
"""

from __future__ import annotations

import enum
from typing import Final, Literal

import msgspec

from kite.pulse import Pulse, is_loop, is_starved

NEEDED: Final = 2
"""Looks in a row that must find a module hung; that its connections are silent is the first."""

IDLE_SHARE: Final = 0.01
IDLE_TICK: Final = 0.01
"""A tree that uses less of a processor than the share, and a tick of the kernel's clock, is idle."""

_FROZEN: Final = ("freez", "refrigerator")


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """How a module that stands still is judged, as its manifest says (`health.heartbeat`).

    Args:
        watched: False: not at all, neither by its process nor by its connections.
        seconds: it must be heard on a connection to the Event Hub at least so often; None: it is
            judged by what its process does while it is not heard.
        failures: so many looks in a row must find it hung; None: as many as `NEEDED`.
        start_period: seconds after ready in which it may be silent.
    """

    watched: bool = True
    seconds: float | None = None
    failures: int | None = None
    start_period: float = 0.0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was observed.

    Args:
        kind: `endpoint` (it was asked), `heartbeat` (its lease has ended), `connection` (its
            connections to the Hub are silent) or `process` (it is stopped).
        at: the instant, on the clock of whoever looked.
        what: `url` and `http_status`, `status` or `detail`; of the last two kinds what its process
            does.
    """

    kind: Literal["endpoint", "heartbeat", "connection", "process"]
    at: float
    what: dict[str, str | int | float]


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long is waited for what. Seconds.

    Args:
        again: from the first look at a silent module's process to the second.
        busy: for which a module that computes may be silent before it counts as hung.
        awaited: that a module which was cut off has for coming back.
    """

    again: float = 1.5
    busy: float = 60.0
    awaited: float = 10.0


class Condition(enum.Enum):
    """What a process does."""

    STOPPED = "stopped"
    """By SIGSTOP or a terminal."""
    TRACED = "traced"
    """Somebody debugs it."""
    ASLEEP = "asleep"
    """All its threads wait, and none of them for events: a deadlock, or a call that does not return."""
    BUSY = "busy"
    """It computes."""
    STARVED = "starved"
    """It would run, and gets no processor."""
    STUCK = "stuck"
    """It waits for a disk or the like, or was frozen from outside."""
    WAITING = "waiting"
    """Its event loop waits for events, and only its connections to the Hub are not read."""
    MOVING = "moving"
    """Not known yet, or it has done something else meanwhile."""


_DEGRADED: Final = frozenset({Condition.BUSY, Condition.STUCK, Condition.WAITING})
_EXCUSED: Final = frozenset({Condition.TRACED, Condition.STARVED, Condition.MOVING})


def condition(before: Pulse | None, after: Pulse, seconds: float) -> Condition:  # noqa: PLR0911 - a table
    """What a process does, by two looks at it that are so many seconds apart."""
    if after.is_traced:
        return Condition.TRACED
    if after.state == "T":
        return Condition.STOPPED
    if after.state in "ZXx" or before is None or before.started != after.started or seconds <= 0:
        return Condition.MOVING
    if is_starved(before, after, seconds):
        return Condition.STARVED
    if after.cpu - before.cpu > IDLE_SHARE * seconds + IDLE_TICK:
        return Condition.BUSY
    if after.wants_cpu:
        return Condition.STARVED
    if after.is_stuck or any(word in after.wait for word in _FROZEN):
        return Condition.STUCK
    if is_loop(after.wait):
        return Condition.WAITING
    return Condition.ASLEEP


class Hang:
    """What speaks for it that one life stands still.

    Duties: a process that is stopped is hung whether or not it has connections. One whose
    connections are all silent is hung when it sleeps, or computes for too long; who computes, waits
    for a disk or only does not read from the Hub is degraded; who is debugged or starved is neither.

    Attributes:
        look_at: when its process is to be looked at next, apart from every interval.
        is_degraded: whether it cannot be called well.
        is_excused: whether what its process does explains why it is not heard, here or by the
            Registry, and is no hang.
    """

    def __init__(self, patience: Patience) -> None:
        self.look_at: float | None = None
        self.is_degraded = False
        self.is_excused = False
        self._patience = patience
        self._looks = 0
        self._hung_looks = 0
        self._silent_since: float | None = None
        self._was_cut = False
        self._before: Pulse | None = None
        self._before_at = 0.0

    @property
    def is_silent(self) -> bool:
        """Whether all its connections are."""
        return self._silent_since is not None

    @property
    def is_suspect(self) -> bool:
        """Whether the last look found it hung."""
        return self._hung_looks > 0

    def certainty(self, heartbeat: Heartbeat) -> int:
        """0: it may be well yet; 1: it is hung; more: so many looks in a row confirm that."""
        return max(0, self._hung_looks - (heartbeat.failures or NEEDED) + 1)

    def forget(self) -> None:
        """Nothing that was measured counts any more; a silence that was told lasts."""
        self._looks = self._hung_looks = 0
        self._before = None
        self.is_degraded = self.is_excused = False
        self.look_at = None

    def clear(self) -> None:
        """It is heard, or nothing is known of it."""
        self._silent_since = None
        self._was_cut = False
        self.forget()

    def start_afresh(self, now: float) -> None:
        """Time has passed in which nobody could be looked at."""
        self.forget()
        if self._silent_since is not None:
            self._silent_since = now
            self.look_at = now + self._patience.again

    def present(self, connections: int, silent: int, seconds: float, now: float) -> None:
        """The Hub has said how many connections it has, and how many are silent."""
        if connections == 0:
            if self._was_cut and self._silent_since is None:
                self._fall_silent(now, look_at=now + self._patience.awaited)
            elif self._silent_since is None:
                self.clear()
        elif silent < connections:
            self.clear()
        elif self._silent_since is None:
            self._fall_silent(now - seconds, look_at=now)

    def cut(self) -> None:
        """The Hub has ended a connection that took too little."""
        self._was_cut = True

    def inspected(
        self, pulse: Pulse | None, heartbeat: Heartbeat, now: float, *, whole: bool
    ) -> Evidence | None:
        """Its process was looked at; what speaks against it."""
        seconds = now - self._before_at
        is_too_soon = self._before is not None and seconds < self._patience.again / 2
        if pulse is None or is_too_soon or (self.is_silent and not whole):
            return None
        found = condition(self._before, pulse, seconds)
        before, self._before, self._before_at = self._before, pulse, now
        if self._silent_since is None:
            return self._judge_alone(found, pulse, now)
        self.look_at = now + self._patience.again if self._looks == 0 else None
        self._looks += 1
        silence = now - self._silent_since
        is_hung = (
            found in (Condition.STOPPED, Condition.ASLEEP)
            or (found is Condition.BUSY and silence >= self._patience.busy)
            or (
                heartbeat.seconds is not None
                and silence >= heartbeat.seconds
                and found not in _EXCUSED
            )
        )
        self.is_degraded = not is_hung and found in _DEGRADED
        self.is_excused = self.is_degraded or found in (Condition.TRACED, Condition.STARVED)
        if is_hung:
            # One look alone may have come in the very moment in which a pause of everything ended.
            least = 0 if before is None else NEEDED - 1
            self._hung_looks = max(self._hung_looks, least) + 1
        elif found is not Condition.MOVING:
            self._hung_looks = 0
        if not (is_hung or self.is_degraded):
            return None
        used = pulse.cpu - before.cpu if before is not None else 0.0
        what = {"seconds_silent": round(silence, 1), **_told(found, pulse, used, seconds)}
        return Evidence(kind="connection", at=now, what=what)

    def _judge_alone(self, found: Condition, pulse: Pulse, now: float) -> Evidence | None:
        if found is not Condition.STOPPED:
            self._hung_looks = 0
            return None
        self._hung_looks += 1
        return Evidence(
            kind="process", at=now, what={"condition": found.value, "state": pulse.state}
        )

    def _fall_silent(self, since: float, *, look_at: float) -> None:
        self.forget()
        self._silent_since = since
        self.look_at = look_at


def _told(
    found: Condition, pulse: Pulse, used: float, seconds: float
) -> dict[str, str | int | float]:
    return {
        "condition": found.value,
        "state": pulse.state,
        "wait": pulse.wait,
        "cpu_seconds": round(used, 3),
        "within_seconds": round(seconds, 1),
        "cpu_total": pulse.cpu,
        "processes": pulse.processes,
        "threads": pulse.threads,
    }
