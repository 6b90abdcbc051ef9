"""Jobs by the clock, on a loop whose time passes only when nothing else happens."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from kite.launcher.core.facts import RunDue, RunPlanned
from kite.launcher.scheduler import Scheduler
from kite.model.schedule import Missed, Schedule
from kite.testing.clock import FakeClock

MINUTELY = Schedule(interval=60.0)


class Patience(selectors.DefaultSelector):
    """Instead of waiting it moves the clock."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found and timeout:
            self._clock.advance(timeout)
        return found


class Bench:
    """A scheduler and what it has said; `t` is seconds since the beginning."""

    def __init__(self, path: Path) -> None:
        self.path = path / "schedule.json"
        self.clock = FakeClock(monotonic=5000.0, wall=1_700_000_000.0)
        self.began = self.clock.wall()
        self.facts: list[tuple[float, RunDue | RunPlanned]] = []

    @property
    def t(self) -> float:
        return round(self.clock.wall() - self.began, 3)

    def new(self) -> Scheduler:
        return Scheduler(
            self.path, lambda fact: self.facts.append((self.t, fact)), clock=self.clock
        )

    def runs(self, name: str = "job") -> list[float]:
        return [t for t, fact in self.facts if fact == RunDue(module=name)]

    def live(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        loop = asyncio.SelectorEventLoop(Patience(self.clock))
        loop.time = self.clock.monotonic  # type: ignore[method-assign]
        try:
            loop.run_until_complete(work())
        finally:
            loop.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_an_interval_runs_again_and_again(bench: Bench) -> None:
    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": MINUTELY})
        await asyncio.sleep(200)
        scheduler.close()
        await asyncio.sleep(200)

    bench.live(work)
    assert bench.runs() == [60.0, 120.0, 180.0]
    planned = [fact.at - 5000.0 for _, fact in bench.facts if isinstance(fact, RunPlanned)]
    assert planned == pytest.approx([60.0, 120.0, 180.0, 240.0])
    assert list(json.loads(bench.path.read_bytes())) == ["job"]


def test_schedules_do_not_disturb_each_other(bench: Bench) -> None:
    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": MINUTELY, "other": Schedule(interval=90.0)})
        await asyncio.sleep(30)
        scheduler.follow({"job": MINUTELY, "other": Schedule(interval=50.0)})
        await asyncio.sleep(60)
        scheduler.follow({"job": MINUTELY})
        await asyncio.sleep(60)
        scheduler.close()

    bench.live(work)
    assert bench.runs() == [60.0, 120.0]
    assert bench.runs("other") == [50.0]  # counted from when it was first seen


@pytest.mark.parametrize(
    ("missed", "away", "runs"),
    [
        (Missed.ONCE, 200.0, [260.0, 320.0]),  # one run at once makes up for three
        (Missed.SKIP, 200.0, [320.0]),
        (Missed.ONCE, 30.0, [120.0, 180.0]),  # nothing was missed: the next is on time
        (Missed.SKIP, 30.0, [120.0, 180.0]),
    ],
)
def test_what_was_missed_while_kite_was_away(
    bench: Bench, missed: Missed, away: float, runs: list[float]
) -> None:
    schedules = {"job": Schedule(interval=60.0, missed=missed)}

    async def before() -> None:
        scheduler = bench.new()
        scheduler.follow(schedules)
        await asyncio.sleep(60.5)
        scheduler.close()

    async def after() -> None:
        scheduler = bench.new()
        scheduler.follow(schedules)
        await asyncio.sleep(100)
        scheduler.close()

    bench.live(before)
    assert bench.runs() == [60.0]
    bench.facts.clear()
    bench.clock.advance(60.0 + away - bench.t)
    bench.live(after)
    assert [round(t) for t in bench.runs()] == runs


def test_a_clock_that_was_set_back_does_not_stop_a_schedule(bench: Bench) -> None:
    bench.path.write_text(json.dumps({"job": bench.clock.wall() + 1e6}))

    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": MINUTELY})
        await asyncio.sleep(61)
        scheduler.close()

    bench.live(work)
    assert bench.runs() == [60.0]


def test_a_clock_that_is_set_back_while_it_waits_makes_no_interval_longer(bench: Bench) -> None:
    """Found by kite chaos: after a jump of an hour forward and back the next run was an hour away."""
    monotonic: list[float] = []

    async def work() -> None:
        scheduler = Scheduler(
            bench.path,
            lambda fact: (
                monotonic.append(bench.clock.monotonic() - 5000.0)
                if isinstance(fact, RunDue)
                else None
            ),
            clock=bench.clock,
        )
        scheduler.follow({"job": MINUTELY})
        await asyncio.sleep(30)
        bench.clock.jump(3600.0)
        await asyncio.sleep(31)  # what is due by the new clock runs when the timer comes
        bench.clock.jump(-3600.0)
        await asyncio.sleep(120)
        scheduler.close()

    bench.live(work)
    assert monotonic == [60.0, 120.0, 180.0][: len(monotonic)]
    assert len(monotonic) >= 2


def test_a_cron_expression_means_the_new_time_when_the_clock_is_set_back_by_days(
    bench: Bench,
) -> None:
    hourly = Schedule(cron="0 * * * *", timezone="UTC")

    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": hourly})
        await asyncio.sleep(10)
        bench.clock.jump(-5 * 86_400.0)
        await asyncio.sleep(2 * 3600)
        scheduler.close()

    bench.live(work)
    assert len(bench.runs()) == 2


def test_a_cron_expression_is_not_repeated_when_the_clock_is_set_back_by_minutes(
    bench: Bench,
) -> None:
    hourly = Schedule(cron="0 * * * *", timezone="UTC")
    bench.clock.jump(3600.0 - bench.clock.wall() % 3600.0 - 10.0)  # ten seconds to the hour

    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": hourly})
        await asyncio.sleep(20)
        bench.clock.jump(-600.0)
        await asyncio.sleep(1800)
        scheduler.close()

    bench.live(work)
    assert len(bench.runs()) == 1


@pytest.mark.parametrize("text", ["", "[]", "{", '{"job": "yesterday"}', "null"])
def test_a_file_that_says_nothing_is_no_obstacle(bench: Bench, text: str) -> None:
    bench.path.write_text(text)

    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": MINUTELY})
        await asyncio.sleep(61)
        scheduler.close()

    bench.live(work)
    assert bench.runs() == [60.0]


def test_a_disk_that_takes_nothing_does_not_stop_a_schedule(bench: Bench) -> None:
    bench.path = bench.path.parent / "missing" / "\0" / "schedule.json"
    bench.path = Path("/proc/nowhere/schedule.json")

    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": MINUTELY})
        await asyncio.sleep(121)
        scheduler.close()

    bench.live(work)
    assert bench.runs() == [60.0, 120.0]


def test_a_schedule_that_never_comes_true_is_no_timer(bench: Bench) -> None:
    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": Schedule(interval=float("inf"))})
        await asyncio.sleep(1)
        scheduler.close()

    bench.live(work)
    assert bench.runs() == []


@pytest.mark.parametrize(("missed", "runs"), [(Missed.ONCE, 1), (Missed.SKIP, 0)])
def test_what_came_due_while_the_machine_slept_is_missed(
    bench: Bench, missed: Missed, runs: int
) -> None:
    nine = Schedule(cron="0 9 * * *", timezone="UTC", missed=missed)

    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": nine})
        await asyncio.sleep(10)
        bench.clock.jump(nine.next_run(bench.began) - bench.began + 1800)
        await asyncio.sleep(120)
        scheduler.close()

    bench.live(work)
    assert len(bench.runs()) == runs


@pytest.mark.parametrize("text", ['{"job": NaN}', '{"job": Infinity}', '{"job": -Infinity}'])
def test_what_is_no_instant_is_forgotten(bench: Bench, text: str) -> None:
    bench.path.write_text(text)

    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": MINUTELY})
        await asyncio.sleep(61)
        scheduler.close()

    bench.live(work)
    assert bench.runs() == [60.0]


def test_an_interval_counts_from_when_it_was_first_seen_whatever_restarts(bench: Bench) -> None:
    """A laptop that is started anew each morning runs its daily job."""

    async def morning() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": MINUTELY})
        await asyncio.sleep(25)
        scheduler.close()

    for _ in range(4):
        bench.live(morning)
    assert bench.runs() == [60.0]


def test_a_run_that_the_disk_did_not_take_is_written_when_it_does(bench: Bench) -> None:
    async def work() -> None:
        scheduler = bench.new()
        scheduler.follow({"job": MINUTELY})
        bench.path.unlink()
        bench.path.mkdir()  # it cannot be replaced by a file
        await asyncio.sleep(61)
        bench.path.rmdir()
        await asyncio.sleep(9)
        scheduler.close()

    bench.live(work)
    assert json.loads(bench.path.read_text()) == {"job": bench.began + 60.0}
