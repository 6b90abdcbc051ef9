"""How soon a killed program has a new process, one crash at a time.

Each program is killed once, so that no supervisor counts a crash loop. One that polls is killed at
a random point of its round: right behind a replacement every crash would wait a whole one.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence

from bench.supervision import census
from bench.supervision.census import Arrivals
from bench.supervision.peers import Peer
from bench.supervision.programs import Program

BETWEEN = 0.05
_MOST_SECONDS = 45.0
_SEED = 7


def replacements(peer: Peer, programs: Sequence[Program]) -> list[float]:
    """Seconds from before the kill until the new process was seen; of as many programs as there is
    time for."""
    chance = random.Random(_SEED)
    found: list[float] = []
    end = time.monotonic() + _MOST_SECONDS
    for program in programs:
        if time.monotonic() > end:
            break
        time.sleep(BETWEEN + chance.random() * peer.tick)
        found.append(replacement(program))
    return found


def replacement(program: Program) -> float:
    """Kill the leader of one."""
    pid = census.programs([program.leader])[program.leader]
    arrivals = Arrivals([program.leader])
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    return arrivals.wait() - began
