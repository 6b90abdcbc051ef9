"""How many registrations a second, each with a lease, by one client and by eight."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping

from bench.figure import Figure, percentile
from bench.registry.comparison import compared, in_turns
from bench.registry.connection import Operation
from bench.registry.entry import names
from bench.registry.load import Lane, Load, closed_loop
from bench.registry.peers import Etcd, Peer

SECONDS = 1.5
CLIENTS = (1, 8)


def figures(peers: Mapping[str, Peer], entries: int, seconds: float = SECONDS) -> list[Figure]:
    """Among so many entries, which are there already."""
    counts = itertools.count(1)
    modules = names("bench-", max(CLIENTS))

    def run(peer: Peer, clients: int, *, is_bare: bool = False) -> Load:
        connections = [peer.connect() for _ in range(clients)]

        def operations(module_id: str) -> Iterator[Operation]:
            for count in counts:
                if is_bare:
                    yield (peer.change(module_id, count),)
                else:
                    yield peer.registration(module_id, count)

        try:
            lanes = map(Lane, connections, map(operations, modules))
            return closed_loop(list(lanes), seconds)
        finally:
            for connection in connections:
                connection.close()

    found = []
    for clients in CLIENTS:
        loads = in_turns(peers, lambda peer, clients=clients: run(peer, clients))  # type: ignore[misc]
        told = [f"{name} p50 {_median(runs):.2f} ms" for name, runs in loads.items()]
        if etcd := peers.get(Etcd.name):
            bare = statistics.median(run(etcd, clients, is_bare=True).rate for _ in range(3))
            told.append(f"etcd without a lease {bare:,.0f}/s")
        found.append(
            compared(
                f"register among {entries:,} entries, {clients} client{'s' * (clients > 1)}",
                {name: [each.rate for each in runs] for name, runs in loads.items()},
                "/s",
                detail=", ".join(told),
            )
        )
    return found


def _median(runs: list[Load]) -> float:
    """Milliseconds of one registration."""
    return 1000 * statistics.median(percentile(run.took, 0.5) for run in runs)
