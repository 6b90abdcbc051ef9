"""What a supervisor costs while its programs sleep."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.idle import pss, rss, use
from bench.supervision.peers import Peer

SETTLE = 4.0
SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """MB of all of a supervisor's processes together, how many these are, and the proportional MB
    of the main one alone."""

    proportional: float
    resident: float
    processes: int
    main: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Context switches a second of all threads, those of the main process's alone, and the share
    of a core of all in per cent."""

    switches: float
    main: float
    processor: float


def memory(peer: Peer) -> Memory:
    """Now."""
    own = peer.own()
    return Memory(
        proportional=sum(map(pss, own)),
        resident=sum(map(rss, own)),
        processes=len(own),
        main=pss(peer.pid),
    )


def rest(peer: Peer) -> Rest:
    """Over some seconds, after some in which what has begun comes to its end."""
    time.sleep(SETTLE)
    own = peer.own()
    before = {pid: use(pid) for pid in own}
    began = time.monotonic()
    time.sleep(SECONDS)
    elapsed = time.monotonic() - began
    after = {pid: use(pid) for pid in own}
    switches = {pid: (after[pid].switches - before[pid].switches) / elapsed for pid in own}
    seconds = sum(after[pid].seconds - before[pid].seconds for pid in own)
    return Rest(
        switches=sum(switches.values()),
        main=switches[peer.pid],
        processor=100 * seconds / elapsed,
    )
