"""The newest start as times: when each module waited, began and was ready. Pure.

launcher ─ began ──────── doors open (Registry and Hub are up) ───────────────── settled
module        └─ blocked by the core ─┴─ blocked by dependencies ─┴─ place ─┴─ starting ─┴─ ready
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kite.cli.lifecycle_log import Step
from kite.launcher.progress import instant

LAUNCHER = "launcher"
CORE = (LAUNCHER, "registry", "event_hub")


@dataclass(slots=True, kw_only=True)
class Coming:
    """One module's way to ready. Instants are seconds since the Launcher began.

    Args:
        waiting_at: since when it was to start; None where it did not wait.
        starting_at: when its first process was started.
        ready_at: when it was ready for the first time.
        place: seconds it waited for a place among those that start.
        core: seconds it waited for Registry and Event Hub.
        blocked: seconds it waited for what it depends on.
        after: what it waited for last.
        missing: what it still waits for.
        ended_at: when a process of it ended with status 0, the first time.
        starts: how many processes it took to become ready.
        error: why it could not.
    """

    name: str
    waiting_at: float | None = None
    starting_at: float | None = None
    ready_at: float | None = None
    place: float = 0.0
    core: float = 0.0
    blocked: float = 0.0
    after: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    ended_at: float | None = None
    starts: int = 0
    error: str = ""

    @property
    def is_core(self) -> bool:
        """Whether it comes with Kite and starts first."""
        return self.name in CORE

    @property
    def starting(self) -> float | None:
        """Seconds from its first process to ready; None where it was not."""
        if self.ready_at is None or self.starting_at is None:
            return None
        return self.ready_at - self.starting_at


@dataclass(slots=True, kw_only=True)
class Timeline:
    """One start of Kite.

    Args:
        began_at: RFC 3339.
        doors_at: when Registry and Event Hub were up; None: not yet.
        settled_at: when everything had come up as far as it would by itself; None: not yet.
        modules: by name, in the order in which they were first heard of.
    """

    began_at: str
    doors_at: float | None = None
    settled_at: float | None = None
    modules: dict[str, Coming] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long the start took, or has taken as far as it is known."""
        if self.settled_at is not None:
            return self.settled_at
        known = [each.ready_at for each in self.modules.values() if each.ready_at is not None]
        return max(known, default=self.doors_at or 0.0)


def timeline(start: Sequence[Step]) -> Timeline | None:
    """Read the steps of one start, `starting launcher` the first of them; None for none."""
    if not start:
        return None
    origin = instant(start[0]["ts"], 0.0)
    line = Timeline(began_at=str(start[0]["ts"]))
    for step in start:
        at = max(0.0, instant(step["ts"], origin) - origin)
        name, event = str(step.get("module")), str(step["event"])
        if name == LAUNCHER and event == "settled":
            line.settled_at = at
            break  # what starts later was not waited for
        if name == LAUNCHER and event in ("started", "stopping"):
            line.doors_at = at if event == "started" else line.doors_at
        if event not in ("scanned", "leftover"):
            _take(line.modules.setdefault(name, Coming(name=name)), event, step, at)
    for coming in line.modules.values():
        _split_waiting(line, coming)
    return line


def _take(coming: Coming, event: str, step: Step, at: float) -> None:
    match event:
        case "waiting":
            coming.missing = tuple(step.get("for") or ())
            if coming.waiting_at is None:
                coming.waiting_at = at
        case "starting":
            coming.starts += coming.ready_at is None
            if coming.starting_at is not None:
                return
            coming.starting_at = at
            coming.after, coming.missing = tuple(step.get("after") or ()), ()
            coming.place = float(step.get("place") or 0.0)
            if waited := float(step.get("waited") or 0.0):
                coming.waiting_at = max(0.0, at - waited)
        case "started" if coming.ready_at is None:
            coming.ready_at, coming.error = at, ""
        case "exited" if step.get("exit_code") == 0 and coming.ended_at is None:
            coming.ended_at = at
        case "failed" | "start_failed" if coming.ready_at is None:
            coming.error = str(step.get("error") or step.get("reason") or "")
        case _:
            pass


def _split_waiting(line: Timeline, coming: Coming) -> None:
    """For the core, for what it depends on, for a place: one after the other."""
    if coming.waiting_at is None or coming.is_core:
        return
    until = coming.starting_at if coming.starting_at is not None else line.seconds
    doors = line.doors_at if line.doors_at is not None else until
    whole = max(0.0, until - coming.waiting_at)
    coming.core = min(whole, max(0.0, doors - coming.waiting_at))
    coming.place = min(coming.place, whole - coming.core)
    coming.blocked = whole - coming.core - coming.place
