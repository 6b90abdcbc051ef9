"""Registry and Event Hub: CONTRACT, section 4 and "Core crashes"."""

from __future__ import annotations

import pytest

from kite.launcher.core.backbone import Backbone
from kite.launcher.core.backbone_words import (
    Begin,
    BootHub,
    ConnectHub,
    CoreAction,
    CoreExited,
    CoreLost,
    CoreReady,
    CoreRestartAsked,
    CoresEnded,
    CoresEnding,
    CoreSpoke,
    EndCore,
    Fatal,
    Halted,
    Note,
    OpenDoors,
    SayLost,
    SayRestored,
    SettleCore,
    SpawnCore,
    StartOver,
    TellTokens,
    TimePassed,
    TokensAcked,
)
from kite.launcher.core.pair import HUB, REGISTRY, Stage


class Spine:
    """A backbone whose time stands still until a test moves it. Notes are kept apart."""

    def __init__(self, *, full: bool = False) -> None:
        self.now = 100.0
        self.backbone = Backbone(full_on_crash=full)
        self.notes: list[str] = []

    def tell(self, fact: object) -> list[CoreAction]:
        actions = self.backbone.handle(fact, self.now)  # type: ignore[arg-type]
        self.notes += [f"{a.event} {a.name}" for a in actions if isinstance(a, Note)]
        return [a for a in actions if not isinstance(a, Note)]

    def life(self, name: str) -> int:
        return self.backbone.cores[name].life

    def stage(self, name: str) -> Stage:
        return self.backbone.cores[name].stage

    def spoke(self, name: str) -> list[CoreAction]:
        return self.tell(CoreSpoke(name, self.life(name)))

    def acked(self) -> list[CoreAction]:
        return self.tell(TokensAcked(self.life(REGISTRY), self.life(HUB)))

    def ready(self, name: str) -> list[CoreAction]:
        return self.tell(CoreReady(name, self.life(name)))

    def exited(self, name: str) -> list[CoreAction]:
        return self.tell(CoreExited(name, self.life(name), "signal 9"))

    def wait(self, seconds: float) -> list[CoreAction]:
        end, done = self.now + seconds, []
        while (due := self.backbone.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            done += self.tell(TimePassed())
        self.now = end
        return [*done, *self.tell(TimePassed())]

    def spoken(self) -> None:
        self.tell(Begin())
        self.spoke(REGISTRY)
        self.acked()
        self.spoke(HUB)

    def come_up(self) -> None:
        self.spoken()
        self.ready(HUB)
        self.ready(REGISTRY)
        assert self.backbone.is_up

    def revive(self, name: str) -> list[CoreAction]:
        """The next life of one comes up; the actions of that."""
        done = self.spoke(name) if name == REGISTRY else []
        done += self.acked()
        if name == HUB:
            done += self.spoke(HUB)
        return done + self.ready(name)


@pytest.fixture
def spine() -> Spine:
    """It has just come up for the first time."""
    found = Spine()
    found.come_up()
    return found


# -- the start --------------------------------------------------------------------------------


def test_the_order_of_a_start() -> None:
    spine = Spine()
    assert spine.tell(Begin()) == [SpawnCore(REGISTRY, 1), SpawnCore(HUB, 1)]
    assert spine.spoke(REGISTRY) == [TellTokens(1)]
    assert spine.acked() == [BootHub(1)]
    assert spine.spoke(HUB) == [ConnectHub(1)]
    assert spine.ready(HUB) == [SayRestored()]
    assert spine.ready(REGISTRY) == [OpenDoors()]
    assert spine.notes == [
        "starting registry",
        "starting event_hub",
        "started event_hub",
        "started registry",
    ]
    assert spine.backbone.next_deadline() is None


def test_no_boot_line_for_the_hub_before_the_registry_knows_its_token() -> None:
    spine = Spine()
    spine.tell(Begin())
    spine.spoke(REGISTRY)
    assert spine.tell(TokensAcked(1, 0)) == [], "an answer that did not name this Hub"
    assert spine.tell(TokensAcked(0, 1)) == [], "an answer of another Registry"
    assert spine.acked() == [BootHub(1)]
    assert spine.acked() == [], "it has one"


@pytest.mark.parametrize("who", [REGISTRY, HUB])
def test_who_does_not_speak_in_6_s_is_fatal_at_the_first_start(who: str) -> None:
    spine = Spine()
    spine.tell(Begin())
    if who == HUB:
        spine.spoke(REGISTRY)
        spine.acked()
    assert spine.wait(5.999) == []
    [fatal] = spine.wait(0.001)
    assert isinstance(fatal, Fatal)
    assert (fatal.status, fatal.code, fatal.params["module"]) == (4, "core_not_ready", who)
    assert spine.backbone.next_deadline() is None
    assert spine.exited(HUB) == []


def test_a_start_that_was_suspended_as_a_whole_goes_on() -> None:
    spine = Spine()
    spine.tell(Begin())
    spine.now += 60.0
    assert spine.tell(TimePassed(late=54.0)) == []
    assert spine.wait(5.9) == []
    [fatal, *_] = spine.wait(0.2)
    assert isinstance(fatal, Fatal)


@pytest.mark.parametrize("who", [REGISTRY, HUB])
def test_an_exit_before_the_line_counts_as_that(who: str) -> None:
    spine = Spine()
    spine.tell(Begin())
    [fatal] = spine.exited(who)
    assert isinstance(fatal, Fatal)
    assert (fatal.status, fatal.params["module"]) == (4, who)
    assert "signal 9" in fatal.params["detail"]


def test_the_hubs_15_s_count_from_the_start_of_its_process() -> None:
    spine = Spine()
    spine.tell(Begin())
    spine.wait(5)
    spine.spoke(REGISTRY)
    spine.acked()
    spine.spoke(HUB)
    assert spine.wait(9.999) == []
    [fatal] = spine.wait(0.001)
    assert isinstance(fatal, Fatal)
    assert (fatal.status, fatal.params["module"]) == (4, HUB)


def test_the_registrys_12_s_count_from_the_hubs_ready_and_are_not_fatal() -> None:
    spine = Spine()
    spine.spoken()
    assert spine.wait(14.0) == []
    spine.ready(HUB)
    assert spine.wait(11.999) == []
    assert spine.wait(0.001) == [OpenDoors()]
    registry = spine.backbone.cores[REGISTRY]
    assert (registry.stage, registry.error is None) == (Stage.SPOKEN, False)
    assert spine.wait(1000) == []
    assert spine.ready(REGISTRY) == [], "the doors are open already"
    assert (registry.stage, registry.error) == (Stage.READY, None)


def test_a_hub_that_dies_takes_the_registrys_12_s_with_it() -> None:
    """They count from the Hub's ready, and the next Hub has not said it yet."""
    spine = Spine()
    spine.spoken()
    spine.ready(HUB)
    spine.wait(10)
    assert spine.exited(HUB) == [SayLost(HUB), SpawnCore(HUB, 2), TellTokens(1)]
    assert spine.wait(3) == []
    assert spine.acked() == [BootHub(2)]
    spine.spoke(HUB)
    assert spine.ready(HUB) == [SayRestored()]
    assert spine.wait(11.999) == []
    assert spine.wait(0.001) == [OpenDoors()]


def test_a_registry_that_dies_before_it_was_ever_ready_has_12_s_again() -> None:
    spine = Spine()
    spine.spoken()
    spine.ready(HUB)
    assert spine.exited(REGISTRY) == [SayLost(REGISTRY), SpawnCore(REGISTRY, 2)]
    assert spine.spoke(REGISTRY) == [TellTokens(2)]
    assert spine.acked() == [SayRestored()]
    assert spine.wait(11.999) == []
    assert spine.wait(0.001) == [OpenDoors()]


def test_a_hub_that_dies_before_the_doors_open_is_restarted_alone() -> None:
    spine = Spine()
    spine.spoken()
    assert spine.exited(HUB) == [SpawnCore(HUB, 2), TellTokens(1)]
    assert spine.acked() == [BootHub(2)]
    spine.spoke(HUB)
    spine.ready(HUB)
    assert spine.ready(REGISTRY) == [OpenDoors()]


# -- isolated restarts ------------------------------------------------------------------------


def test_a_registry_that_crashes_is_restarted_alone(spine: Spine) -> None:
    assert spine.tell(CoreLost(REGISTRY, 1)) == [SayLost(REGISTRY)]
    assert not spine.backbone.is_up
    assert spine.exited(REGISTRY) == [SpawnCore(REGISTRY, 2)]
    assert spine.spoke(REGISTRY) == [TellTokens(2)]
    assert spine.acked() == [SayRestored()]
    assert spine.ready(REGISTRY) == []
    assert spine.life(HUB) == 1
    assert spine.backbone.cores[REGISTRY].restarts == 1


def test_a_hub_that_crashes_is_restarted_alone(spine: Spine) -> None:
    assert spine.tell(CoreLost(HUB, 1)) == [SayLost(HUB)]
    assert spine.exited(HUB) == [SpawnCore(HUB, 2), TellTokens(1)]
    assert spine.acked() == [BootHub(2)]
    assert spine.spoke(HUB) == [ConnectHub(2)]
    assert spine.ready(HUB) == [SayRestored()]
    assert spine.life(REGISTRY) == 1


def test_both_down_registry_tokens_hub_connection_registry(spine: Spine) -> None:
    assert spine.tell(CoreLost(HUB, 1)) == [SayLost(HUB)]
    assert spine.tell(CoreLost(REGISTRY, 1)) == [], "it is said once"
    assert spine.exited(HUB) == [], "nobody is there to be told its token"
    assert spine.tell(CoreRestartAsked(HUB, 1)) == [], "that comes anyway"
    assert spine.exited(REGISTRY) == [SpawnCore(REGISTRY, 2)]
    assert spine.spoke(REGISTRY) == [TellTokens(2)]
    assert spine.acked() == [SpawnCore(HUB, 2), TellTokens(2)]
    assert spine.acked() == [BootHub(2)]
    assert spine.spoke(HUB) == [ConnectHub(2)]
    assert spine.ready(HUB) == [SettleCore(1), SayRestored()]
    assert spine.ready(REGISTRY) == []


def test_both_down_the_hubs_time_does_not_run_while_the_registry_takes_its_own(
    spine: Spine,
) -> None:
    spine.tell(CoreLost(REGISTRY, 1))
    spine.exited(HUB)
    spine.exited(REGISTRY)
    assert spine.wait(5.9) == []
    spine.spoke(REGISTRY)
    assert spine.wait(5.9) == []
    spine.acked()
    assert spine.wait(5.9) == []
    assert spine.acked() == [BootHub(2)]


def test_a_hub_that_loses_the_registry_before_it_knows_its_token_has_6_s_again(
    spine: Spine,
) -> None:
    assert spine.exited(HUB) == [SayLost(HUB), SpawnCore(HUB, 2), TellTokens(1)]
    spine.wait(5)
    assert spine.exited(REGISTRY) == [SpawnCore(REGISTRY, 2)]
    assert spine.wait(5.9) == []
    spine.spoke(REGISTRY)
    assert spine.wait(5.9) == []
    assert spine.acked() == [BootHub(2)]
    spine.spoke(HUB)
    assert spine.wait(9) == [], "the 15 s begin anew as well"
    assert isinstance(spine.wait(0.2)[0], StartOver)


def test_a_registry_that_does_not_take_the_tokens_starts_everything_over(spine: Spine) -> None:
    """Else nobody would ever spawn the Hub that waits for that."""
    spine.exited(REGISTRY)
    spine.spoke(REGISTRY)
    spine.exited(HUB)
    [over] = spine.wait(6)
    assert isinstance(over, StartOver)
    assert "tokens" in over.reason
    spine.come_up()
    spine.tell(CoreLost(REGISTRY, spine.life(REGISTRY)))
    spine.exited(HUB)
    spine.exited(REGISTRY)
    spine.spoke(REGISTRY)
    [over] = spine.wait(6)
    assert isinstance(over, StartOver)


def test_before_the_doors_open_both_are_spawned_side_by_side() -> None:
    spine = Spine()
    spine.spoken()
    assert spine.exited(HUB) == [SpawnCore(HUB, 2), TellTokens(1)]
    spine.exited(REGISTRY)
    assert SpawnCore(HUB, 2) not in spine.acked()


def test_it_is_restored_when_the_hub_is_ready_and_the_registry_knows_everybody(
    spine: Spine,
) -> None:
    spine.exited(HUB)
    spine.acked()
    spine.spoke(HUB)
    assert spine.exited(REGISTRY) == [SpawnCore(REGISTRY, 2)]
    assert spine.ready(HUB) == [], "the Registry is away"
    spine.spoke(REGISTRY)
    assert spine.acked() == [SayRestored()]


def test_a_lost_one_restores_nothing(spine: Spine) -> None:
    """Between a death and the end of its sweep late words arrive."""
    spine.exited(HUB)
    spine.acked()
    spine.spoke(HUB)
    spine.tell(CoreLost(HUB, 2))
    assert spine.ready(HUB) == []
    assert not spine.backbone.is_up
    assert spine.exited(HUB) == [SpawnCore(HUB, 3), TellTokens(1)]


def test_the_third_death_within_60_s_starts_everything_over(spine: Spine) -> None:
    for _ in range(2):
        assert not any(isinstance(a, StartOver) for a in spine.exited(HUB))
        spine.revive(HUB)
        spine.wait(29.9)
    [*_, over] = spine.exited(HUB)
    assert isinstance(over, StartOver)
    assert spine.backbone.next_deadline() is None


def test_deaths_further_apart_are_forgiven(spine: Spine) -> None:
    for _ in range(10):
        assert not any(isinstance(a, StartOver) for a in spine.exited(HUB))
        spine.revive(HUB)
        spine.wait(30.0)


def test_deaths_of_the_two_are_counted_apart(spine: Spine) -> None:
    for _ in range(2):
        for name in (HUB, REGISTRY):
            assert not any(isinstance(a, StartOver) for a in spine.exited(name))
            spine.revive(name)
    assert spine.backbone.is_up


@pytest.mark.parametrize("who", [REGISTRY, HUB])
def test_an_isolated_restart_that_misses_its_6_s_starts_everything_over(
    spine: Spine, who: str
) -> None:
    spine.exited(who)
    if who == HUB:
        spine.acked()
    assert spine.wait(5.999) == []
    [over] = spine.wait(0.001)
    assert isinstance(over, StartOver)
    assert who in over.reason


@pytest.mark.parametrize("who", [REGISTRY, HUB])
def test_an_isolated_restart_that_dies_before_it_speaks_starts_everything_over(
    spine: Spine, who: str
) -> None:
    spine.exited(who)
    [over] = spine.exited(who)
    assert isinstance(over, StartOver)


def test_a_hub_that_is_not_ready_in_15_s_starts_everything_over(spine: Spine) -> None:
    spine.exited(HUB)
    spine.acked()
    spine.wait(3)
    spine.spoke(HUB)
    assert spine.wait(11.999) == []
    [over] = spine.wait(0.001)
    assert isinstance(over, StartOver)


def test_a_registry_that_is_not_ready_again_only_has_an_error(spine: Spine) -> None:
    spine.exited(REGISTRY)
    spine.spoke(REGISTRY)
    spine.acked()
    assert spine.wait(12) == []
    assert spine.backbone.cores[REGISTRY].error is not None
    assert spine.backbone.is_up


@pytest.mark.parametrize("who", [REGISTRY, HUB])
def test_on_core_crash_full(who: str) -> None:
    spine = Spine(full=True)
    spine.come_up()
    [lost, over] = spine.exited(who)
    assert lost == SayLost(who)
    assert isinstance(over, StartOver)


def test_it_spoke_before_it_died_though_it_was_heard_after() -> None:
    """A last line is read after the death is known: that was no exit before the line."""
    spine = Spine()
    spine.tell(Begin())
    spine.tell(CoreLost(REGISTRY, 1))
    assert spine.spoke(REGISTRY) == []
    assert spine.exited(REGISTRY) == [SpawnCore(REGISTRY, 2)]


# -- full restarts ----------------------------------------------------------------------------


def over_and_again(spine: Spine) -> list[CoreAction]:
    """Everything has stopped and begins again."""
    return spine.tell(Begin())


def test_a_full_restart_begins_with_the_next_lives(spine: Spine) -> None:
    spine.exited(HUB)
    spine.exited(HUB)
    assert spine.exited(REGISTRY) == [], "it is being ended"
    assert over_and_again(spine) == [SpawnCore(REGISTRY, 2), SpawnCore(HUB, 3)]
    assert [spine.backbone.cores[name].restarts for name in (REGISTRY, HUB)] == [1, 2]
    assert spine.tell(CoreExited(REGISTRY, 1, "late")) == []
    spine.spoke(REGISTRY)
    spine.acked()
    spine.spoke(HUB)
    spine.ready(HUB)
    assert spine.ready(REGISTRY) == [OpenDoors()]


def test_deaths_before_a_full_restart_are_forgotten(spine: Spine) -> None:
    for _ in range(2):
        spine.exited(HUB)
        spine.revive(HUB)
    spine.exited(HUB)
    over_and_again(spine)
    spine.spoke(REGISTRY)
    spine.revive(HUB)
    spine.ready(REGISTRY)
    assert not any(isinstance(a, StartOver) for a in spine.exited(HUB))


def test_the_third_full_restart_within_10_min_leaves_with_1(spine: Spine) -> None:
    for pause in (0.0, 0.0):
        spine.exited(HUB)
        [over] = spine.exited(HUB)
        assert isinstance(over, StartOver)
        spine.wait(pause)
        over_and_again(spine)
        spine.spoke(REGISTRY)
        spine.revive(HUB)
        spine.ready(REGISTRY)
        spine.wait(299.9)
    spine.exited(HUB)
    [fatal] = spine.exited(HUB)
    assert isinstance(fatal, Fatal)
    assert (fatal.status, fatal.code) == (1, "core_keeps_crashing")


def test_full_restarts_further_apart_go_on(spine: Spine) -> None:
    for _ in range(8):
        spine.exited(HUB)
        [over] = spine.exited(HUB)
        assert isinstance(over, StartOver)
        over_and_again(spine)
        spine.spoke(REGISTRY)
        spine.revive(HUB)
        spine.ready(REGISTRY)
        spine.wait(300.0)


def test_a_full_restart_that_misses_counts_and_is_followed_by_the_next(spine: Spine) -> None:
    spine.exited(REGISTRY)
    [over] = spine.wait(6)
    assert isinstance(over, StartOver)
    over_and_again(spine)
    [again] = spine.wait(6)
    assert isinstance(again, StartOver)
    over_and_again(spine)
    [fatal] = spine.exited(REGISTRY)
    assert isinstance(fatal, Fatal)
    assert fatal.status == 1


# -- restarts that somebody asks for ----------------------------------------------------------


@pytest.mark.parametrize("who", [REGISTRY, HUB])
def test_a_restart_that_is_asked_for(spine: Spine, who: str) -> None:
    assert spine.tell(CoreRestartAsked(who, 7)) == [EndCore(who, 1)]
    assert spine.backbone.is_up, "it lives until it has ended"
    done = spine.exited(who)
    assert done[:2] == [SayLost(who), SpawnCore(who, 2)]
    assert SettleCore(7) in spine.revive(who)
    assert spine.backbone.is_up


def test_asked_restarts_are_no_deaths(spine: Spine) -> None:
    for _ in range(5):
        spine.tell(CoreRestartAsked(HUB))
        assert not any(isinstance(a, StartOver) for a in spine.exited(HUB))
        spine.revive(HUB)
    assert "core_crash event_hub" not in spine.notes


def test_asked_while_it_is_being_restarted(spine: Spine) -> None:
    spine.tell(CoreRestartAsked(HUB, 1))
    assert spine.tell(CoreRestartAsked(HUB, 2)) == [SettleCore(1, "superseded")]
    spine.exited(HUB)
    assert SettleCore(2) in spine.revive(HUB)


def test_the_words_of_a_life_that_is_to_end_do_not_settle_its_restart(spine: Spine) -> None:
    """The Registry has spoken and was not ready yet when its restart was asked for."""
    spine.exited(REGISTRY)
    spine.spoke(REGISTRY)
    spine.acked()
    spine.tell(CoreRestartAsked(REGISTRY, 3))
    assert spine.ready(REGISTRY) == []
    assert spine.exited(REGISTRY)[-1] == SpawnCore(REGISTRY, 3)
    assert SettleCore(3) in spine.revive(REGISTRY)


def test_what_is_to_end_anyway_misses_nothing(spine: Spine) -> None:
    spine.exited(HUB)
    spine.tell(CoreRestartAsked(HUB, 3))
    spine.acked()
    assert spine.spoke(HUB) == []
    assert spine.wait(60) == []


def test_a_full_restart_is_also_the_restart_that_was_asked_for(spine: Spine) -> None:
    """Whoever waits is answered when the next life is ready."""
    spine.tell(CoreRestartAsked(HUB, 3))
    spine.exited(REGISTRY)
    [over] = spine.exited(REGISTRY)
    assert isinstance(over, StartOver)
    spine.spoken()
    assert SettleCore(3) in spine.ready(HUB)


def test_asked_in_a_full_restart_it_is_done_when_that_is(spine: Spine) -> None:
    spine.exited(REGISTRY)
    spine.exited(REGISTRY)
    assert spine.tell(CoreRestartAsked(HUB, 3)) == []
    assert spine.tell(CoreRestartAsked(HUB, 4)) == [SettleCore(3, "superseded")]
    assert spine.tell(CoreRestartAsked(REGISTRY)) == []
    spine.spoken()
    assert SettleCore(4) in spine.ready(HUB)


def test_a_stop_in_a_full_restart_answers_whoever_waits_for_it(spine: Spine) -> None:
    spine.exited(REGISTRY)
    spine.exited(REGISTRY)
    spine.tell(CoreRestartAsked(HUB, 3))
    assert spine.tell(Halted()) == [SettleCore(3, "stopping")]
    assert spine.tell(CoreRestartAsked(HUB, 4)) == [SettleCore(4, "stopping")]


def test_the_last_full_restart_answers_whoever_waits_for_it(spine: Spine) -> None:
    for _ in range(2):
        spine.exited(REGISTRY)
        spine.exited(REGISTRY)
        spine.tell(CoreRestartAsked(HUB, 3))
        spine.come_up()
    spine.tell(CoreRestartAsked(HUB, 5))
    spine.exited(REGISTRY)
    assert spine.exited(REGISTRY)[0] == SettleCore(5, "stopping")


def test_a_restart_while_everything_ends_is_refused(spine: Spine) -> None:
    spine.tell(Halted())
    assert spine.tell(CoreRestartAsked(HUB, 9)) == [SettleCore(9, "stopping")]
    assert spine.tell(CoreRestartAsked(HUB)) == []


# -- what lifecycle.jsonl is told -------------------------------------------------------------


def test_the_steps_of_a_restart_that_is_asked_for(spine: Spine) -> None:
    spine.notes.clear()
    spine.tell(CoreRestartAsked(HUB))
    spine.tell(CoreLost(HUB, 1, exit_code=0))
    spine.exited(HUB)
    spine.revive(HUB)
    steps = ("stopping", "exited", "stopped", "starting", "started")
    assert spine.notes == [f"{step} {HUB}" for step in steps]


def test_the_steps_of_a_crash(spine: Spine) -> None:
    spine.notes.clear()
    actions = spine.backbone.handle(CoreLost(REGISTRY, 1, signal=9), spine.now)
    assert Note("exited", REGISTRY, {"life": 1, "exit_code": None, "signal": 9}) in actions
    spine.exited(REGISTRY)
    spine.revive(REGISTRY)
    steps = ("core_crash", "starting", "started")
    assert spine.notes == [f"{step} {REGISTRY}" for step in steps]


def test_the_steps_of_an_end_of_both(spine: Spine) -> None:
    spine.tell(Halted())
    spine.notes.clear()
    spine.tell(CoresEnding("why"))
    for name in (REGISTRY, HUB):
        spine.tell(CoreLost(name, 1, exit_code=0))
    spine.tell(CoresEnded("why"))
    steps = ("stopping", "exited", "stopped")
    assert spine.notes == [f"{step} {name}" for step in steps for name in (REGISTRY, HUB)]
    assert spine.tell(CoresEnded("why")) == []
    assert len(spine.notes) == 6, "they have ended"


def test_one_that_fell_before_its_turn_is_not_said_to_be_stopping(spine: Spine) -> None:
    spine.tell(Halted())
    spine.notes.clear()
    spine.tell(CoreLost(HUB, 1, signal=9))
    spine.exited(HUB)
    spine.tell(CoresEnding("why"))
    spine.tell(CoresEnded("why"))
    assert spine.notes == [
        *("exited event_hub", "stopping registry", "stopped registry", "stopped event_hub"),
    ]


# -- the end ----------------------------------------------------------------------------------


def test_whoever_waits_for_a_restart_is_told_that_everything_stops(spine: Spine) -> None:
    spine.tell(CoreRestartAsked(HUB, 3))
    assert spine.tell(Halted()) == [SettleCore(3, "stopping")]
    assert spine.tell(Halted()) == []


@pytest.mark.parametrize("steps", range(7))
def test_a_stop_in_any_stage_ends_all_deciding(steps: int) -> None:
    spine = Spine()
    for step in (
        lambda: spine.tell(Begin()),
        lambda: spine.spoke(REGISTRY),
        spine.acked,
        lambda: spine.spoke(HUB),
        lambda: spine.ready(HUB),
        lambda: spine.ready(REGISTRY),
    )[:steps]:
        step()
    spine.tell(Halted())
    assert spine.backbone.next_deadline() is None
    assert not spine.backbone.is_up
    for name in (REGISTRY, HUB):
        for fact in (CoreSpoke, CoreReady, CoreLost):
            assert spine.tell(fact(name, spine.life(name))) == []
        assert spine.exited(name) == []
    assert spine.acked() == []
    assert spine.wait(1000) == []


def test_facts_of_earlier_lives_change_nothing(spine: Spine) -> None:
    spine.exited(HUB)
    spine.revive(HUB)
    spine.exited(REGISTRY)
    spine.revive(REGISTRY)
    before = repr(spine.backbone.cores)
    for name in (REGISTRY, HUB):
        for fact in (
            CoreSpoke(name, 1),
            CoreReady(name, 1),
            CoreLost(name, 1),
            CoreExited(name, 1, "late"),
        ):
            assert spine.tell(fact) == []
    assert repr(spine.backbone.cores) == before


def test_what_a_core_module_printed_last_is_told_with_its_crash(spine: Spine) -> None:
    lost = CoreLost(HUB, 1, signal=11, last_lines=("boom",))
    [note] = [each for each in spine.backbone.handle(lost, spine.now) if isinstance(each, Note)]
    assert note.fields["last_lines"] == ["boom"]


def test_what_a_core_module_printed_last_is_of_no_interest_in_a_restart(
    spine: Spine,
) -> None:
    spine.tell(CoreRestartAsked(HUB))
    lost = CoreLost(HUB, 1, signal=15, last_lines=("bye",))
    [note] = [each for each in spine.backbone.handle(lost, spine.now) if isinstance(each, Note)]
    assert "last_lines" not in note.fields
