"""The Registry and etcd in one run: register, get, watch; and what Kite alone promises of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from bench.figure import Figure
from bench.registry import copying, dying, expiring, getting, registering, resting, watching
from bench.registry.entry import names
from bench.registry.peers import Etcd, Kite, Peer
from bench.server import Missing

FEW, MANY = 50, 1_000
"""Entries: of a system as most are, and of a large one."""

_SCALE = "BENCH_SCALE"
_LEAST = 8
"""Of everything that is counted, however small the scale is."""

Peers = Mapping[str, Peer]


def measure(scale: float | None = None) -> list[Figure]:
    """All figures; where etcd is not installed, that is said, and Kite is measured alone.

    Args:
        scale: of how long everything is done; None: `BENCH_SCALE` of the environment, or 1.
    """
    if scale is None:
        scale = float(os.environ.get(_SCALE, "1"))
    figures: list[Figure] = []
    with _peers() as fresh:
        figures += _scene("memory", lambda: resting.figures(fresh, MANY))
    with _peers() as peers:
        for peer in peers.values():
            peer.fill(names("bench-", FEW))
        figures += _scene("few entries", lambda: _changing(peers, FEW, scale))
        for peer in peers.values():
            peer.fill(names("bench-", MANY))
        figures += _scene("many entries", lambda: _changing(peers, MANY, scale))
        figures += _scene("get", lambda: getting.figures(peers, MANY, getting.SECONDS * scale))
        figures += _scene("watch", lambda: _watching(peers, scale))
        figures += _scene("leases", lambda: expiring.figures(peers, _of(expiring.MODULES, scale)))
        figures += _scene("the SDK's copy", lambda: _copying(peers, scale))
    figures += _scene("dead processes", lambda: dying.figures(_of(dying.KILLS, scale)))
    return figures


def _scene(name: str, run: Callable[[], list[Figure]]) -> list[Figure]:
    print(f"  {name} …", file=sys.stderr, flush=True)
    return run()


def _changing(peers: Peers, entries: int, scale: float) -> list[Figure]:
    return registering.figures(peers, entries, registering.SECONDS * scale)


def _watching(peers: Peers, scale: float) -> list[Figure]:
    return watching.figures(
        peers,
        singles=_of(watching.SINGLE_CHANGES, scale),
        changes=_of(watching.CHANGES, scale),
        quiet=max(watching.QUIET_SECONDS * scale, 1.0),
    )


def _copying(peers: Peers, scale: float) -> list[Figure]:
    kite = peers[Kite.name]
    assert isinstance(kite, Kite)
    lookups, changes = _of(copying.LOOKUPS, scale), _of(copying.CHANGES, scale)
    return copying.figures(kite, MANY, lookups=lookups, changes=changes)


def _of(count: int, scale: float) -> int:
    """So many, in whole eights: there is one client for each of eight modules."""
    return max(round(count * scale / _LEAST), 1) * _LEAST if scale != 1 else count


@contextmanager
def _peers() -> Iterator[Peers]:
    """Both, fresh."""
    with ExitStack() as stack:
        started: dict[str, Peer] = {}
        for kind in (Kite, Etcd):
            try:
                started[kind.name] = stack.enter_context(kind())
            except Missing as missing:
                print(f"left out: {missing}", file=sys.stderr)
        yield started
