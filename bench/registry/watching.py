"""How soon a watcher has a change, and whether it has every one, and no other, among many."""

from __future__ import annotations

import selectors
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.figure import Figure, percentile
from bench.registry.comparison import compared, in_turns
from bench.registry.connection import Connection
from bench.registry.entry import names
from bench.registry.load import PATIENCE
from bench.registry.peers import Peer
from bench.registry.pressure import changing, pressure
from bench.registry.watcher import Seen, Watcher

SINGLE_CHANGES = 500
CHANGES = 10_000
UNRELATED = 1_000
"""Changes a second of what nobody watches."""

QUIET_SECONDS = 3.0
WATCHED = names("watched-", 8)
OTHERS = names("other-", 50)
_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """What one watcher had of a flood.

    Args:
        seconds: from the first change asked for until the last was seen.
        unrelated: changes a second that there really were beside it.
        quiet_reads: how often it was woken while only others changed.
        reads: how often in the flood.
        is_compacted: whether one that read nothing until the end was told that changes are missing.
        late: how many changes that one had.
    """

    seconds: float
    unrelated: float
    quiet_reads: int
    reads: int
    is_compacted: bool
    late: int


def figures(
    peers: Mapping[str, Peer],
    *,
    singles: int = SINGLE_CHANGES,
    changes: int = CHANGES,
    quiet: float = QUIET_SECONDS,
) -> list[Figure]:
    """One change at a time, and a flood of them."""
    for peer in peers.values():
        peer.fill([*WATCHED, *OTHERS])
    took = in_turns(peers, lambda peer: one_way(peer, singles), _ROUNDS)
    found = [
        compared(
            f"watch, one change at a time, {told}",
            {name: [1e6 * percentile(each, share) for each in runs] for name, runs in took.items()},
            "µs",
            detail=f"{singles} changes; from before the change is asked for",
        )
        for told, share in (("p50", 0.5), ("p99", 0.99))
    ]
    floods = {name: flood(peer, changes, quiet) for name, peer in peers.items()}
    found.append(
        compared(
            f"watch, {changes:,} changes while {UNRELATED:,} others a second are asked for",
            {name: [changes / each.seconds] for name, each in floods.items()},
            "changes/s",
            detail="every one seen, in order; " + _told(floods),
        )
    )
    found.append(
        compared(
            "watch, others beside them",
            {name: [each.unrelated] for name, each in floods.items()},
            "changes/s",
            target=0.95 * UNRELATED,
            at_least=True,
            detail="else the promise of the line above was not put to the test",
        )
    )
    found.append(
        compared(
            "watch, wake-ups by what is not watched",
            {name: [each.quiet_reads] for name, each in floods.items()},
            "",
            target=0,
            detail=f"in {quiet:g} s with nothing else",
        )
    )
    return found


def _told(floods: Mapping[str, Flood]) -> str:
    return "; ".join(
        f"{name}: {each.seconds:.1f} s, {each.unrelated:.0f} others/s, {each.reads:,} reads, "
        f"one that read nothing meanwhile: {each.late:,} changes"
        + (", and was told `compacted`" if each.is_compacted else "")
        for name, each in floods.items()
    )


def one_way(peer: Peer, changes: int) -> list[float]:
    """Seconds from before a change is asked for until a watcher has it, one after the other."""
    module_id = WATCHED[0]
    watcher, writer = peer.watch(module_id), peer.connect()
    try:
        requests = [peer.change(module_id, count) for count in range(1, changes + 1)]
        took = []
        with selectors.DefaultSelector() as selector:
            selector.register(watcher.socket, selectors.EVENT_READ, watcher)
            selector.register(writer.socket, selectors.EVENT_READ, writer)
            for count, request in enumerate(requests, start=1):
                began = time.perf_counter()
                writer.write(request)
                took.append(_until_seen(selector, watcher, writer, count) - began)
        check(watcher.take(), {module_id: changes})
        return took
    finally:
        watcher.close()
        writer.close()


