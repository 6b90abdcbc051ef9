"""The Watchdog's decisions: when it asks, what it believes, whom it has restarted."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kite.extensions.watchdog.core.actions import (
    Action,
    Ask,
    Inspect,
    Restart,
    Say,
    SaySuspended,
)
from kite.extensions.watchdog.core.facts import (
    AskEnded,
    Deregistered,
    Ended,
    Expired,
    Inspected,
    Looked,
    Registered,
    RestartRefused,
    Sighting,
    Started,
    TimePassed,
)
from kite.extensions.watchdog.core.judgement import Answered, Outcome, Unanswered
from kite.extensions.watchdog.core.thresholds import Thresholds
from kite.extensions.watchdog.core.watch import UNASKED, Watch
from kite.pulse import Pulse

INTERVAL = 5.0
GOOD = Answered(status=200)
BAD = Answered(status=500)
SILENT = Unanswered(detail="no answer within 2 s")


class Bench:
    """A Watch with the time and with modules that answer as told."""

    def __init__(self, **thresholds: object) -> None:
        self.now = 100.0
        self.watch = Watch("watchdog", Thresholds(**thresholds), self.now)  # type: ignore[arg-type]
        self.outcomes: dict[str, Outcome] = {}
        self.restarts: list[tuple[float, str]] = []
        self.said: list[tuple[str, str]] = []
        self.suspensions: list[float] = []
        self.asked: list[str] = []
        self.pulses: dict[str, Pulse | None] = {}

    def module(self, name: str, outcome: Outcome | None = GOOD, *, life: int = 1) -> None:
        self.feed(Started(module=name, life=life))
        if outcome is not None:
            self.outcomes[name] = outcome
            self.feed(Registered(module=name, life=life, url=f"http://127.0.0.1:1/{name}"))

    def feed(self, fact: object) -> list[Action]:
        actions = self.watch.handle(fact, self.now)  # type: ignore[arg-type]
        for action in actions:
            match action:
                case Restart():
                    self.restarts.append((self.now, action.module))
                case Say():
                    self.said.append((action.verdict, action.module))
                case SaySuspended():
                    self.suspensions.append(action.seconds)
                case Ask():
                    self.asked.append(action.module)
        return actions

    def asks(self) -> list[Ask]:
        """The questions of the next look."""
        return [action for action in self.feed(TimePassed()) if isinstance(action, Ask)]

    def answer(self, ask: Ask, outcome: Outcome, *, after: float = 0.0) -> None:
        began = self.now
        self.now += after
        self.feed(AskEnded(module=ask.module, number=ask.number, began=began, outcome=outcome))

    def intervals(self, count: int) -> None:
        for _ in range(count):
            self.now = max(self.now, self.watch.next_deadline())
            actions = self.feed(TimePassed())
            for action in actions:
                if isinstance(action, Ask):
                    self.answer(action, self.outcomes[action.module])
                elif isinstance(action, Inspect) and action.module in self.pulses:
                    actions += self.feed(self._inspected(action))

    def _inspected(self, action: Inspect) -> Inspected:
        return Inspected(
            module=action.module,
            life=action.life,
            whole=action.whole,
            closely=action.closely,
            pulse=self.pulses[action.module],
        )


def test_everything_with_an_endpoint_is_asked_once_an_interval() -> None:
    bench = Bench()
    bench.module("a")
    bench.module("b")
    bench.module("mute", None)
    bench.intervals(3)
    assert bench.asked == ["a", "b"] * 3
    assert bench.said == []


def core(bench: Bench, name: str = "registry") -> None:
    sighting = Sighting(
        name=name,
        life=1,
        running=True,
        registered=True,
        url=f"http://127.0.0.1:1/{name}",
        pid=4711,
    )
    bench.outcomes[name] = GOOD
    bench.feed(Looked(sightings=(sighting,)))


REST = Pulse(state="S", wait="do_epoll_wait")


def test_core_modules_that_are_seen_at_rest_are_asked_once_in_a_while() -> None:
    for name in ("launcher", "registry", "event_hub"):
        bench = Bench()
        core(bench, name)
        bench.pulses[name] = REST
        bench.intervals(1 + 2 * (UNASKED + 1))
        assert bench.asked == [name] * 3
        assert bench.said == []


def test_core_modules_that_are_not_seen_at_rest_are_asked() -> None:
    for pulse in (
        Pulse(state="S", wait="futex_wait"),
        Pulse(state="R"),
        Pulse(state="S"),
        Pulse(state="R", wait="do_epoll_wait"),
        None,
    ):
        bench = Bench()
        core(bench)
        bench.pulses["registry"] = pulse
        bench.intervals(4)
        assert bench.asked == ["registry"] * 4


def test_a_core_module_that_hangs_after_rest_is_asked_at_the_next_look() -> None:
    bench = Bench()
    core(bench)
    bench.pulses["registry"] = REST
    bench.intervals(10)
    assert len(bench.asked) == 1
    bench.pulses["registry"] = Pulse(state="S", wait="futex_wait")
    bench.outcomes["registry"] = SILENT
    bench.intervals(3)
    assert bench.said == [("unhealthy", "registry")]


def test_a_core_module_that_answered_badly_is_asked_whatever_it_is_seen_to_do() -> None:
    bench = Bench()
    core(bench)
    bench.pulses["registry"] = REST
    bench.outcomes["registry"] = BAD
    bench.intervals(5)
    assert bench.asked == ["registry"] * 5


def test_a_module_that_is_no_core_module_is_asked_even_at_rest() -> None:
    bench = Bench()
    core(bench, "mine")
    bench.pulses["mine"] = REST
    bench.intervals(5)
    assert bench.asked == ["mine"] * 5


def test_a_question_that_is_open_is_not_asked_again() -> None:
    bench = Bench(timeout=60.0)
    bench.module("slow")
    for _ in range(3):
        bench.now = bench.watch.next_deadline()
        bench.feed(TimePassed())
    assert bench.asked == ["slow"]


def test_what_stays_unhealthy_is_restarted_once_and_watched_again_when_it_is_ready() -> None:
    bench = Bench()
    bench.module("m", BAD)
    bench.intervals(30)
    assert bench.said[:2] == [("unhealthy", "m"), ("restarting", "m")]
    assert len(bench.restarts) == 2  # the second after the grace, since no new life came
    bench.feed(Ended(module="m", life=1))
    bench.module("m", GOOD, life=2)
    bench.intervals(1)
    assert bench.said[-1] == ("healthy", "m")


def test_what_a_restart_does_not_help_is_restarted_at_growing_intervals() -> None:
    bench = Bench()
    bench.module("m", BAD)
    life = 1
    for _ in range(200):
        before = len(bench.restarts)
        bench.intervals(1)
        if len(bench.restarts) > before:
            bench.feed(Ended(module="m", life=life))
            life += 1
            bench.module("m", BAD, life=life)
    times = [at for at, _ in bench.restarts]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == sorted(gaps)
    assert gaps[0] >= 7 * INTERVAL
    assert len(times) <= 7


def test_one_restart_an_interval_the_worst_first() -> None:
    bench = Bench()
    bench.module("worst", BAD)
    bench.intervals(1)
    for name in ("a", "b", "c"):
        bench.module(name, BAD)
    bench.intervals(12)
    assert [name for _, name in bench.restarts] == ["worst", "a", "b", "c"]
    times = [at for at, _ in bench.restarts]
    assert len(set(times)) == 4


def test_the_launcher_is_never_and_the_hub_more_patiently_restarted() -> None:
    bench = Bench()
    for name in ("launcher", "event_hub", "m"):
        bench.module(name, BAD)
    bench.intervals(9)
    assert [name for _, name in bench.restarts] == ["m"]
    bench.intervals(2)
    assert [name for _, name in bench.restarts] == ["m", "event_hub"]
    bench.intervals(300)
    assert "launcher" not in [name for _, name in bench.restarts]
    assert ("unhealthy", "launcher") in bench.said


def test_the_watchdog_does_not_judge_itself() -> None:
    bench = Bench()
    bench.module("watchdog", BAD)
    bench.feed(Expired(module="watchdog", life=1))
    bench.intervals(20)
    assert bench.asked == []
    assert bench.said == []


def test_a_lost_lease_is_unhealthy_at_the_next_look_and_restarted_when_it_stays() -> None:
    bench = Bench()
    bench.module("m", None)
    bench.feed(Registered(module="m", life=1, url=None))
    bench.feed(Expired(module="m", life=1))
    assert bench.said == []
    bench.intervals(1)
    assert bench.said == [("unhealthy", "m")]
    bench.intervals(1)
    assert [name for _, name in bench.restarts] == ["m"]


def test_who_registers_again_before_the_next_look_was_only_late() -> None:
    bench = Bench()
    bench.module("m", GOOD)
    bench.feed(Expired(module="m", life=1))
    bench.module("m", GOOD)
    bench.intervals(5)
    assert bench.said == []


def test_a_lease_that_ends_when_nothing_runs_means_nothing() -> None:
    bench = Bench()
    bench.module("m", GOOD)
    bench.feed(Ended(module="m", life=1))
    bench.feed(Expired(module="m", life=1))
    bench.intervals(20)
    assert bench.said == []
    assert bench.asked == []


def test_after_a_suspension_counting_starts_afresh() -> None:
    bench = Bench()
    bench.module("m", BAD)
    bench.intervals(4)
    assert bench.said == [("unhealthy", "m")]
    bench.now = bench.watch.next_deadline() + 3600.0
    bench.feed(TimePassed())
    assert bench.suspensions == [3600.0]
    assert bench.watch.next_deadline() == bench.now + INTERVAL
    bench.intervals(4)
    assert bench.restarts == []
    bench.intervals(2)
    assert len(bench.restarts) == 1


def test_an_answer_that_was_open_during_a_suspension_counts_for_nothing() -> None:
    bench = Bench()
    bench.module("m")
    bench.now = bench.watch.next_deadline()
    (ask,) = bench.asks()
    bench.answer(ask, SILENT, after=60.0)
    assert bench.suspensions == [55.0]
    assert bench.watch.snapshot()[0]["failures"] == 0


def test_a_timeout_noticed_late_counts_for_nothing() -> None:
    bench = Bench()
    bench.module("m")
    for _ in range(10):
        bench.now = bench.watch.next_deadline()
        (ask,) = bench.asks()
        bench.answer(ask, SILENT, after=4.0)
    assert bench.said == []
    assert bench.suspensions == []


def test_a_lease_that_ended_during_a_suspension_counts_from_then_on() -> None:
    bench = Bench()
    bench.module("m", None)
    bench.feed(Registered(module="m", life=1, url=None))
    bench.now = bench.watch.next_deadline() + 40.0
    bench.feed(Expired(module="m", life=1))
    assert bench.suspensions == [40.0]
    bench.intervals(2)
    assert bench.said == []
    bench.intervals(1)
    assert bench.said == [("unhealthy", "m")]


def test_what_is_learnt_right_after_a_suspension_is_kept() -> None:
    bench = Bench()
    bench.now = bench.watch.next_deadline() + 40.0
    bench.module("m", GOOD)
    bench.intervals(1)
    assert bench.asked == ["m"]


def test_a_look_corrects_everything() -> None:
    bench = Bench()
    bench.module("gone")
    bench.module("stopped")
    bench.module("kept", BAD)
    bench.intervals(2)
    bench.feed(
        Looked(
            sightings=(
                Sighting(name="stopped", life=1, running=False, registered=False, url=None),
                Sighting(
                    name="kept",
                    life=1,
                    running=True,
                    registered=True,
                    url="http://127.0.0.1:1/kept",
                ),
                Sighting(name="new", life=4, running=True, registered=True, url="http://x/h"),
                Sighting(name="watchdog", life=1, running=True, registered=True, url="http://x/h"),
            )
        )
    )
    states = {row["module_id"]: (row["state"], row["failures"]) for row in bench.watch.snapshot()}
    assert states == {"stopped": ("absent", 0), "kept": ("suspect", 2), "new": ("healthy", 0)}
    bench.outcomes["new"] = GOOD
    bench.asked.clear()
    bench.intervals(1)
    assert bench.asked == ["kept", "new"]


def test_an_entry_taken_out_on_purpose_is_asked_no_more() -> None:
    bench = Bench()
    bench.module("m", BAD)
    bench.intervals(2)
    bench.feed(Deregistered(module="m", life=1))
    bench.asked.clear()
    bench.intervals(20)
    assert bench.asked == []
    assert bench.restarts == []


def test_a_refused_restart_is_not_asked_for_at_once_again() -> None:
    bench = Bench()
    bench.module("m", BAD)
    bench.intervals(6)
    assert len(bench.restarts) == 1
    bench.feed(RestartRefused(module="m", again=False))
    bench.intervals(7)
    assert len(bench.restarts) == 1
    bench.intervals(1)
    assert len(bench.restarts) == 2
    bench.feed(RestartRefused(module="m", again=True))
    bench.intervals(1)
    assert len(bench.restarts) == 3


@given(
    gap=st.floats(1.01, 1e6),
    before=st.lists(st.sampled_from([GOOD, BAD, SILENT]), max_size=12),
    expires=st.booleans(),
    failures=st.integers(1, 5),
    further=st.integers(1, 5),
)
@settings(max_examples=200)
def test_no_restart_is_asked_for_within_n_intervals_of_a_suspension(
    gap: float, before: list[Outcome], expires: bool, failures: int, further: int
) -> None:
    """Whatever was seen before, however long it was, whatever is seen right after."""
    bench = Bench(failures=failures, restart_after=further)
    bench.module("m")
    for outcome in before:
        bench.outcomes["m"] = outcome
        bench.intervals(1)
    count = len(bench.restarts)
    bench.now = bench.watch.next_deadline() + gap
    bench.feed(Expired(module="m", life=1) if expires else TimePassed())
    assert len(bench.suspensions) == 1
    bench.outcomes["m"] = BAD
    bench.intervals(failures + further - 1)
    assert len(bench.restarts) == count


class WatchMachine(RuleBasedStateMachine):
    """Any order of facts: restarts only of what runs, was seen failing often enough, and rarely."""

    NAMES = ("a", "b", "launcher")

    @initialize()
    def begin(self) -> None:
        self.bench = Bench()
        self.lives = dict.fromkeys(self.NAMES, 0)
        self.running: set[str] = set()
        self.bad_since: dict[str, int] = dict.fromkeys(self.NAMES, 0)
        self.open: list[Ask] = []
        self.seen = 0

    def feed(self, fact: object) -> None:
        suspended = len(self.bench.suspensions)
        for action in self.bench.feed(fact):
            if isinstance(action, Ask):
                self.open.append(action)
                assert action.module in self.running
            if isinstance(action, Restart):
                assert action.module in self.running
                assert action.module != "launcher"
                assert action.life == self.lives[action.module]
                assert self.bad_since[action.module] >= 5
        if len(self.bench.suspensions) > suspended:
            self.bad_since = dict.fromkeys(self.NAMES, 0)

    @rule(name=st.sampled_from(NAMES))
    def starts(self, name: str) -> None:
        self.lives[name] += 1
        self.running.add(name)
        self.bad_since[name] = 0
        self.feed(Started(module=name, life=self.lives[name]))
        url = f"http://127.0.0.1:1/{name}"
        self.feed(Registered(module=name, life=self.lives[name], url=url))

    @rule(name=st.sampled_from(NAMES))
    def ends(self, name: str) -> None:
        self.running.discard(name)
        self.feed(Ended(module=name, life=self.lives[name]))

    @rule()
    def passes(self) -> None:
        self.bench.now = max(self.bench.now, self.bench.watch.next_deadline())
        self.feed(TimePassed())

    @rule(seconds=st.floats(0.0, 20.0))
    def is_late(self, seconds: float) -> None:
        self.bench.now = max(self.bench.now, self.bench.watch.next_deadline()) + seconds
        self.feed(TimePassed())

    @precondition(lambda self: self.open)
    @rule(outcome=st.sampled_from([GOOD, BAD, SILENT]), which=st.integers(0, 9))
    def ends_asking(self, outcome: Outcome, which: int) -> None:
        ask = self.open.pop(which % len(self.open))
        if outcome is GOOD:
            self.bad_since[ask.module] = 0
        else:
            self.bad_since[ask.module] += 1
        now = self.bench.now
        self.feed(AskEnded(module=ask.module, number=ask.number, began=now, outcome=outcome))

    @invariant()
    def restarts_are_rare(self) -> None:
        times = [at for at, _ in self.bench.restarts]
        assert len(times) == len(set(times))


TestWatchMachine = WatchMachine.TestCase
