"""Kite and the supervisors it is measured against, each by its own commands."""

from __future__ import annotations

from bench.supervision.peers.circus import Circus
from bench.supervision.peers.kite import Kite
from bench.supervision.peers.peer import Missing, Peer
from bench.supervision.peers.pm2 import Pm2
from bench.supervision.peers.runit import Runit
from bench.supervision.peers.s6 import S6
from bench.supervision.peers.supervisord import Supervisord

__all__ = ["S6", "Circus", "Kite", "Missing", "Peer", "Pm2", "Runit", "Supervisord"]
