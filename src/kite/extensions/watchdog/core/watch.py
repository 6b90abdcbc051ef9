"""The Watchdog's decisions about everybody: when to look, what to believe, whom to have restarted."""

from __future__ import annotations

from typing import Any, Final, assert_never

from kite.extensions.watchdog.core.actions import (
    Action,
    Ask,
    Inspect,
    LookUp,
    Restart,
    Say,
    SaySuspended,
)
from kite.extensions.watchdog.core.case import Case
from kite.extensions.watchdog.core.cases import Cases
from kite.extensions.watchdog.core.facts import (
    AskEnded,
    Begun,
    Cut,
    Deregistered,
    Ended,
    Expired,
    Fact,
    HubBegan,
    Inspected,
    Looked,
    Present,
    Registered,
    RestartRefused,
    Sighting,
    Started,
    TimePassed,
)
from kite.extensions.watchdog.core.judgement import Unanswered
from kite.extensions.watchdog.core.thresholds import Thresholds
from kite.pulse import is_at_rest

NEVER_RESTARTED: Final = frozenset({"launcher"})
"""It cannot be asked to restart itself."""

PATIENCE: Final = {"registry": 2, "event_hub": 2}
"""The Launcher mends these when they die; only one that hangs is the Watchdog's, and many depend
on it."""


SELF_EVIDENT: Final = frozenset({"launcher", "registry", "event_hub"})
"""Their endpoints say no more than that their event loops turn. Who is seen to wait for events is
not woken up to say it."""

UNASKED: Final = 60
"""Intervals after which they are asked all the same."""


