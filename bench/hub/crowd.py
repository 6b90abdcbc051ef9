"""The Hub with many connections and patterns: what they cost in rate and in memory."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.hub.peers import Kite
from bench.hub.throughput import ONE_TO_ONE, deliveries_per_second

CONNECTIONS = 1000
PATTERNS_EACH = 10


@contextmanager
def crowd(kite: Kite, patterns_each: int) -> Iterator[None]:
    """So many connections with so many patterns each, none of which matches what is measured."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * CONNECTIONS), hard))
    connections: list[socket.socket] = []
    try:
        for number in range(CONNECTIONS):
            connection = kite.connect("crowd")
            connections.append(connection)
            for each in range(patterns_each):
                kite.subscribe(connection, f"bench.crowd{number}.{each}.*")
        yield
    finally:
        for connection in connections:
            connection.close()


def rate_in_a_crowd(kite: Kite) -> tuple[float, float]:
    """Events a second from one publisher to one subscriber: alone, and among 10 000 patterns."""
    alone = deliveries_per_second(kite, ONE_TO_ONE)
    with crowd(kite, PATTERNS_EACH):
        return alone, deliveries_per_second(kite, ONE_TO_ONE)


def mebibytes() -> tuple[float, float]:
    """The Hub's proportional set size: of a fresh one, and with so many idle connections."""
    with Kite() as kite:
        idle = _pss(kite.pid)
        with crowd(kite, 1):
            return idle, _pss(kite.pid)


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no Pss")
