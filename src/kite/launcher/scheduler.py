"""Runs jobs when their time comes, and remembers across restarts of Kite when they ran last."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

from kite import atomic_file
from kite.clock import Clock
from kite.launcher.core.facts import RunDue, RunPlanned
from kite.model.schedule import Missed, Schedule

_LONGEST_SLEEP = 60.0
"""Seconds; a wall clock that is set anew is noticed after this at the latest."""

_AGAIN = 5.0
"""Seconds after which the file is written again that the disk did not take."""

_SET_ANEW = 1.0
"""Seconds that the wall clock has to be off: less is a clock that is being slewed."""

_LIKE_CRON = 3 * 3600.0
"""Seconds; set back by no more than this, the clock starts nothing for a second time."""


_LATE = 60.0
"""Seconds after which a run is missed, and not only late."""


class Scheduler:
    """One timer for all schedules.

    Args:
        path: `<instance dir>/launcher/schedule.json`, name to the instant from which its next run
            counts: the last one, or when it was first seen.
        feed: takes `RunPlanned` and `RunDue`.
        clock: monotonic for facts, wall for schedules.
    """

    def __init__(
        self, path: Path, feed: Callable[[RunDue | RunPlanned], None], clock: Clock
    ) -> None:
        self._path = path
        self._feed = feed
        self._clock = clock
        self._last = _read(path)
        self._schedules: dict[str, Schedule] = {}
        self._due: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_kept = True
        self._offset = self._offset_now()

    def follow(self, schedules: Mapping[str, Schedule]) -> None:
        """These modules have schedules, and no others."""
        self._notice_jump()
        for name in [name for name in self._due if name not in schedules]:
            del self._due[name]
        for name, schedule in schedules.items():
            if self._schedules.get(name) != schedule:
                self._due[name] = self._first(name, schedule)
        self._schedules = dict(schedules)
        for name in self._due:
            self._tell(name)
        self._keep()
        self._set_timer()

    def close(self) -> None:
        """Nothing runs any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _first(self, name: str, schedule: Schedule) -> float:
        now, last = self._clock.wall(), self._last.get(name)
        if last is None:
            self._last[name] = now  # else an interval would begin anew with each start of Kite
            self._is_kept = False
        if last is None or last > now:
            return schedule.next_run(now)
        due = schedule.next_run(last)
        return schedule.next_run(now) if due < now and schedule.missed is Missed.SKIP else due

    def _tell(self, name: str) -> None:
        left = self._due[name] - self._clock.wall()
        self._feed(RunPlanned(module=name, at=self._clock.monotonic() + left))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        nearest = min(self._due.values(), default=float("inf"))
        if nearest < float("inf"):
            longest = _LONGEST_SLEEP if self._is_kept else _AGAIN
            delay = min(longest, max(0.0, nearest - self._clock.wall()))
            self._timer = asyncio.get_running_loop().call_later(delay, self._run_due)

    def _offset_now(self) -> float:
        return self._clock.wall() - self._clock.monotonic()

    def _notice_jump(self) -> None:
        """The wall clock was set anew, or the machine has slept. Set forward, what is due is due; set
        back, an interval is as long as it was, and a cron expression means the new time."""
        jump = self._offset_now() - self._offset
        if abs(jump) < _SET_ANEW:
            return
        self._offset += jump
        now = self._clock.wall()
        for name, schedule in self._schedules.items():
            if jump < 0 and schedule.interval is not None:
                self._due[name] += jump
            elif jump < -_LIKE_CRON or self._is_missed(schedule, self._due[name], now):
                self._due[name] = schedule.next_run(now)
            self._tell(name)

    def _is_missed(self, schedule: Schedule, due: float, now: float) -> bool:
        """Whether a run whose time the clock has passed over is none any more."""
        return schedule.missed is Missed.SKIP and due < now - _LATE

    def _run_due(self) -> None:
        self._notice_jump()
        now = self._clock.wall()
        for name in [name for name, due in self._due.items() if due <= now]:
            self._last[name] = now
            self._is_kept = False
            self._due[name] = self._schedules[name].next_run(now)
            self._feed(RunDue(module=name))
            self._tell(name)
        self._keep()
        self._set_timer()

    def _keep(self) -> None:
        """Write what is not written; where the disk takes nothing, which the journal tells, again."""
        if self._is_kept:
            return
        with contextlib.suppress(OSError):
            atomic_file.replace(self._path, json.dumps(self._last).encode(), mode=0o600)
            self._is_kept = True


def _read(path: Path) -> dict[str, float]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        name: float(at)
        for name, at in found.items()
        if isinstance(at, int | float) and math.isfinite(at)
    }
