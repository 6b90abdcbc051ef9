"""Whom the Watchdog takes for hung: stopped and asleep, and neither busy, starved, debugged nor paused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kite.extensions.watchdog.core.actions import Inspect, LookUp, Restart, Say, SaySuspended
from kite.extensions.watchdog.core.facts import (
    Cut,
    Expired,
    HubBegan,
    Inspected,
    Looked,
    Present,
    Registered,
    Sighting,
    Started,
    TimePassed,
)
from kite.extensions.watchdog.core.thresholds import Thresholds
from kite.extensions.watchdog.core.watch import Watch
from kite.hang import Condition, Heartbeat, condition
from kite.pulse import Pulse, is_starved

SILENCE = 12.5
"""Seconds from a hang to the Hub's word of it, at the worst."""


USUAL = Heartbeat()


class Process:
    """What `/proc` would say of a module, as time passes."""

    def __init__(self, does: str = "idles") -> None:
        self.does = does
        self._at = 0.0
        self._cpu = 0.0
        self._starved = 0.0

    def pulse(self, now: float) -> Pulse:
        passed, self._at = now - self._at, now
        self._cpu += passed * {"computes": 0.9, "starves": 0.02}.get(self.does, 0.0)
        self._starved += passed * {"starves": 0.97, "computes": 0.5}.get(self.does, 0.0)
        is_ready = self.does in ("computes", "starves")
        return Pulse(
            state={"is stopped": "T", "is debugged": "t", "reads": "D"}.get(
                self.does, "R" if is_ready else "S"
            ),
            is_traced=self.does == "is debugged",
            started=1,
            wait={"deadlocks": "futex_do_wait", "idles": "do_epoll_wait"}.get(self.does, ""),
            cpu=self._cpu,
            starved=self._starved,
            wants_cpu=is_ready,
            is_stuck=self.does == "reads",
        )


class Ward:
    """A Watch with modules that have a process and a connection each."""

    def __init__(self, heartbeat: Heartbeat = USUAL, **thresholds: object) -> None:
        self.now = 1000.0
        self.watch = Watch("watchdog", Thresholds(**thresholds), self.now)  # type: ignore[arg-type]
        self.processes: dict[str, Process] = {}
        self.heartbeat = heartbeat
        self.said: list[tuple[float, str, str]] = []
        self.evidence: list[dict[str, object]] = []
        self.restarts: list[tuple[float, str]] = []
        self.lookups = 0

    def module(self, name: str = "m", does: str = "idles") -> Process:
        self.processes[name] = Process(does)
        self.feed(Started(module=name, life=1, pid=100))
        return self.processes[name]

    def silent(self, name: str = "m", connections: int = 1, silent: int = 1) -> None:
        self.feed(Present(module=name, life=1, connections=connections, silent=silent, seconds=7.5))

    def feed(self, fact: object) -> None:
        for action in self.watch.handle(fact, self.now):  # type: ignore[arg-type]
            match action:
                case Inspect(module=name):
                    pulse = self.processes[name].pulse(self.now)
                    self.feed(Inspected(module=name, life=1, whole=action.whole, pulse=pulse))
                case LookUp():
                    self.lookups += 1
                    self.feed(Looked(sightings=tuple(self._sighting(n) for n in self.processes)))
                case Say():
                    self.said.append((self.now, action.verdict, action.module))
                    self.evidence = [dict(each.what) for each in action.evidence]
                case Restart(module=name):
                    self.restarts.append((self.now, name))
                case SaySuspended():
                    self.said.append((self.now, "suspended", ""))

    def _sighting(self, name: str) -> Sighting:
        return Sighting(
            name=name,
            life=1,
            running=True,
            registered=False,
            url=None,
            pid=100,
            heartbeat=self.heartbeat,
        )

    def passes(self, seconds: float) -> None:
        end = self.now + seconds
        while (next_look := self.watch.next_deadline()) <= end:
            self.now = max(self.now, next_look)
            self.feed(TimePassed())
        self.now = end

    def verdicts(self) -> list[str]:
        return [verdict for _, verdict, _ in self.said]


