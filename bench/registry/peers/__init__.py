"""Kite's Registry and what it is measured against, each spoken to in its own protocol."""

from __future__ import annotations

from bench.registry.peers.etcd import Etcd
from bench.registry.peers.kite import Kite
from bench.registry.peers.peer import Peer

__all__ = ["Etcd", "Kite", "Peer"]
