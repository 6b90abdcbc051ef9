"""How much memory a registry has, fresh and with entries."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figure import Figure
from bench.idle import pss
from bench.registry.comparison import compared
from bench.registry.entry import names
from bench.registry.peers import Peer


def figures(peers: Mapping[str, Peer], entries: int) -> list[Figure]:
    """Of fresh ones, which have the entries afterwards."""
    idle = {name: [pss(peer.pid)] for name, peer in peers.items()}
    for peer in peers.values():
        peer.fill(names("bench-", entries))
    full = {name: [pss(peer.pid)] for name, peer in peers.items()}
    how = "proportional set size"
    return [
        compared("memory, idle", idle, "MB", detail=how),
        compared(f"memory with {entries:,} entries", full, "MB", detail=how),
    ]
