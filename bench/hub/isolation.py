"""What a reader that never reads costs the others: run as `python -m bench.hub.isolation`.

Such a reader is cut after two seconds of holding. Measured is the rate of one publisher to one
subscriber before that, during it, and after it, all three against the same Hub.
"""

from __future__ import annotations

import json
import socket
import statistics
import time
from dataclasses import asdict, dataclass

from bench.hub.load import Reader, run
from bench.hub.message import SIZE, envelopes
from bench.hub.peers import Kite
from bench.hub.peers.websocket import frame, header_size

SUBJECT = "bench.shared"
MESSAGES = 100_000
ROUNDS = 3


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


def main() -> None:
    """Print one JSON document."""
    with Kite() as kite:
        found = [asdict(measure(kite, stuck)) for stuck in (1, 3)]
    print(json.dumps({"isolation": found}, indent=2))


if __name__ == "__main__":
    main()
