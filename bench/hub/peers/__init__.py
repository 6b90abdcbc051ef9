"""Kite's Hub and the servers it is measured against, each spoken to in its own protocol."""

from __future__ import annotations

from bench.hub.peers.kite import Kite
from bench.hub.peers.mosquitto import Mosquitto
from bench.hub.peers.nats import Nats, NatsWebSocket
from bench.hub.peers.peer import Missing, Peer
from bench.hub.peers.redis import Redis

__all__ = ["Kite", "Missing", "Mosquitto", "Nats", "NatsWebSocket", "Peer", "Redis"]
