"""Who is left: after the supervisor's death, and after a stop that is said to be done."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

from bench.supervision import census
from bench.supervision.census import Arrivals
from bench.supervision.peers import Peer

GRACE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """How many processes of a program are left, what was said, and after how many seconds."""

    processes: int
    status: int
    seconds: float


def launch(peer: Peer) -> None:
    """Start it, and wait until all processes of its programs are there."""
    arrivals = Arrivals(peer.numbers)
    peer.launch()
    arrivals.wait()


def orphans(peer: Peer) -> int:
    """How many processes of its programs live some seconds after SIGKILL to the supervisor."""
    os.kill(peer.pid, signal.SIGKILL)
    time.sleep(GRACE)  # the time that the promise allows
    return len(census.programs(peer.numbers))


def after_stop(peer: Peer) -> Left:
    """Stop the first program by the supervisor's command, and look as soon as that returns."""
    program = peer.programs[0]
    began = time.monotonic()
    status = peer.stop(program.name)
    seconds = time.monotonic() - began
    left = len(census.programs(program.numbers))
    return Left(processes=left, status=status, seconds=seconds)
