"""What `kite top` shows, from what was counted: rates of subjects and of clients. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kite.cli import top_modules
from kite.cli.top_modules import ModuleUse

BUDGET = 4000
"""So many events are looked at in each interval; then the Hub is left alone until the next one."""
MOST_SUBJECTS = 20_000
SMOOTHED = 5
"""Rates of subjects are the mean of so many intervals: some events come every few seconds."""

OTHERS = "…"
"""Stands for the subjects beyond `MOST_SUBJECTS`."""

_LINE = re.compile(r"^kite_hub_(client|closed)_(\w+?)(?:_total)?\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class SubjectRate:
    """Events and bytes of one subject, a second."""

    subject: str
    events: float
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRate:
    """One connection.

    Args:
        module, connection: whose it is, and its number.
        taken, given: events a second that it published, and that it was sent.
        queued, queued_bytes: what waits for it.
        dropped, stalls: since it was opened.
        is_losing, is_stalling: whether these have grown since the last look.
    """

    module: str
    connection: int
    taken: float
    given: float
    queued: int
    queued_bytes: int
    dropped: int
    stalls: int
    is_losing: bool = False
    is_stalling: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the Hub.

    Args:
        seconds: since the last one.
        taken, given: events a second of all clients, also of those that have left.
        looked_at: the share of the time in which subjects were looked at, 0 to 1.
        subjects, clients: in no order.
        modules: likewise, those that have processes.
    """

    seconds: float
    taken: float
    given: float
    looked_at: float
    subjects: Sequence[SubjectRate]
    clients: Sequence[ClientRate]
    modules: Sequence[ModuleUse] = ()


@dataclass(slots=True)
class Look:
    """Counts the events of one interval.

    `seconds` is how long was looked, and `missed` what the Hub dropped meanwhile: by both the counts
    are scaled up.
    """

    began: float
    ended: float | None = None
    events: int = 0
    missed: int = 0
    _counts: dict[str, list[int]] = field(default_factory=dict)

    def seen(self, subject: str, size: int) -> bool:
        """Count one; whether that is enough for this interval."""
        # An inbox is one asker's, and has a subject for each request.
        if subject.startswith("_reply."):
            subject = ".".join([*subject.split(".", 2)[:2], ">"])
        found = self._counts.get(subject)
        if found is None:
            if len(self._counts) >= MOST_SUBJECTS:
                subject = OTHERS
            found = self._counts.setdefault(subject, [0, 0])
        found[0] += 1
        found[1] += size
        self.events += 1
        return self.events == BUDGET

    def rates(self, now: float) -> dict[str, tuple[float, float]]:
        """Events and bytes a second, by subject."""
        seconds = (now if self.ended is None else self.ended) - self.began
        if seconds <= 0 or not self.events:
            return {}
        factor = (1 + self.missed / self.events) / seconds
        return {
            name: (events * factor, size * factor) for name, (events, size) in self._counts.items()
        }

    def share(self, now: float) -> float:
        """The share of the time since `began` in which subjects were looked at."""
        whole = now - self.began
        return 1.0 if self.ended is None or whole <= 0 else (self.ended - self.began) / whole


class Smoothing:
    """The mean of the last intervals."""

    def __init__(self, length: int = SMOOTHED) -> None:
        self._kept: deque[Mapping[str, tuple[float, float]]] = deque(maxlen=length)

    def add(self, rates: Mapping[str, tuple[float, float]]) -> list[SubjectRate]:
        """With one more interval."""
        self._kept.append(rates)
        sums: dict[str, tuple[float, float]] = {}
        for each in self._kept:
            for name, (events, size) in each.items():
                before = sums.get(name, (0.0, 0.0))
                sums[name] = (before[0] + events, before[1] + size)
        length = len(self._kept)
        return [SubjectRate(name, events / length, size / length)
                for name, (events, size) in sums.items()]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counters:
    """The Hub's counters at one instant.

    Args:
        at: monotonic seconds.
        clients: (module, connection) → name of the counter → value.
        closed: name of the counter → sum over all connections that are closed.
    """

    at: float
    clients: Mapping[tuple[str, int], Mapping[str, int]]
    closed: Mapping[str, int]

    def total(self, name: str) -> int:
        """Of all connections there ever were."""
        return self.closed.get(name, 0) + sum(each.get(name, 0) for each in self.clients.values())


def read(text: str, at: float) -> Counters:
    """The counters in the Hub's `/metrics`."""
    clients: dict[tuple[str, int], dict[str, int]] = {}
    closed: dict[str, int] = {}
    for kind, name, labels, value in _LINE.findall(text):
        number = int(float(value))
        marks = dict(_LABEL.findall(labels))
        if kind == "closed":
            closed[name] = closed.get(name, 0) + number
        else:
            who = (marks["module"], int(marks["connection"]))
            clients.setdefault(who, {})[name] = number
    return Counters(at, clients, closed)


def clients(before: Counters, now: Counters) -> list[ClientRate]:
    """What each connection did between two looks; a new one is counted from its beginning."""
    seconds = max(now.at - before.at, 1e-9)
    return [
        _client(who, before.clients.get(who, {}), values, seconds)
        for who, values in now.clients.items()
    ]


def _client(
    who: tuple[str, int], old: Mapping[str, int], new: Mapping[str, int], seconds: float
) -> ClientRate:
    def grown(name: str) -> int:
        return max(0, new.get(name, 0) - old.get(name, 0))

    return ClientRate(
        module=who[0],
        connection=who[1],
        taken=grown("in") / seconds,
        given=grown("out") / seconds,
        queued=new.get("queued", 0),
        queued_bytes=new.get("queued_bytes", 0),
        dropped=new.get("dropped", 0),
        stalls=new.get("stalls", 0),
        is_losing=grown("dropped") > 0,
        is_stalling=grown("stalls") > 0,
    )


def flow(before: Counters, now: Counters, name: str) -> float:
    """Events a second, of all clients together; 0 when the Hub has begun anew."""
    return max(0.0, (now.total(name) - before.total(name)) / max(now.at - before.at, 1e-9))


_SUBJECT_KEYS = {
    "rate": lambda row: (-row.events, row.subject),
    "bytes": lambda row: (-row.size, row.subject),
    "name": lambda row: (row.subject,),
}
_CLIENT_KEYS = {
    "rate": lambda row: (-(row.taken + row.given), row.module, row.connection),
    "in": lambda row: (-row.taken, row.module, row.connection),
    "out": lambda row: (-row.given, row.module, row.connection),
    "queued": lambda row: (-row.queued_bytes, row.module, row.connection),
    "dropped": lambda row: (-row.dropped, row.module, row.connection),
    "stalls": lambda row: (-row.stalls, row.module, row.connection),
    "name": lambda row: (row.module, row.connection),
}
SORTS = (*_SUBJECT_KEYS, "in", "out", "queued", "dropped", "stalls", *top_modules.SORTS[:-1])
"""What rows can be sorted by. A table without such a column is sorted by rate, that of
modules by processor time."""


def sorted_subjects(rows: Iterable[SubjectRate], key: str) -> list[SubjectRate]:
    """In the order of the key."""
    return sorted(rows, key=_SUBJECT_KEYS.get(key, _SUBJECT_KEYS["rate"]))


def sorted_clients(rows: Iterable[ClientRate], key: str) -> list[ClientRate]:
    """In the order of the key."""
    return sorted(rows, key=_CLIENT_KEYS.get(key, _CLIENT_KEYS["rate"]))
