"""Which case a fact is about: each replica has its own, from one life to the next."""

from __future__ import annotations

from kite.extensions.watchdog.core.actions import Action, Inspect, Restart, Say
from kite.extensions.watchdog.core.facts import (
    Begun,
    Ended,
    Inspected,
    Looked,
    Present,
    Registered,
    RestartRefused,
    Sighting,
    Started,
    TimePassed,
)
from kite.extensions.watchdog.core.thresholds import Thresholds
from kite.extensions.watchdog.core.watch import Watch
from kite.hang import Heartbeat
from kite.pulse import Pulse

WELL = Pulse(state="S", wait="do_epoll_wait")
STOPPED = Pulse(state="T")


class Crew:
    """A Watch over the replicas of one module; who is in `stopped` does not move."""

    def __init__(self, replicas: int = 3) -> None:
        self.now = 1000.0
        self.watch = Watch("watchdog", Thresholds(), self.now)
        self.stopped: set[int] = set()
        self.said: list[tuple[str, int | None, int]] = []
        self.restarts: list[int | None] = []
        self.pids: list[int] = []
        for replica in range(replicas):
            self.begins(replica + 1, replica)
            self.starts(replica + 1, replica)
        self.sight(*((life, life - 1, True) for life in range(1, replicas + 1)))

    def feed(self, fact: object) -> list[Action]:
        actions = self.watch.handle(fact, self.now)  # type: ignore[arg-type]
        for action in actions:
            match action:
                case Inspect(life=life, pid=pid, whole=whole):
                    self.pids.append(pid)
                    pulse = STOPPED if life in self.stopped else WELL
                    self.feed(Inspected(module="w", life=life, whole=whole, pulse=pulse))
                case Say():
                    self.said.append((action.verdict, action.life, action.replica))
                case Restart(life=life):
                    self.restarts.append(life)
        return actions

    def begins(self, life: int, replica: int) -> None:
        self.feed(Begun(module="w", life=life, replica=replica))

    def starts(self, life: int, replica: int) -> None:
        self.feed(Started(module="w", life=life, replica=replica, pid=100 + life))

    def ends(self, life: int) -> None:
        self.feed(Ended(module="w", life=life))

    def sight(self, *seen: tuple[int, int, bool]) -> None:
        """The Launcher's records: life, replica, whether it runs."""
        found = tuple(
            Sighting(
                name="w",
                life=life,
                replica=replica,
                running=running,
                registered=None,
                url=None,
                pid=100 + life if running else None,
                heartbeat=Heartbeat(),
            )
            for life, replica, running in seen
        )
        self.feed(Looked(sightings=found))

    def intervals(self, count: int) -> None:
        end = self.now + count * 5.0
        while (due := self.watch.next_deadline()) <= end:
            self.now = max(self.now, due)
            self.feed(TimePassed())
        self.now = end

    def rows(self) -> list[tuple[int | None, int, str]]:
        return [(row["life"], row["replica"], row["state"]) for row in self.watch.snapshot()]


def test_every_life_is_looked_at_and_the_one_that_stands_still_is_restarted() -> None:
    crew = Crew()
    crew.stopped = {1}
    crew.intervals(4)
    assert set(crew.pids) == {101, 102, 103}
    assert crew.said == [("unhealthy", 1, 0), ("restarting", 1, 0)]
    assert crew.restarts == [1]
    assert crew.rows() == [(1, 0, "restarting"), (2, 1, "healthy"), (3, 2, "healthy")]


def test_silence_is_that_of_the_life_whose_connections_are_silent() -> None:
    crew = Crew()
    crew.feed(Present(module="w", life=2, connections=1, silent=1, seconds=7.5))
    silent = {row["life"]: row["silent"] for row in crew.watch.snapshot()}
    assert silent == {1: False, 2: True, 3: False}
    crew.feed(Present(module="w", life=3, connections=1, silent=0))
    assert crew.watch.snapshot()[1]["silent"]


def test_the_next_life_in_a_place_is_the_same_patient_and_no_other_is() -> None:
    crew = Crew()
    crew.stopped = {2}
    crew.intervals(4)
    assert crew.restarts == [2]
    crew.ends(2)
    crew.begins(4, 1)
    crew.starts(4, 1)
    assert [row["restarts"] for row in crew.watch.snapshot()] == [0, 1, 0]
    crew.intervals(1)
    assert crew.said[-1] == ("healthy", 4, 1)
    assert crew.rows() == [(1, 0, "healthy"), (4, 1, "healthy"), (3, 2, "healthy")]


def test_at_most_one_replica_is_restarted_in_an_interval() -> None:
    crew = Crew()
    crew.stopped = {1, 2, 3}
    crew.intervals(3)
    assert len(crew.restarts) == 1
    crew.intervals(2)
    assert sorted(crew.restarts) == [1, 2, 3]


def test_a_refusal_is_about_the_life_that_was_meant() -> None:
    crew = Crew()
    crew.stopped = {1, 2}
    crew.intervals(4)
    assert sorted(crew.restarts) == [1, 2]
    crew.feed(RestartRefused(module="w", life=1, again=False))
    assert [row["state"] for row in crew.watch.snapshot()] == ["healthy", "restarting", "healthy"]


def test_in_a_rolling_restart_the_old_life_is_judged_until_the_new_one_is_ready() -> None:
    crew = Crew(1)
    crew.begins(2, 0)
    crew.feed(Registered(module="w", life=2, url="http://127.0.0.1:1/h"))
    assert crew.rows() == [(1, 0, "healthy"), (2, 0, "absent")]
    crew.starts(2, 0)
    assert crew.rows() == [(2, 0, "healthy")]
    crew.ends(1)
    assert crew.rows() == [(2, 0, "healthy")]
    assert crew.watch.snapshot()[0]["health_endpoint"] == "http://127.0.0.1:1/h"


def test_after_a_rolling_restart_that_failed_the_old_life_is_judged_as_before() -> None:
    crew = Crew(1)
    crew.begins(2, 0)
    crew.ends(2)
    assert crew.rows() == [(1, 0, "healthy")]
    crew.sight((1, 0, True))
    crew.stopped = {1}
    crew.intervals(4)
    assert crew.restarts == [1]


def test_who_speaks_before_it_is_told_of_is_placed_when_it_is() -> None:
    crew = Crew(2)
    crew.ends(2)
    crew.feed(Registered(module="w", life=3, url="http://127.0.0.1:1/h"))
    crew.starts(3, 1)
    assert crew.rows() == [(1, 0, "healthy"), (3, 1, "healthy")]
    assert crew.watch.snapshot()[1]["health_endpoint"] == "http://127.0.0.1:1/h"


def test_a_late_word_of_a_life_that_has_gone_is_about_nobody() -> None:
    crew = Crew(2)
    crew.ends(1)
    crew.begins(3, 0)
    crew.starts(3, 0)
    crew.feed(Registered(module="w", life=1, url="http://127.0.0.1:1/h"))
    crew.ends(1)
    assert crew.rows() == [(3, 0, "healthy"), (2, 1, "healthy")]
    assert crew.watch.snapshot()[0]["health_endpoint"] is None


def test_a_look_closes_places_that_are_no_more() -> None:
    crew = Crew(3)
    crew.sight((1, 0, True), (2, 1, False))
    assert crew.rows() == [(1, 0, "healthy"), (2, 1, "absent"), (3, 2, "healthy")]
    crew.sight((1, 0, True), (4, 1, True))
    assert crew.rows() == [(1, 0, "healthy"), (4, 1, "healthy")]
    crew.feed(Looked(sightings=()))
    assert crew.rows() == []
