"""How many records a second are asked for and answered, and how long one takes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from bench.figure import Figure, percentile
from bench.registry.comparison import compared, in_turns
from bench.registry.entry import names
from bench.registry.load import Lane, Load, closed_loop
from bench.registry.peers import Peer

SECONDS = 1.5
CLIENTS = (1, 8)


def figures(peers: Mapping[str, Peer], entries: int, seconds: float = SECONDS) -> list[Figure]:
    """Among so many entries, which are there already, one after the other."""

    def run(peer: Peer, clients: int) -> Load:
        connections = [peer.connect() for _ in range(clients)]
        operations = [(peer.question(module_id),) for module_id in names("bench-", entries)]
        try:
            lanes = [Lane(connection, itertools.cycle(operations)) for connection in connections]
            return closed_loop(lanes, seconds)
        finally:
            for connection in connections:
                connection.close()

    found = []
    for clients in CLIENTS:
        loads = in_turns(peers, lambda peer, clients=clients: run(peer, clients))  # type: ignore[misc]
        rates = {name: [each.rate for each in runs] for name, runs in loads.items()}
        who = f"{clients} client{'s' * (clients > 1)}"
        found.append(compared(f"get among {entries:,} entries, {who}", rates, "/s"))
        found += [
            compared(f"get, {who}, {told}", _took(loads, share), "µs")
            for told, share in (("p50", 0.5), ("p99", 0.99))
        ]
    return found


def _took(loads: Mapping[str, list[Load]], share: float) -> dict[str, list[float]]:
    """Microseconds of each run."""
    return {
        name: [1e6 * percentile(each.took, share) for each in runs] for name, runs in loads.items()
    }
