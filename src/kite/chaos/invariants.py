"""What holds at every moment, whatever is done to a Kite: looks in, violations out. Pure.

Each look is of one moment (`census`). What takes time is given time: an instant at which it began
to be so is kept until it is over, and stands still while what would end it is stopped by a signal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kite.chaos.being import GUARD, LAUNCHER, LIFE, Being
from kite.chaos.violation import Violation

ORPHANED_FOR = 2.0
"""Seconds in which nothing may be left alive without a Launcher."""

SILENT_FOR = 15.0
"""Seconds that a Launcher which runs may take for an answer, on a machine that is busy."""

CORES = frozenset({"registry", "event_hub"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API said just before a look.

    Args:
        instance: the run of Kite that answered.
        phase: of its start or end.
        records: the modules, by name.
    """

    instance: str
    phase: str = "running"
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look from outside has found.

    Args:
        at: monotonic seconds.
        beings: the processes that were alive together.
        answer: what the API said, None when it did not.
        announced: the pid of the Launcher that says where its API is; 0 where none does.
        lag: seconds that this look came late: the machine was busy, or asleep.
        lacks_guard: the guard of the last run was killed; one that has done its work goes by itself.
        is_hindered: Launcher or guard were stopped by a signal since the look before.
    """

    at: float
    beings: Sequence[Being]
    answer: Answer | None = None
    announced: int = 0
    lag: float = 0.0
    is_hindered: bool = False
    lacks_guard: bool = False

    def of(self, role: str) -> list[Being]:
        """Those in this role."""
        return [being for being in self.beings if being.role == role]


class Watch:
    """Sees all looks, one after the other.

    Args:
        replicas: how many lives of a module may be there together, where it is not one.
    """

    def __init__(self, replicas: Mapping[str, int] | None = None) -> None:
        self._replicas = dict(replicas or {})
        self._orphans_since: dict[tuple[int, int], float] = {}
        self._silent_at: float | None = None

    def allow(self, module: str, lives: int) -> None:
        """From now on so many lives of the module may be there together."""
        self._replicas[module] = lives

    def see(self, look: Look) -> list[Violation]:
        """What this look shows that may not be."""
        return [
            *launchers(look),
            *lives(look, self._replicas),
            *earlier_runs(look),
            *self._orphans(look),
            *self._silence(look),
        ]

    def _orphans(self, look: Look) -> list[Violation]:
        guards = look.of(GUARD)
        # Where the guard was killed, too, the kernel ends the leaders, and the next start the rest.
        left = {b.identity: b for b in look.of(LIFE) if b.is_leader or not look.lacks_guard}
        is_hindered = look.is_hindered or any(being.is_stopped for being in guards)
        if look.of(LAUNCHER) or is_hindered:
            self._orphans_since.clear()
            return []
        # It is counted from the first look that finds it so: nobody saw when the Launcher went.
        since = {who: self._orphans_since.get(who, look.at) + look.lag for who in left}
        self._orphans_since = {who: min(at, look.at) for who, at in since.items()}
        late = [who for who, at in since.items() if look.at - at > ORPHANED_FOR]
        if not late:
            return []
        names = ", ".join(str(left[who]) for who in late)
        seconds = max(look.at - since[who] for who in late)
        text = f"alive for {seconds:.1f} s without a Launcher: {names}"
        return [Violation(invariant="no_orphans", text=text, about=names)]

    def _silence(self, look: Look) -> list[Violation]:
        there = look.of(LAUNCHER)
        is_hindered = look.is_hindered or any(being.is_stopped for being in there)
        # One that starts or is about to end has no API, and says so.
        if look.answer is not None or look.announced not in {being.pid for being in there}:
            self._silent_at = None
            return []
        if is_hindered or self._silent_at is None:
            self._silent_at = look.at
            return []
        self._silent_at += look.lag
        seconds = look.at - self._silent_at
        if seconds <= SILENT_FOR:
            return []
        pid = there[0].pid
        text = f"the Launcher (pid {pid}) runs and has not answered for {seconds:.1f} s"
        return [Violation(invariant="api_answers", text=text, about=str(pid))]


def launchers(look: Look) -> list[Violation]:
    """One Launcher at most that has started anything: who comes second goes at once, and starts
    nothing."""
    parents = {being.parent for being in look.of(LIFE)}
    found = [being for being in look.of(LAUNCHER) if being.pid in parents]
    if len(found) <= 1:
        return []
    pids = ", ".join(str(being.pid) for being in found)
    return [Violation(invariant="one_launcher", text=f"{len(found)} Launchers run: {pids}")]


def lives(look: Look, replicas: Mapping[str, int] | None = None) -> list[Violation]:
    """One life of each module at most, or as many as it has replicas."""
    trees: dict[tuple[str, str], dict[int, list[Being]]] = defaultdict(lambda: defaultdict(list))
    for being in look.of(LIFE):
        # Without a mark nobody can tell whose it is, and lives of earlier runs are leftovers.
        if being.module and being.mark is not None:
            trees[being.instance, being.module][being.mark].append(being)
    found: list[Violation] = []
    for (instance, module), marks in sorted(trees.items()):
        allowed = (replicas or {}).get(module, 1)
        if len(marks) <= allowed:
            continue
        names = "; ".join(", ".join(map(str, beings)) for beings in marks.values())
        text = f"{len(marks)} lives of {module} at once, {allowed} allowed: {names}"
        found.append(
            Violation(invariant="one_life", text=text, about=f"{instance} {module} {names}")
        )
    return found


def earlier_runs(look: Look) -> list[Violation]:
    """When a Launcher answers, nothing of an earlier one is left."""
    if look.answer is None:
        return []
    now = look.answer.instance
    left = [being for being in look.of(LIFE) if being.instance and being.instance != now]
    if not left:
        return []
    names = ", ".join(map(str, left))
    text = f"left of an earlier run, though a new one answers: {names}"
    return [Violation(invariant="no_leftovers", text=text, about=names)]


# -- when it is calm ------------------------------------------------------------------------------


def unready(answer: Answer) -> list[str]:
    """What is wanted and is not there, with how it stands; empty when all is well."""
    found = []
    if answer.phase != "running":
        found.append(f"phase {answer.phase}")
    for name, record in sorted(answer.records.items()):
        state = record["actual_state"]
        is_there = state == "running" or is_over(record)
        if name != "launcher" and record["desired_state"] == "running" and not is_there:
            why = record.get("error") or ", ".join(map(str, record.get("waiting_for") or []))
            found.append(f"{name} {state}" + (f" ({why})" if why else ""))
        elif record["desired_state"] == "running" and state == "running":
            away = [r for r in record.get("replicas", ()) if r["actual_state"] != "running"]
            found += [f"{name} replica {r['replica']} {r['actual_state']}" for r in away]
        elif record["desired_state"] == "stopped" and state not in ("stopped", "failed", "running"):
            found.append(f"{name} {state}, though it is to be stopped")
    return found


def is_over(record: Mapping[str, Any]) -> bool:
    """A job that has done its work, or waits for its time."""
    is_done = record["actual_state"] == "stopped" and record.get("exit_code") == 0
    return record["actual_state"] == "stopped" and (
        is_done or bool(record.get("completed")) or record.get("next_try") is not None
    )


def told_truly(look: Look) -> list[Violation]:
    """In calm the API tells of each module's process what `/proc` tells."""
    if look.answer is None:
        return []
    alive = {being.pid: being for being in look.beings}
    found: list[Violation] = []
    for name, record in sorted(look.answer.records.items()):
        for one in record.get("replicas") or (record,):
            pid = one["pid"]
            being = alive.get(pid) if pid else None
            text = ""
            if one["actual_state"] == "running" and being is None:
                text = f"{name} is said to run as pid {pid}, which is not there"
            elif being is not None and being.role == LIFE and being.module not in ("", name):
                text = f"{name} is said to run as pid {pid}, which is {being}"
            if text:
                found.append(Violation(invariant="told_truly", text=text, about=f"{name} {pid}"))
    return found