def _until_seen(
    selector: selectors.BaseSelector, watcher: Watcher, writer: Connection, count: int
) -> float:
    """When the watcher had it; the writer is answered, too, when this returns."""
    seen_at = None
    is_answered = False
    while seen_at is None or not is_answered:
        ready = selector.select(PATIENCE)
        if not ready:
            raise RuntimeError(f"change {count} was not seen")
        for key, _ in ready:
            if key.data is writer:
                is_answered |= writer.read() is not None
                continue
            watcher.read()
            if watcher.marks >= count and seen_at is None:
                seen_at = time.perf_counter()
    return seen_at


def flood(peer: Peer, changes: int, quiet: float) -> Flood:
    """Change what is watched as fast as it is taken, while others change at a steady rate.

    Raises:
        RuntimeError: the watcher has missed a change and was not told so, had one twice or too
            early, or did not get them in time.
    """
    each = changes // len(WATCHED)
    prefix = WATCHED[0][:-4]
    watcher, sleeper = peer.watch(prefix), peer.watch(prefix)
    try:
        with pressure(peer, OTHERS, UNRELATED) as beside:
            _read(watcher, 1, quiet)
            quiet_reads = watcher.reads
            with changing(peer, WATCHED, each):
                began = time.perf_counter()
                is_whole = _read(watcher, changes, 10 * PATIENCE)
                seconds = time.perf_counter() - began
        seen = watcher.take()
        if not is_whole and not watcher.is_compacted:
            raise RuntimeError(f"{peer.name}: {watcher.marks} of {changes} changes were seen")
        check(seen, dict.fromkeys(WATCHED, each))
        _read(sleeper, changes, quiet)
        late = sleeper.take()
        check(late, dict.fromkeys(WATCHED, each))
        return Flood(
            seconds=seconds,
            unrelated=beside.rate,
            quiet_reads=quiet_reads,
            reads=watcher.reads - quiet_reads,
            is_compacted=sleeper.is_compacted,
            late=sum(bool(each.revision) for each in late if each.module_id),
        )
    finally:
        watcher.close()
        sleeper.close()


def _read(watcher: Watcher, marks: int, quiet: float) -> bool:
    """Read until so many records have come (True), or nothing comes for so long."""
    with selectors.DefaultSelector() as selector:
        selector.register(watcher.socket, selectors.EVENT_READ)
        while watcher.marks < marks:
            if not selector.select(quiet):
                return False
            watcher.read()
    return True


def check(seen: Sequence[Seen], last: Mapping[str, int]) -> None:
    """Whether nothing was missed in silence: each module's counts go up by one, revisions go up, and
    what is known at the end is the last. Between `compacted` and `synced` anything may be missing.

    Args:
        seen: in the order in which it came.
        last: each module's last count, counted from 1; there may be no other modules.

    Raises:
        RuntimeError: something is missing, came twice, or is of somebody else.
    """
    counts = dict.fromkeys(last, 0)
    revision = 0
    is_anew = False
    for each in seen:
        if each.kind == "compacted":
            is_anew = True
            continue
        if not each.module_id:
            is_anew = False  # `synced`: from here on nothing may be missing
            continue
        if each.module_id not in last:
            raise RuntimeError(f"a change of {each.module_id} came, which nobody watches")
        if not is_anew:
            if each.count != counts[each.module_id] + 1:
                before = counts[each.module_id]
                raise RuntimeError(f"{each.module_id}: change {each.count} came after {before}")
            if each.revision <= revision:
                raise RuntimeError(f"revision {each.revision} came after {revision}")
            revision = each.revision
        counts[each.module_id] = each.count
    if counts != dict(last):
        raise RuntimeError(f"the last changes are missing: {counts}")
    if is_anew:
        raise RuntimeError("what is here was not told to its end")
