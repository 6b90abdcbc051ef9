"""What a reader that never reads costs the others.

Such a reader is cut after two seconds of holding. Measured is the rate of one publisher to one
subscriber before that, during it, and after it, all three against the same Hub.
"""

from __future__ import annotations

import socket
import statistics
import time
from dataclasses import dataclass

from bench.figure import Figure
from bench.hub.latency import one_way
from bench.hub.load import Reader, run
from bench.hub.message import SIZE, envelopes
from bench.hub.peers import Kite
from bench.hub.peers.websocket import frame, header_size

SUBJECT = "bench.shared"
MESSAGES = 100_000
ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """Rates in events a second.

    Args:
        stuck: how many readers never read.
        before: without them.
        during: from when they are there until everything has arrived: the two seconds are in it.
        after: once they were cut; they are still connected, and still read nothing.
        held: seconds that the run with them took longer.
        ratio: after / before.
    """

    stuck: int
    before: float
    during: float
    after: float
    held: float
    ratio: float


def measure(kite: Kite, stuck: int) -> Isolation:
    """One comparison; the median of several runs where runs can be repeated."""
    before = statistics.median(_rate(kite, f"b{stuck}{n}") for n in range(ROUNDS))
    sleepers = [_sleeper(kite, n) for n in range(stuck)]
    try:
        during = _rate(kite, f"d{stuck}")
        after = statistics.median(_rate(kite, f"a{stuck}{n}") for n in range(ROUNDS))
    finally:
        for sleeper in sleepers:
            sleeper.close()
    return Isolation(
        stuck=stuck,
        before=before,
        during=during,
        after=after,
        held=MESSAGES / during - MESSAGES / before,
        ratio=after / before,
    )


def _sleeper(kite: Kite, number: int) -> socket.socket:
    """A subscriber that reads its ack and nothing else."""
    connection = kite.connect(f"sleeper_{number}")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    kite.subscribe(connection, SUBJECT)
    return connection


def _rate(kite: Kite, mark: str) -> float:
    reader, writer = kite.connect("subscriber_0"), kite.connect("publisher_0")
    try:
        kite.subscribe(reader, SUBJECT)
        made = envelopes(SUBJECT, "publisher_0", MESSAGES, run=f"{mark}{time.time_ns() % 10**6}")
        data = b"".join(map(frame, made))
        expected = MESSAGES * (header_size(SIZE) + SIZE)
        seconds = run(
            [(writer, data)],
            [Reader(connection=reader, expected=expected, counter=kite.counter())],
        )
        return MESSAGES / seconds
    finally:
        reader.close()
        writer.close()


def figures() -> list[Figure]:
    """What three readers that never read have cost once they are cut: rate and latency."""
    with Kite() as kite:
        before = one_way(kite, "before").p99
        found = measure(kite, 3)
        after = one_way(kite, "after").p99
    return [
        Figure(
            name="hub after three readers that never read: rate",
            value=found.ratio,
            unit="× before",
            target=0.9,
            at_least=True,
            detail=f"{found.after:,.0f} and {found.before:,.0f} events/s, median of {ROUNDS}; "
            f"held for {found.held:.1f} s",
        ),
        Figure(
            name="hub after three readers that never read: latency p99",
            value=after,
            unit="µs",
            detail=f"before {before:.0f} µs",
        ),
    ]
