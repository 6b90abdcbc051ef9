"""How long a message takes from its publisher's write to its subscriber's read, at a steady rate."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.figure import percentile
from bench.hub.message import SIZE, envelopes
from bench.hub.peers import Peer

RATE = 20_000
SECONDS = 3.0
_WARM_UP = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Microseconds, one way."""

    p50: float
    p99: float


def one_way(peer: Peer, run: str) -> Latency:
    """One message every 50 µs, each in a write of its own.

    One process writes and reads, turning without pause, so that a clock and a processor are shared
    and no wake-up of ours is measured; the server has the other processor to itself.
    """
    subject = "bench.steady"
    count = int(RATE * SECONDS)
    subscriber, publisher = peer.connect("subscriber_0"), peer.connect("publisher_0")
    try:
        peer.subscribe(subscriber, subject)
        made = envelopes(subject, "publisher_0", count, run=run)
        messages = [peer.publication(subject, envelope) for envelope in made]
        size = peer.delivery_size(subject, SIZE)
        counter = peer.counter()
        subscriber.setblocking(False)
        publisher.setblocking(False)
        sent = [0.0] * count
        took = [0.0] * count
        room = bytearray(1 << 18)
        view = memoryview(room)
        clock = time.perf_counter
        began = clock()
        written = read = 0
        while read < count:
            now = clock()
            if written < count and now >= began + written / RATE:
                sent[written] = now
                publisher.sendall(messages[written])
                written += 1
            try:
                arrived = subscriber.recv_into(room)
            except BlockingIOError:
                if now > began + SECONDS + 30:
                    raise RuntimeError(
                        f"{peer.name}: {count - read} messages are missing"
                    ) from None
                continue
            now = clock()
            counter.feed(view[:arrived])
            while read < counter.total // size:
                took[read] = now - sent[read]
                read += 1
        kept = took[int(_WARM_UP * RATE) :]
        return Latency(p50=1e6 * percentile(kept, 0.5), p99=1e6 * percentile(kept, 0.99))
    finally:
        subscriber.close()
        publisher.close()
