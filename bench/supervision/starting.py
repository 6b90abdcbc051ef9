"""How soon fifty programs run: with the supervisor, and under one that is there already."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from bench.supervision import census
from bench.supervision.census import Arrivals
from bench.supervision.peers import Kite, Peer

PROGRAMS = 50
_PAUSE = 0.002
_CALM = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Seconds from before the command until all programs were seen; `ready`: until Kite's
    `up -d --wait` said that they are ready, 0 for others."""

    seen: float
    ready: float = 0.0


def from_nothing(peer: Peer) -> Start:
    """From before the supervisor's own start."""
    arrivals = Arrivals(peer.numbers, pause=_PAUSE)
    began = time.monotonic()
    peer.launch()
    seen = arrivals.wait() - began
    if not isinstance(peer, Kite):
        return Start(seen=seen)
    peer.wait_ready()
    return Start(seen=seen, ready=time.monotonic() - began)


def again(peer: Peer) -> float:
    """Seconds from before the command that starts all, which are stopped first, until the last
    was seen."""
    peer.stop_all()
    census.wait_for(lambda: not census.programs(peer.numbers), f"{peer.name} stops its programs")
    arrivals = Arrivals(peer.numbers, pause=_PAUSE)
    began = time.monotonic()
    command = threading.Thread(target=peer.start_all)
    command.start()
    try:
        return arrivals.wait() - began
    finally:
        command.join()


def calm() -> None:
    """What is started has started: nobody does anything afterwards, and nothing says when."""
    time.sleep(_CALM)
