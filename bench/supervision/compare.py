"""Kite and its peers, side by side: starts in turns, then what a session of each one shows.

The target of a row is the best of those that people use as Kite is used (supervisord, circus, PM2);
up to 5 % behind is level. runit and s6, small programs in C that only supervise, are shown beside
them and have targets of their own.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.figure import Figure, percentile
from bench.supervision import replacing, resting, starting, surviving
from bench.supervision.peers import (
    S6,
    Circus,
    Kite,
    Missing,
    Peer,
    Pm2,
    Runit,
    Supervisord,
)
from bench.supervision.programs import sleepers, tree
from bench.supervision.resting import Memory, Rest
from bench.supervision.starting import Start
from bench.supervision.surviving import Left

ROUNDS = 3
_KINDS: tuple[type[Peer], ...] = (Kite, Supervisord, Circus, Pm2, Runit, S6)
_RIVALS = {kind.name for kind in (Supervisord, Circus, Pm2)}
_SMALL = {kind.name for kind in (Runit, S6)}
_LEVEL = 1.05


@dataclass(slots=True, kw_only=True)
class Record:
    """What was found out about one supervisor. Lists hold a sample of each turn."""

    kind: type[Peer]
    starts: list[Start] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    early: list[float] = field(default_factory=list)
    replaced: list[float] = field(default_factory=list)
    many: Memory | None = None
    one: Memory | None = None
    rest: Rest | None = None
    stopped: Left | None = None
    orphans: int = 0


def figures() -> list[Figure]:
    """All rows; a peer that cannot be had is named and left out."""
    records = [Record(kind=kind) for kind in _kinds()]
    for turn in range(ROUNDS):
        for record in records:
            _say(f"{record.kind.name}, turn {turn + 1} of {ROUNDS}")
            _fifty(record, is_last=turn == ROUNDS - 1)
    for record in records:
        _say(f"{record.kind.name}, what is left")
        _one(record)
    return _rows({record.kind.name: record for record in records})


def _kinds() -> list[type[Peer]]:
    found: list[type[Peer]] = []
    for kind in _KINDS:
        try:
            kind.find()
        except Missing as missing:
            print(f"left out: {missing}", file=sys.stderr)
        else:
            found.append(kind)
    return found


def _fifty(record: Record, *, is_last: bool) -> None:
    """A session with fifty programs. What takes long is done in the last turn only."""
    with record.kind(sleepers(starting.PROGRAMS)) as peer:
        record.starts.append(starting.from_nothing(peer))
        starting.calm()
        record.again.append(starting.again(peer))
        # Within a second of its start, where some hold the next start back.
        record.early.append(replacing.replacement(peer.programs[-1]))
        if is_last:
            starting.calm()
            record.rest = resting.rest(peer)
            record.many = resting.memory(peer)
            record.replaced = replacing.replacements(peer, peer.programs[:-1])


def _one(record: Record) -> None:
    with record.kind([tree()]) as peer:
        surviving.launch(peer)
        starting.calm()
        record.one = resting.memory(peer)
        record.stopped = surviving.after_stop(peer)
    with record.kind([tree()]) as peer:
        surviving.launch(peer)
        starting.calm()
        record.orphans = surviving.orphans(peer)


# -- rows ---------------------------------------------------------------------------------------


def _rows(records: Mapping[str, Record]) -> list[Figure]:
    count = starting.PROGRAMS
    seen = _each(records, lambda each: statistics.median(start.seen for start in each.starts))
    settings = "; ".join(f"{name}: {each.kind.settings}" for name, each in records.items())
    ready = statistics.median(start.ready for start in records[Kite.name].starts)
    return [
        _row(
            f"{count} programs, from nothing", seen, "s", f"Kite: all ready {ready:.2f}; {settings}"
        ),
        *_beside_the_small(f"{count} programs, from nothing", seen, 2.0),
        *_restarts(records),
        *_costs(records),
        *_survivors(records),
    ]


def _restarts(records: Mapping[str, Record]) -> list[Figure]:
    again = _each(records, lambda each: statistics.median(each.again))
    counts = ", ".join(f"{name} {len(each.replaced)}" for name, each in records.items())
    middle = _each(records, lambda each: 1000 * statistics.median(each.replaced))
    worst = _each(records, lambda each: 1000 * percentile(each.replaced, 0.95))
    early = _each(records, lambda each: 1000 * statistics.median(each.early))
    count = starting.PROGRAMS
    how = "by a command of each one's own, its start included"
    samples = [round(1000 * each, 2) for each in records[Kite.name].replaced]
    return [
        _row(f"{count} programs, supervisor is there", again, "s", how),
        *_beside_the_small(f"{count} programs, supervisor is there", again, 2.0),
        _row("killed, new process, median", middle, "ms", f"kills: {counts}", samples),
        _row("killed, new process, p95", worst, "ms", "", samples),
        *_beside_the_small("killed, new process, p95", worst, 1.0, {S6.name}),
        _row("killed within a second of its start", early, "ms", f"median of {ROUNDS}"),
    ]


def _costs(records: Mapping[str, Record]) -> list[Figure]:
    def told(of: Callable[[Record], Memory | None]) -> str:
        found = {name: memory for name, each in records.items() if (memory := of(each))}
        return (
            f"proportional; Kite's Launcher alone {found[Kite.name].main:.1f}; resident: "
            + ", ".join(
                f"{name} {memory.resident:.0f} of {memory.processes} processes"
                for name, memory in found.items()
            )
        )

    rest = records[Kite.name].rest
    alone = f"Kite's Launcher alone {rest.main:.2f}; " if rest else ""
    over = f"over {resting.SECONDS:.0f} s with {starting.PROGRAMS} programs"
    return [
        _row("memory, 1 program", _each(records, _proportional_one), "MB", told(lambda r: r.one)),
        _row(
            f"memory, {starting.PROGRAMS} programs",
            _each(records, _proportional_many),
            "MB",
            told(lambda r: r.many),
        ),
        _row(
            "wake-ups",
            _each(records, lambda r: r.rest.switches if r.rest else 0.0),
            "per s",
            alone + over,
        ),
        _row(
            "processor",
            _each(records, lambda r: r.rest.processor if r.rest else 0.0),
            "% of a core",
            over,
        ),
    ]


def _proportional_one(record: Record) -> float:
    return record.one.proportional if record.one else 0.0


def _proportional_many(record: Record) -> float:
    return record.many.proportional if record.many else 0.0


def _survivors(records: Mapping[str, Record]) -> list[Figure]:
    stops = {name: each.stopped for name, each in records.items() if each.stopped}
    told = ", ".join(
        f"{name} {left.status} after {left.seconds:.2f} s" for name, left in stops.items()
    )
    return [
        _row(
            "alive 2 s after kill -9 of the supervisor",
            _each(records, lambda each: each.orphans),
            "of 3",
            "module, its child, a daemon of its own session and empty environment",
            target=0.0,
        ),
        _row(
            "alive after stop",
            {name: float(left.processes) for name, left in stops.items()},
            "of 3",
            f"the child ignores SIGTERM; status of the command: {told}",
            target=0.0,
        ),
    ]


def _each(records: Mapping[str, Record], value: Callable[[Record], float]) -> dict[str, float]:
    return {name: round(value(each), 4) for name, each in records.items()}


def _row(
    name: str,
    values: Mapping[str, float],
    unit: str,
    detail: str,
    samples: Sequence[float] = (),
    target: float | None = None,
) -> Figure:
    """Kite's value; the target is the best rival's, or level with it, where none is given."""
    rivals = [value for peer, value in values.items() if peer in _RIVALS]
    if target is None and rivals:
        target = round(_LEVEL * min(rivals), 4)
    return Figure(
        name=f"supervision: {name}",
        value=values[Kite.name],
        unit=unit,
        target=target,
        detail=detail,
        samples=samples,
        peers={peer: value for peer, value in values.items() if peer != Kite.name},
    )


def _beside_the_small(
    name: str, values: Mapping[str, float], target: float, small: set[str] = _SMALL
) -> list[Figure]:
    """How many times as long Kite takes as each of these."""
    there = {peer: values[peer] for peer in sorted(small) if peer in values}
    return [
        Figure(
            name=f"supervision: {name}: Kite / {peer}",
            value=round(values[Kite.name] / value, 3),
            unit="×",
            target=target,
        )
        for peer, value in there.items()
    ]


def _say(what: str) -> None:
    print(f"  {what} …", file=sys.stderr, flush=True)
