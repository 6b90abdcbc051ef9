"""What a supervisor costs while its programs sleep."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.idle import pss, rss, use
from bench.supervision.peers import Peer

SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """MB of all of a supervisor's processes together, and how many these are."""

    proportional: float
    resident: float
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Context switches a second of all threads, and their share of a core in per cent."""

    switches: float
    processor: float


def memory(peer: Peer) -> Memory:
    """Now."""
    own = peer.own()
    return Memory(proportional=sum(map(pss, own)), resident=sum(map(rss, own)), processes=len(own))


def rest(peer: Peer) -> Rest:
    """Over some seconds."""
    own = peer.own()
    before = [use(pid) for pid in own]
    began = time.monotonic()
    time.sleep(SECONDS)
    elapsed = time.monotonic() - began
    after = [use(pid) for pid in own]
    return Rest(
        switches=sum(a.switches - b.switches for a, b in zip(after, before, strict=True)) / elapsed,
        processor=100
        * sum(a.seconds - b.seconds for a, b in zip(after, before, strict=True))
        / elapsed,
    )
