"""How many events a second the Hub keeps for one publisher: `python -m bench.hub.durable`.

One connection, raw bytes, every event with `"ack": true`, so that what is counted is what the Hub
has promised. The stream has `sync: full`, as by default. Nobody subscribes.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import sys
import tempfile
import time

from bench.figure import Figure, table
from bench.hub.message import envelopes
from bench.hub.peers.kite import Kite
from bench.hub.peers.websocket import frame

SUBJECT = "bench.kept"
EVENTS = 200_000
RUNS = 5
_SLICE = 1 << 18


def accepted_per_second(kite: Kite, run: str, events: int = EVENTS) -> float:
    """Events whose acknowledgement has come, a second, all of them in flight as the Hub lets them.

    Raises:
        RuntimeError: one was refused, or the Hub closed the connection.
    """
    made = envelopes(SUBJECT, "publisher_0", events, run=run)
    data = memoryview(b"".join(frame(b'{"ack":true,' + each[1:]) for each in made))
    connection = kite.connect("publisher_0")
    connection.setblocking(False)
    try:
        began = time.monotonic()
        _drive(connection, data, events)
        return events / (time.monotonic() - began)
    finally:
        connection.close()


def _drive(connection: socket.socket, data: memoryview, events: int) -> None:
    selector = selectors.DefaultSelector()
    selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
    rest, acked = b"", 0
    while acked < events:
        for _, ready in selector.select():
            if ready & selectors.EVENT_READ:
                got = connection.recv(1 << 20)
                if not got:
                    raise RuntimeError("the hub closed the connection")
                got = rest + got
                if b'"type":"error"' in got:
                    raise RuntimeError(f"refused: {got[:300]!r}")
                acked += got.count(b'"seq":')
                rest = got[-5:] if not got.endswith(b"}") else b""
            if ready & selectors.EVENT_WRITE:
                try:
                    data = data[connection.send(data[:_SLICE]) :]
                except BlockingIOError:
                    continue
                if not data:
                    selector.modify(connection, selectors.EVENT_READ)


def figures() -> list[Figure]:
    """What is promised of it, with the best of some runs: other work only ever takes away."""
    with tempfile.TemporaryDirectory() as directory:
        kite = Kite(
            config={"streams": {"kept": {"subjects": [SUBJECT], "max_events": 4 * EVENTS}}},
            data_dir=directory,
        )
        kite.start()
        try:
            rates = [accepted_per_second(kite, f"{number:03}") for number in range(RUNS)]
        finally:
            kite.stop()
    return [
        Figure(
            name="hub, events kept on disk and acknowledged",
            value=max(rates),
            unit="events/s",
            target=100_000,
            at_least=True,
            detail=f"best of {RUNS}, median {statistics.median(rates):,.0f}; {EVENTS:,} events each",
            samples=[round(rate) for rate in rates],
        )
    ]


def main() -> int:
    """Print it as a table."""
    print("\n".join(table(figures())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
