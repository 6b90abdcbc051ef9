"""How long after the end of its lease a silent module is out of the registry."""

from __future__ import annotations

import selectors
import time
from collections.abc import Mapping

from bench.figure import Figure, percentile
from bench.registry.comparison import compared
from bench.registry.entry import names
from bench.registry.load import PATIENCE
from bench.registry.peers import Peer

LEASE = 3
"""Seconds; etcd gives no shorter one than two."""

MODULES = 20
_APART = 0.137


def figures(peers: Mapping[str, Peer], modules: int = MODULES) -> list[Figure]:
    """Of modules that registered one after the other, at odd moments."""
    late = {name: _late(peer, names("silent-", modules)) for name, peer in peers.items()}
    return [
        compared(
            "silent, out after its lease",
            {name: [percentile(each, 0.95)] for name, each in late.items()},
            "ms late, p95",
            detail=f"{modules} leases of {LEASE} s; from before they are asked for, plus that, until a watcher knows; max "
            + ", ".join(f"{name} {max(each):.1f}" for name, each in late.items()),
        )
    ]


def _late(peer: Peer, modules: list[str]) -> list[float]:
    """Milliseconds of each.

    Raises:
        RuntimeError: one was not taken out, or before its time.
    """
    peer.know(modules)
    watcher, writer = peer.watch("silent-"), peer.connect()
    ends: dict[str, float] = {}
    found: dict[str, float] = {}
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(watcher.socket, selectors.EVENT_READ)
            next_at = time.monotonic()
            while len(found) < len(modules):
                if len(ends) < len(modules) and time.monotonic() >= next_at:
                    module_id = modules[len(ends)]
                    ends[module_id] = time.monotonic() + LEASE
                    for request in peer.registration(module_id, 0, ttl=LEASE):
                        writer.ask(request)
                    next_at += _APART
                wait = max(next_at - time.monotonic(), 0) if len(ends) < len(modules) else PATIENCE
                if not selector.select(wait):
                    if len(ends) == len(modules):
                        raise RuntimeError(f"{peer.name}: a silent module was not taken out")
                    continue
                watcher.read()
                now = time.monotonic()
                for seen in watcher.take():
                    if seen.kind in ("expired", "delete"):
                        found[seen.module_id] = 1000 * (now - ends[seen.module_id])
                        if found[seen.module_id] < 0:
                            raise RuntimeError(f"{peer.name}: {seen.module_id} went too early")
        return list(found.values())
    finally:
        watcher.close()
        writer.close()
