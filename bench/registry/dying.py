"""How long a process that the Launcher sees die is still in the Registry, in a whole Kite."""

from __future__ import annotations

import os
import selectors
import signal
import statistics
import time

from bench.figure import Figure, percentile
from bench.registry.peers.kite import KiteWatcher
from bench.running import PATIENCE, Running

KILLS = 50
_BETWEEN = 0.02


def figures(kills: int = KILLS) -> list[Figure]:
    """Modules on the SDK, each killed once, the next when the last has registered again."""
    modules = [f"dying{number:02}" for number in range(kills)]
    with Running() as running:
        for name in modules:
            running.module(name)
        running.up()
        api = running.system.api
        watcher = KiteWatcher(api["registry_port"], api["token"], "dying")
        try:
            pids = running.pids()
            samples = [round(1000 * _kill(watcher, name, pids[name]), 2) for name in modules]
        finally:
            watcher.close()
    return [
        Figure(
            name=f"registry: killed, out of the Registry, {told}",
            value=value,
            unit="ms",
            target=250,
            detail=f"{kills} modules killed once each, from before kill(2) until a watcher of the "
            f"Registry knows; median {statistics.median(samples):.1f}",
            samples=samples,
        )
        for told, value in (("p95", percentile(samples, 0.95)), ("max", max(samples)))
    ]


def _kill(watcher: KiteWatcher, module_id: str, pid: int) -> float:
    """Seconds; returns when its next process has registered."""
    time.sleep(_BETWEEN)
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    out_at = _wait(watcher, module_id, "deregistered")
    _wait(watcher, module_id, "registered")
    return out_at - began


def _wait(watcher: KiteWatcher, module_id: str, kind: str) -> float:
    """When the watcher had heard it."""
    deadline = time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        selector.register(watcher.socket, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if not selector.select(PATIENCE):
                break
            watcher.read()
            now = time.monotonic()
            if any((seen.kind, seen.module_id) == (kind, module_id) for seen in watcher.take()):
                return now
    raise RuntimeError(f"{module_id}: '{kind}' was not heard")
