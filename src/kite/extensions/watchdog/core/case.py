"""One replica's case: what is known of it, what speaks against it, what has been said."""

from __future__ import annotations

import enum
from collections import deque
from typing import Final, Literal

from kite.extensions.watchdog.core.actions import Say
from kite.extensions.watchdog.core.judgement import Health, Outcome, judge, told
from kite.extensions.watchdog.core.thresholds import Thresholds
from kite.hang import Evidence, Hang, Heartbeat
from kite.pulse import Pulse

KEPT_EVIDENCE: Final = 8


class State(enum.Enum):
    """Where a case stands."""

    ABSENT = "absent"
    """It does not run: nothing is asked, nothing is counted."""
    HEALTHY = "healthy"
    SUSPECT = "suspect"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    """A restart has been asked for and the new life is not ready yet."""


class Case:
    """One place of a module, as long as it exists: most modules have one, each replica has its own.

    Duties: three kinds of evidence are counted, each in a row: answers of the endpoint, intervals
    without a lease, and looks at its process (`hang`); each convicts alone. A good answer clears the
    one, a registration the other, and being heard the third.
    Each verdict is said once. Nothing of a life speaks against the next one.

    Args:
        replica: which of the module's places it is.
        patience: a factor on everything before a restart.
        may_restart: whether a restart is ever asked for.
    """

    def __init__(
        self,
        name: str,
        thresholds: Thresholds,
        *,
        replica: int = 0,
        patience: int = 1,
        may_restart: bool = True,
    ) -> None:
        self.name = name
        self.replica = replica
        self.life: int | None = None
        self.running = False
        self.url: str | None = None
        self.pid: int | None = None
        self.heartbeat: Heartbeat | None = None
        self.hang = Hang(thresholds.hang)
        self.entry_life: int | None = None
        self.lease_lost = False
        self.asked: int | None = None
        self.unasked = 0
        self.said = Health.HEALTHY
        self.restarts = 0
        self.restarting_until: float | None = None
        self._thresholds = thresholds
        self._patience = patience
        self._may_restart = may_restart and thresholds.restarts
        self._ask_failures = 0
        self._beat_failures = 0
        self._degraded = False
        self._answered = False
        self._well_since: float | None = None
        self._ready_at = 0.0
        self._evidence: deque[Evidence] = deque(maxlen=KEPT_EVIDENCE)

    @property
    def failures(self) -> int:
        """In a row, of the kind that has more."""
        sure = self.hang.certainty(self.heartbeat) if self.heartbeat is not None else 0
        hung = self._thresholds.hung_as(sure)
        # Who computes or is starved renews no lease either; how long that may last `hang` knows.
        missed = 0 if self.hang.is_excused else self._beat_failures
        return max(self._ask_failures, missed, hung)

    @property
    def state(self) -> State:
        if self.restarting_until is not None:
            return State.RESTARTING
        if not self.running:
            return State.ABSENT
        if self.failures >= self._thresholds.failures:
            return State.UNHEALTHY
        return State.SUSPECT if self.failures or self.hang.is_suspect else State.HEALTHY

    @property
    def is_watched(self) -> bool:
        """Whether anything is asked and counted now."""
        return self.running and self.restarting_until is None

    @property
    def answers_well(self) -> bool:
        """Whether its endpoint was asked, and all was well."""
        is_well = self._answered and not self._degraded and not self._ask_failures
        return is_well and self.said is Health.HEALTHY

    @property
    def wants_restart(self) -> bool:
        """Whether it has stayed unhealthy for long enough."""
        if not (self._may_restart and self.is_watched and self.said is Health.UNHEALTHY):
            return False
        return self.failures >= self._thresholds.restart_at(self.restarts, self._patience)

    # -- what is known ---------------------------------------------------------------------------

    def started(self, life: int | None, *, pid: int | None = None, now: float = 0.0) -> None:
        """A life is ready."""
        if _is_earlier(life, self.life):
            return
        self._take_life(life)
        self.running = True
        self.pid = pid
        self._ready_at = now
        self.restarting_until = None
        self.start_afresh()
        self.lease_lost = False

    def follows(self, former: Case) -> None:
        """Another life was in this place before, and is the same patient."""
        self.restarts, self.said = former.restarts, former.said

    def ended(self, life: int | None) -> None:
        """A life is no longer, or not yet, the Watchdog's business."""
        if _is_earlier(life, self.life):
            return
        self._take_life(life)
        self.running = False
        self.pid = None
        self.start_afresh()
        self.lease_lost = False

    def _take_life(self, life: int | None) -> None:
        """What was said of another life does not hold for this one."""
        if life != self.life:
            self.hang.clear()
            self.heartbeat = None
        self.life = life

    def known(self, pid: int | None, heartbeat: Heartbeat) -> None:
        """The Launcher has told about its process and its manifest."""
        self.pid = pid
        self.heartbeat = heartbeat

    def is_of(self, life: int | None) -> bool:
        """Whether something that was said of this life is said of the present one."""
        return life is None or self.life is None or life == self.life

    def registered(self, life: int | None, url: str | None) -> None:
        """There is an entry."""
        if _is_earlier(life, self.entry_life):
            return
        if url != self.url:
            self._ask_failures = 0
            self._answered = False
            self.asked = None
        self.url = url
        self.entry_life = life
        self.lease_lost = False
        self._beat_failures = 0

    def deregistered(self, life: int | None) -> None:
        """The entry has gone on purpose: there is nothing to ask and no lease to miss."""
        if _is_earlier(life, self.entry_life):
            return
        self.url = None
        self.entry_life = None
        self.asked = None
        self.lease_lost = False
        self._ask_failures = self._beat_failures = 0

    def expired(self, life: int | None, now: float) -> None:
        """No heartbeat has come in time: as much as `failures` missed ones."""
        if _is_earlier(life, self.entry_life):
            return
        if not self.is_watched:
            self.deregistered(life)
            return
        self.lease_lost = True
        self._beat_failures = max(self._beat_failures, self._thresholds.failures)
        self._note(Evidence(kind="heartbeat", at=now, what={"detail": "its lease has ended"}))

    def lease_unknown(self, life: int | None) -> None:
        """Its lease ended while the Watchdog could not run: that counts from now on only."""
        if not _is_earlier(life, self.entry_life) and self.is_watched:
            self.lease_lost = True

    # -- what is measured ------------------------------------------------------------------------

    def start_afresh(self) -> None:
        """Nothing that was measured so far counts any more."""
        self.hang.forget()
        self.asked = None
        self._ask_failures = self._beat_failures = 0
        self._degraded = False
        self._answered = False
        self._well_since = None
        self._evidence.clear()

    def missed_interval(self, now: float) -> None:
        """Another interval has passed; without a lease it speaks against the module."""
        if self.lease_lost:
            self._beat_failures += 1
            what: dict[str, str | int | float] = {"detail": "it is not registered again"}
            self._note(Evidence(kind="heartbeat", at=now, what=what))

    @property
    def wants_lookup(self) -> bool:
        """Whether something must be known about it before it can be judged by its process."""
        return self.is_watched and (
            (self.pid is None and self.heartbeat is None)
            or (self.heartbeat is None and (self.hang.is_silent or self.hang.is_suspect))
        )

    def wants_inspection(self, now: float) -> bool:
        """Whether its process is to be looked at when it is time."""
        beat = self.heartbeat or Heartbeat()
        is_due = now - self._ready_at >= beat.start_period
        return self.is_watched and beat.watched and is_due and self.pid is not None

    def inspected(self, pulse: Pulse | None, now: float, *, whole: bool) -> None:
        """Its process was looked at."""
        found = self.hang.inspected(pulse, self.heartbeat or Heartbeat(), now, whole=whole)
        if found is not None:
            self._note(found)

    def answered(self, outcome: Outcome, now: float) -> None:
        """Its endpoint was asked."""
        health = judge(outcome)
        if health is None:
            return
        self._answered = True
        self.unasked = 0
        self._degraded = health is Health.DEGRADED
        self._ask_failures = self._ask_failures + 1 if health is Health.UNHEALTHY else 0
        if health is not Health.HEALTHY:
            what: dict[str, str | int | float] = {"url": self.url or "", **told(outcome)}
            self._note(Evidence(kind="endpoint", at=now, what=what))

    def conclude(self, now: float) -> list[Say]:
        """What there is to say that has not been said."""
        if not self.is_watched:
            return []
        if self.failures >= self._thresholds.failures:
            self._well_since = None
            return self._turn(Health.UNHEALTHY)
        if self.failures or self.hang.is_suspect:
            self._well_since = None
            return []
        if self._degraded or self.hang.is_degraded:
            self._well_since = None
            return self._turn(Health.DEGRADED)
        if self.url is not None and not self._answered:
            return []
        if self._well_since is None:
            self._well_since = now
        if now - self._well_since >= self._thresholds.forget_after:
            self.restarts = 0
        said = self._turn(Health.HEALTHY)
        self._evidence.clear()
        return said

    def restart(self, now: float) -> Say:
        """A restart is asked for now."""
        said = self.say("restarting")
        self.restarts += 1
        self.restarting_until = now + self._thresholds.grace
        return said

    def restart_over(self, *, counts: bool) -> None:
        """The restart did not come about; `counts` as one that did not help."""
        if self.restarting_until is None:
            return
        self.restarting_until = None
        if counts:
            self.start_afresh()
        else:
            self.restarts -= 1

    def say(self, verdict: Literal["unhealthy", "degraded", "healthy", "restarting"]) -> Say:
        """The verdict with its evidence."""
        return Say(
            verdict=verdict,
            module=self.name,
            life=self.life,
            pid=self.pid,
            failures=self.failures,
            restarts=self.restarts,
            evidence=tuple(self._evidence),
            replica=self.replica,
        )

    def _turn(self, health: Health) -> list[Say]:
        if self.said is health:
            return []
        self.said = health
        return [self.say(health.value)]

    def _note(self, evidence: Evidence) -> None:
        self._evidence.append(evidence)


def _is_earlier(life: int | None, than: int | None) -> bool:
    return life is not None and than is not None and life < than