def test_a_stopped_process_is_declared_within_15_s_and_restarted_soon_after() -> None:
    ward = Ward()
    process = ward.module()
    ward.passes(60.1)
    hung_at, process.does = ward.now, "is stopped"
    ward.passes(40.0)
    assert ward.verdicts()[:2] == ["unhealthy", "restarting"]
    assert ward.said[0][0] - hung_at <= 10.0
    assert ward.restarts[0][0] - hung_at <= 15.0
    assert ward.evidence[-1]["condition"] == "stopped"


def test_a_deadlock_is_declared_within_15_s() -> None:
    ward = Ward()
    process = ward.module()
    ward.passes(60.1)
    hung_at, process.does = ward.now, "deadlocks"
    ward.passes(SILENCE)
    ward.silent()
    ward.passes(20.0)
    assert ward.verdicts()[:2] == ["unhealthy", "restarting"]
    assert ward.said[0][0] - hung_at <= 15.0
    assert ward.evidence[-1]["condition"] == "asleep"
    assert ward.evidence[-1]["wait"] == "futex_do_wait"


def test_who_computes_is_degraded_and_restarted_only_after_much_longer() -> None:
    ward = Ward()
    ward.module(does="computes")
    ward.silent()
    ward.passes(50.0)
    assert ward.verdicts() == ["degraded"]
    ward.passes(20.0)
    assert ward.verdicts()[:3] == ["degraded", "unhealthy", "restarting"]


@pytest.mark.parametrize("does", ["reads", "idles"])
def test_who_waits_for_a_disk_or_does_not_read_is_degraded_for_ever(does: str) -> None:
    ward = Ward()
    ward.module(does=does)
    ward.silent()
    ward.passes(600.0)
    assert ward.verdicts() == ["degraded"]


@pytest.mark.parametrize("does", ["is debugged", "starves"])
def test_who_is_debugged_or_starved_is_left_alone(does: str) -> None:
    ward = Ward()
    ward.module(does=does)
    ward.silent()
    ward.passes(600.0)
    assert ward.verdicts() == []


def test_one_connection_that_answers_is_enough() -> None:
    ward = Ward()
    ward.module(does="deadlocks")
    ward.silent(connections=2, silent=1)
    ward.passes(100.0)
    assert ward.verdicts() == []
    ward.silent(connections=1, silent=1)  # the one that answered is gone
    ward.passes(10.0)
    assert "unhealthy" in ward.verdicts()


def test_who_is_heard_again_is_well() -> None:
    ward = Ward(restarts=False)
    process = ward.module(does="deadlocks")
    ward.silent()
    ward.passes(30.0)
    process.does = "idles"
    ward.silent(silent=0)
    ward.passes(10.0)
    assert ward.verdicts() == ["unhealthy", "healthy"]


def test_a_manifest_excuses() -> None:
    ward = Ward(Heartbeat(watched=False))
    ward.module("asleep", "deadlocks")
    ward.module("stopped", "is stopped")
    ward.silent("asleep")
    ward.passes(300.0)
    assert ward.verdicts() == []


def test_a_manifest_wants_more_failures() -> None:
    ward = Ward(Heartbeat(failures=6))
    ward.module(does="deadlocks")
    ward.silent()
    ward.passes(19.0)
    assert ward.verdicts() == []
    ward.passes(11.0)
    assert ward.verdicts()[0] == "unhealthy"


def test_a_manifest_that_names_seconds_asks_not_why() -> None:
    ward = Ward(Heartbeat(seconds=20.0))
    ward.module(does="idles")
    ward.silent()
    ward.passes(10.0)
    assert ward.verdicts() == ["degraded"]
    ward.passes(20.0)
    assert ward.verdicts()[1:3] == ["unhealthy", "restarting"]


def test_a_start_period_is_waited_for() -> None:
    ward = Ward(Heartbeat(start_period=100.0))
    ward.module(does="deadlocks")
    ward.passes(1.0)
    ward.feed(Looked(sightings=(ward._sighting("m"),)))
    ward.silent()
    ward.passes(90.0)
    assert ward.verdicts() == []
    ward.passes(30.0)
    assert ward.verdicts()[0] == "unhealthy"


def test_who_was_cut_and_does_not_come_back_is_looked_at() -> None:
    ward = Ward()
    ward.module("asleep", "deadlocks")
    ward.module("back", "deadlocks")
    ward.module("left", "deadlocks")
    for name in ("asleep", "back"):
        ward.feed(Cut(module=name))
    for name in ("asleep", "back", "left"):
        ward.feed(Present(module=name, life=1, connections=0, silent=0))
    ward.passes(5.0)
    ward.feed(Present(module="back", life=1, connections=1, silent=0))
    ward.passes(30.0)
    assert {name for _, _, name in ward.said} == {"asleep"}


