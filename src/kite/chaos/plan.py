"""What is done to a Kite, and when: a seed in, faults out. The same seed gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of faults, as `--faults` names them."""

    KILL = "kill"
    TERM = "term"
    STOP = "stop"
    CORE = "core"
    LAUNCHER = "launcher"
    REQUEST = "request"
    RESCAN = "rescan"
    DISK = "disk"
    CLOCK = "clock"
    FORKS = "forks"
    SUSPEND = "suspend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is done.

    Args:
        at: seconds since the round began.
        kind, what: `stop` with `leader`, `request` with `restart` …
        target: the name of a module, core ones included; `guard`, `both`, or nothing.
        number: chooses among what is there only when it is done, such as the members of a tree.
        seconds: how long it lasts; for `clock` how far it jumps, for all others at most 8.
    """

    at: float
    kind: Kind
    what: str
    target: str = ""
    number: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        words = [f"{self.at:.2f}", self.kind.value, self.what, self.target]
        lasting = f"({self.seconds:.2f} s)" if self.seconds else ""
        return " ".join(word for word in (*words, lasting) if word)


_WEIGHTS = {
    Kind.KILL: 20,
    Kind.TERM: 8,
    Kind.STOP: 8,
    Kind.CORE: 7,
    Kind.LAUNCHER: 5,
    Kind.REQUEST: 26,
    Kind.RESCAN: 5,
    Kind.DISK: 3,
    Kind.CLOCK: 5,
    Kind.FORKS: 3,
    Kind.SUSPEND: 2,
}
_WHAT: dict[Kind, tuple[str, ...]] = {
    Kind.KILL: ("leader", "leader", "member"),
    Kind.TERM: ("leader", "member"),
    Kind.STOP: ("leader", "leader", "member"),
    Kind.CORE: ("kill", "kill", "term", "stop", "restart"),
    Kind.LAUNCHER: ("kill", "kill", "term", "stop", "up"),
    Kind.REQUEST: ("start", "stop", "restart", "rolling", "enable", "disable"),
    Kind.RESCAN: ("add", "change", "remove"),
    Kind.DISK: ("fill",),
    Kind.CLOCK: ("jump",),
    Kind.FORKS: ("burst",),
    Kind.SUSPEND: ("all",),
}
_JUMPS = (-86_400.0, -3600.0, -5.0, 5.0, 3600.0, 86_400.0)
_MEAN_GAP = 0.4  # seconds between two faults
_BURST = 0.25  # the part of the faults that come together with the one before
_START = 4.0  # seconds that a start may take
_IN_A_START = (
    0.25  # the part of the faults of a Launcher that come while it starts: else none gets up
)
_LASTING = {
    Kind.STOP: (0.1, 8.0),
    Kind.CORE: (0.1, 3.0),
    Kind.LAUNCHER: (0.1, 3.0),
    Kind.DISK: (0.5, 4.0),
    Kind.SUSPEND: (0.5, 3.0),
}
_CORES = ("registry", "event_hub")
_TOP = ("launcher", "launcher", "guard", "both")


def plan(
    seed: int,
    round_number: int,
    *,
    seconds: float,
    kinds: Collection[Kind],
    modules: Sequence[str],
    forkers: Sequence[str] = (),
) -> list[Fault]:
    """The faults of one round, in the order of time.

    Args:
        seed, round_number: what it is made from, together with all the rest.
        seconds: the last one is before that.
        kinds: which to choose from.
        modules: the names that may be struck.
        forkers: those of them that fork on SIGUSR1.
    """
    chance = random.Random(f"{seed} {round_number}")  # noqa: S311  (nothing secret)
    usable = [kind for kind in Kind if kind in kinds and _is_possible(kind, modules, forkers)]
    weights = [_WEIGHTS[kind] for kind in usable]
    found: list[Fault] = []
    at, started_at = chance.expovariate(1 / _MEAN_GAP), -_START
    while usable and at < seconds:
        kind = chance.choices(usable, weights)[0]
        fault = _fault(chance, at, kind, modules, forkers)
        if kind is not Kind.LAUNCHER or at - started_at >= _START or chance.random() < _IN_A_START:
            found.append(fault)
            started_at = at if kind is Kind.LAUNCHER else started_at
        if chance.random() > _BURST:
            at += chance.expovariate(1 / _MEAN_GAP)
    return found


def _is_possible(kind: Kind, modules: Sequence[str], forkers: Sequence[str]) -> bool:
    match kind:
        case Kind.FORKS:
            return bool(forkers)
        case Kind.KILL | Kind.TERM | Kind.STOP | Kind.REQUEST:
            return bool(modules)
        case _:
            return True


def _fault(
    chance: random.Random, at: float, kind: Kind, modules: Sequence[str], forkers: Sequence[str]
) -> Fault:
    what = chance.choice(_WHAT[kind])
    match kind:
        case Kind.CORE:
            target = chance.choice(_CORES)
        case Kind.LAUNCHER:
            target = chance.choice(_TOP) if what == "kill" else "launcher"
        case Kind.FORKS:
            target = chance.choice(forkers)
        case Kind.KILL | Kind.TERM | Kind.STOP | Kind.REQUEST:
            target = chance.choice(modules)
        case _:
            target = ""
    seconds = 0.0
    if kind is Kind.CLOCK:
        seconds = chance.choice(_JUMPS)
    elif kind in _LASTING and what in ("leader", "member", "stop", "fill", "all"):
        low, high = _LASTING[kind]
        # Short ones are where races live, long ones are where patience ends.
        seconds = low + (high - low) * chance.random() ** 2
    return Fault(
        at=at,
        kind=kind,
        what=what,
        target=target,
        number=chance.randrange(1 << 16),
        seconds=seconds,
    )
