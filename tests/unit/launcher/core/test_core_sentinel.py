"""When the Launcher takes the Watchdog for hung: silent and standing still, and seen so three times."""

from __future__ import annotations

import pytest

from kite.hang import Evidence, Heartbeat
from kite.launcher.core.sentinel import EVERY, Sentinel
from kite.pulse import Pulse

STOPPED = Pulse(state="T", started=1)
ASLEEP = Pulse(state="S", started=1, wait="futex_do_wait")
WAITS = Pulse(state="S", started=1, wait="do_epoll_wait")
USUAL = Heartbeat()


class Post:
    """A Sentinel with the time, and lives whose processes do as they are told."""

    def __init__(self, does: Pulse | None = STOPPED, heartbeat: Heartbeat = USUAL) -> None:
        self.now = 1000.0
        self.sentinel = Sentinel()
        self.does: dict[int, Pulse | None] = {1: does}
        self.heartbeat = heartbeat
        self.is_hub_there = True
        self.looks: list[tuple[float, int]] = []
        self.ended: list[tuple[float, int, Evidence]] = []

    def hub_says(self, connections: int, silent: int, life: int = 1) -> None:
        seconds = 7.5 if silent else 0.0
        self.sentinel.present(life, connections, silent, seconds, self.now)

    def passes(self, seconds: float, *, late: float = 0.0) -> None:
        end = self.now + seconds
        while (at := self.sentinel.next_look()) is not None and at + late <= end:
            self.now = max(self.now, at + late)
            for life in self.sentinel.due(self.now, is_hub_there=self.is_hub_there):
                self.looks.append((self.now, life))
                pulse = self.does[life]
                found = self.sentinel.inspected(life, pulse, self.heartbeat, self.now)
                if found is not None:
                    self.ended.append((self.now, life, found))
        self.now = end


def test_while_it_is_heard_nothing_wakes_up() -> None:
    post = Post()
    post.hub_says(1, 0)
    assert post.sentinel.next_look() is None
    post.passes(100.0)
    assert post.looks == []


@pytest.mark.parametrize(("does", "word"), [(STOPPED, "stopped"), (ASLEEP, "asleep")])
def test_one_that_is_silent_and_stands_still_is_ended_after_three_looks(
    does: Pulse, word: str
) -> None:
    post = Post(does)
    post.hub_says(1, 1)
    post.passes(20.0)
    ((at, life, found),) = post.ended
    assert (life, found.kind, found.what["condition"]) == (1, "connection", word)
    assert len(post.looks) == 3
    assert EVERY < at - 1000.0 < 2 * EVERY
    assert post.sentinel.next_look() is None


def test_one_that_is_heard_again_is_let_be() -> None:
    post = Post()
    post.hub_says(1, 1)
    post.passes(3.0)
    post.hub_says(1, 0)
    post.passes(100.0)
    assert post.ended == []
    assert post.sentinel.next_look() is None


def test_one_that_waits_for_events_is_let_be_however_long_it_is_silent() -> None:
    post = Post(WAITS)
    post.hub_says(1, 1)
    post.passes(600.0)
    assert post.ended == []


def test_one_that_computes_has_a_minute() -> None:
    post = Post()
    post.hub_says(1, 1)
    began = post.now
    for _ in range(100):
        post.does[1] = Pulse(state="R", started=1, cpu=post.now - began, wants_cpu=True)
        post.passes(1.0)
    assert post.ended[0][2].what["condition"] == "busy"
    assert post.ended[0][0] - began > 50.0


def test_looks_that_come_late_have_seen_nothing() -> None:
    """The Launcher, or the whole machine, was suspended in between."""
    post = Post()
    post.hub_says(1, 1)
    post.passes(100.0, late=2.0)
    assert post.ended == []
    post.passes(20.0)
    assert len(post.ended) == 1


def test_one_that_lost_its_connection_and_does_not_come_back_is_looked_at() -> None:
    """The Hub that knew it to be silent has died: the next one knows nothing of it."""
    post = Post(ASLEEP)
    post.hub_says(0, 0)
    post.passes(9.0)
    assert post.looks == []
    post.passes(20.0)
    assert [life for _, life, _ in post.ended] == [1]


def test_while_the_hub_is_away_nobody_is_looked_at() -> None:
    post = Post(ASLEEP)
    post.is_hub_there = False
    post.hub_says(0, 0)
    post.passes(60.0)
    assert post.looks == []
    post.hub_says(1, 0)  # it is there again, and so is the Watchdog
    assert post.sentinel.next_look() is None


def test_each_life_is_judged_on_its_own() -> None:
    post = Post(WAITS)
    post.does[2] = STOPPED
    post.hub_says(1, 1, life=1)
    post.hub_says(1, 1, life=2)
    post.passes(30.0)
    assert [life for _, life, _ in post.ended] == [2]


@pytest.mark.parametrize("heartbeat", [Heartbeat(watched=False), Heartbeat(failures=20)])
def test_its_manifest_says_how_patient_one_is(heartbeat: Heartbeat) -> None:
    post = Post(heartbeat=heartbeat)
    post.hub_says(1, 1)
    post.passes(60.0)
    assert post.ended == []


def test_one_that_has_no_process_any_more_is_forgotten() -> None:
    post = Post(None)
    post.hub_says(1, 1)
    post.passes(60.0)
    assert len(post.looks) == 1
    assert post.sentinel.next_look() is None