def test_what_the_hub_has_said_is_forgotten_when_it_begins_anew() -> None:
    ward = Ward()
    ward.module(does="deadlocks")
    ward.silent()
    ward.feed(HubBegan())
    ward.passes(60.0)
    assert ward.verdicts() == []


def test_the_launcher_is_asked_only_where_something_speaks_against_a_module() -> None:
    ward = Ward()
    for name in ("a", "b", "c"):
        ward.module(name)
    ward.passes(300.0)
    assert ward.lookups == 0
    ward.silent("a")
    ward.passes(1.0)
    assert ward.lookups == 1


def test_the_core_is_restarted_with_more_patience() -> None:
    ward = Ward()
    ward.module("event_hub", "is stopped")
    ward.module("m", "is stopped")
    ward.passes(20.0)
    assert [name for _, name in ward.restarts] == ["m"]
    ward.passes(60.0)
    assert "event_hub" in [name for _, name in ward.restarts]


@pytest.mark.parametrize("does", ["computes", "starves", "idles"])
def test_a_lease_that_ends_meanwhile_does_not_count_where_the_process_excuses(does: str) -> None:
    ward = Ward()
    ward.module(does=does)
    ward.feed(Registered(module="m", life=1, url=None))
    ward.silent()
    ward.passes(20.0)
    ward.feed(Expired(module="m", life=1))
    ward.passes(20.0)
    assert "unhealthy" not in ward.verdicts()


@given(
    pauses=st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(1.01, 1e5)), min_size=1, max_size=6),
    told=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_pauses_of_the_machine_kill_nobody(pauses: list[tuple[float, float]], told: bool) -> None:
    """Everything stands still for any time, any number of times, and the modules go on a moment
    later than the Watchdog does."""
    ward = Ward()
    process = ward.module()
    for before, pause in pauses:
        ward.passes(before)
        process.does = "is stopped"
        ward.now = max(ward.now, ward.watch.next_deadline()) + pause
        if told:
            ward.silent()
        ward.feed(TimePassed())
        process.does = "idles"
        if told:
            ward.silent(silent=0)
    ward.passes(60.0)
    assert ward.restarts == []
    assert "unhealthy" not in ward.verdicts()


def test_conditions() -> None:
    calm = Pulse(state="S", started=5, cpu=1.0, starved=1.0, wait="futex_do_wait")

    def later(**changed: object) -> Pulse:
        return Pulse(
            **{"state": "S", "started": 5, "cpu": 1.0, "starved": 1.0, "wait": "futex", **changed}  # type: ignore[arg-type]
        )

    assert condition(None, calm, 0.0) is Condition.MOVING
    assert condition(calm, later(), 1.5) is Condition.ASLEEP
    assert condition(calm, later(started=6), 1.5) is Condition.MOVING
    assert condition(calm, later(state="Z"), 1.5) is Condition.MOVING
    assert condition(calm, later(cpu=1.02), 1.5) is Condition.ASLEEP
    assert condition(calm, later(cpu=1.5), 1.5) is Condition.BUSY
    assert condition(calm, later(wants_cpu=True), 1.5) is Condition.STARVED
    assert condition(calm, later(cpu=1.05, starved=2.4), 1.5) is Condition.STARVED
    assert condition(calm, later(state="D", is_stuck=True), 1.5) is Condition.STUCK
    assert condition(calm, later(wait="do_freezer_trap"), 1.5) is Condition.STUCK
    assert condition(calm, later(wait="ep_poll"), 1.5) is Condition.WAITING
    assert condition(calm, later(state="T"), 1.5) is Condition.STOPPED
    assert condition(None, later(state="T"), 0.0) is Condition.STOPPED
    assert condition(calm, later(state="T", is_traced=True), 1.5) is Condition.TRACED


def test_two_threads_that_take_turns_are_not_starved() -> None:
    before, after = Pulse(state="R"), Pulse(state="R", cpu=10.0, starved=10.0)
    assert not is_starved(before, after, 10.0)
    assert is_starved(before, Pulse(state="R", cpu=0.3, starved=9.0), 10.0)