class Watch:
    """All cases, each life's its own: of several replicas one that stands still is restarted alone.

    Duties: everything is looked at once an interval. When the Watchdog itself was late (it was
    suspended, the machine slept, nothing got to run) all that was measured until then is thrown
    away and counting starts afresh: whoever was not asked cannot have failed to answer. At most one
    restart is asked for in an interval, and none of a life that is not the running one.

    Args:
        own_name: the Watchdog's own; it does not judge itself.
        thresholds: how patient it is.
        now: the present instant.
    """

    def __init__(self, own_name: str, thresholds: Thresholds, now: float) -> None:
        self.cases = Cases(self._open)
        self._own_name = own_name
        self._thresholds = thresholds
        self._due = now + thresholds.interval
        self._asks = 0
        self._has_restarted = False

    def next_deadline(self) -> float:
        """When `TimePassed` is to be said."""
        looks = [
            case.hang.look_at
            for case in self.cases
            if case.hang.look_at is not None and case.is_watched
        ]
        return min([self._due, *looks])

    def handle(self, fact: Fact, now: float) -> list[Action]:
        """Take in a fact; what is to be done."""
        late = now - self._due
        if late > self._thresholds.late:
            self._start_afresh(now)
            if isinstance(fact, Expired):
                if (case := self.cases.find(fact.module, fact.life)) is not None:
                    case.lease_unknown(fact.life)
            elif not isinstance(fact, AskEnded | Inspected | TimePassed):
                self._learn(fact, now)
            return [SaySuspended(seconds=round(late, 3))]
        match fact:
            case TimePassed():
                return self._pass_time(now)
            case AskEnded():
                return self._ask_ended(fact, now)
            case Inspected():
                return self._inspected(fact, now)
            case _:
                self._learn(fact, now)
                return []

    def snapshot(self) -> list[dict[str, Any]]:
        """Every case for people, by name."""
        return [
            {
                "module_id": case.name,
                "life": case.life,
                "replica": case.replica,
                "state": case.state.value,
                "verdict": case.said.value,
                "failures": case.failures,
                "restarts": case.restarts,
                "health_endpoint": case.url,
                "silent": case.hang.is_silent,
            }
            for case in sorted(self.cases, key=lambda case: (case.name, case.replica))
        ]

    # -- inside ----------------------------------------------------------------------------------

    def _pass_time(self, now: float) -> list[Action]:
        if now < self._due:
            return self._look_again(now)
        # The next look counts from when this one was due: an even beat, but never two at once.
        self._due = max(self._due + self._thresholds.interval, now)
        self._has_restarted = False
        actions: list[Action] = []
        for case in self.cases:
            if case.restarting_until is not None and now >= case.restarting_until:
                case.restart_over(counts=True)
            if not case.is_watched:
                continue
            case.missed_interval(now)
            actions += case.conclude(now)
            if not self._may_rest(case, now):
                actions += self._ask(case)
        inspected = self._inspect(list(self.cases), now)
        return actions + inspected + self._restart_one(now)

    def _may_rest(self, case: Case, now: float) -> bool:
        """Whether a look at its process may show that it need not be asked."""
        return (
            case.name in SELF_EVIDENT
            and case.answers_well
            and case.unasked < UNASKED
            and not case.hang.is_silent
            and not case.hang.is_suspect
            and case.wants_inspection(now)
        )

    def _ask(self, case: Case) -> list[Action]:
        if case.url is None or case.asked is not None:
            return []
        self._asks += 1
        case.asked = self._asks
        return [Ask(module=case.name, url=case.url, number=self._asks)]

    def _look_again(self, now: float) -> list[Action]:
        """Look at those whose look is due between two intervals."""
        due = [
            case
            for case in self.cases
            if case.is_watched and case.hang.look_at is not None and case.hang.look_at <= now
        ]
        for case in due:
            if case.hang.look_at is not None and now - case.hang.look_at > self._thresholds.late:
                case.hang.start_afresh(now)
        return self._inspect(due, now)

    def _inspect(self, cases: list[Case], now: float) -> list[Action]:
        actions: list[Action] = []
        wanting = any(case.wants_lookup for case in cases)
        for case in cases:
            if case.hang.look_at is not None and case.hang.look_at <= now:
                case.hang.look_at = (
                    now + self._thresholds.interval
                )  # unless the look says otherwise
            closely = self._may_rest(case, now)
            is_judged = case.name not in NEVER_RESTARTED and case.wants_inspection(now)
            if case.pid is None or not (is_judged or closely):
                continue
            whole = case.hang.is_silent
            actions.append(
                Inspect(
                    module=case.name, life=case.life, pid=case.pid, whole=whole, closely=closely
                )
            )
        return [LookUp(), *actions] if wanting else actions

    def _inspected(self, fact: Inspected, now: float) -> list[Action]:
        case = self.cases.find(fact.module, fact.life)
        if case is None or not case.is_watched:
            return []
        actions: list[Action] = []
        if fact.closely:
            if fact.pulse is not None and is_at_rest(fact.pulse):
                case.unasked += 1
            else:
                actions += self._ask(case)
        if case.name in NEVER_RESTARTED:
            return actions
        case.inspected(fact.pulse, now, whole=fact.whole)
        actions += case.conclude(now)
        if case.wants_lookup:
            actions.append(LookUp())
        if case.wants_restart and not self._has_restarted:
            actions += self._restart(case, now)
        return actions

    def _restart_one(self, now: float) -> list[Action]:
        wanting = [case for case in self.cases if case.wants_restart]
        if not wanting:
            return []
        return self._restart(max(wanting, key=lambda case: case.failures), now)

    def _restart(self, case: Case, now: float) -> list[Action]:
        self._has_restarted = True
        said: Say = case.restart(now)
        return [said, Restart(module=case.name, life=case.life)]

    def _ask_ended(self, fact: AskEnded, now: float) -> list[Action]:
        case = next((c for c in self.cases.of(fact.module) if c.asked == fact.number), None)
        if case is None:
            return []
        case.asked = None
        # A timeout that is noticed late was the Watchdog's, not the module's.
        allowed = self._thresholds.timeout + self._thresholds.late
        if isinstance(fact.outcome, Unanswered) and now - fact.began > allowed:
            return []
        if not case.is_watched:
            return []
        case.answered(fact.outcome, now)
        return list[Action](case.conclude(now))

    def _start_afresh(self, now: float) -> None:
        self._due = now + self._thresholds.interval
        for case in self.cases:
            case.start_afresh()
            case.hang.start_afresh(now)
            if case.restarting_until is not None:
                case.restarting_until = now + self._thresholds.grace

    def _learn(
        self,
        fact: (
            Looked
            | Started
            | Begun
            | Ended
            | Registered
            | Deregistered
            | Expired
            | Present
            | Cut
            | HubBegan
            | RestartRefused
        ),
        now: float,
    ) -> None:
        if isinstance(fact, Looked):
            self._look(fact, now)
            return
        if isinstance(fact, HubBegan):
            for each in self.cases:
                each.hang.clear()
            return
        if fact.module == self._own_name:
            return
        if isinstance(fact, Started | Begun):
            case = self.cases.place(fact.module, fact.life, fact.replica)
            if isinstance(fact, Started):
                case.started(fact.life, pid=fact.pid, now=now)
                self.cases.take_over(case)
            else:
                case.ended(fact.life)
            return
        is_word = isinstance(fact, Registered | Present)
        meet = self.cases.meet if is_word else self.cases.find
        if (found := meet(fact.module, fact.life)) is not None:
            self._learn_of(found, fact, now)

    def _learn_of(
        self,
        case: Case,
        fact: Ended | Registered | Deregistered | Expired | Present | Cut | RestartRefused,
        now: float,
    ) -> None:
        match fact:
            case Ended():
                case.ended(fact.life)
                self.cases.leave(case)
            case Registered():
                case.registered(fact.life, fact.url)
            case Deregistered():
                case.deregistered(fact.life)
            case Expired():
                case.expired(fact.life, now)
            case Present():
                case.hang.present(fact.connections, fact.silent, fact.seconds, now)
            case Cut():
                case.hang.cut()
            case RestartRefused():
                case.restart_over(counts=not fact.again)
            case _:
                assert_never(fact)

    def _look(self, fact: Looked, now: float) -> None:
        for sighting in fact.sightings:
            if sighting.name != self._own_name:
                self._sight(sighting, now)
        self.cases.keep({(sighting.name, sighting.life) for sighting in fact.sightings})

    def _sight(self, sighting: Sighting, now: float) -> None:
        case = self.cases.place(sighting.name, sighting.life, sighting.replica)
        if not sighting.running:
            case.ended(sighting.life)
        elif not case.running or case.life != sighting.life:
            case.started(sighting.life, pid=sighting.pid, now=now)
        if sighting.running and case.is_of(sighting.life):
            case.known(sighting.pid, sighting.heartbeat)
        if sighting.registered:
            case.registered(case.entry_life, sighting.url)
        elif sighting.registered is False and not case.lease_lost:
            case.deregistered(case.entry_life)

    def _open(self, name: str, replica: int) -> Case:
        return Case(
            name,
            self._thresholds,
            replica=replica,
            patience=PATIENCE.get(name, 1),
            may_restart=name not in NEVER_RESTARTED,
        )
