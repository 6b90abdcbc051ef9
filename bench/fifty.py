"""Many idle modules: what the Launcher costs with fifty of them, and whether two hundred work."""

from __future__ import annotations

import time

from bench.figure import Figure, best
from bench.idle import SECONDS, SETTLE, pss, rss, use
from bench.running import Running

FEW, MANY = 50, 200
MOST = 500.0
"""Seconds that two hundred may take to start one after the other."""
LOOKS = 5
STOPS = 3


def measure() -> list[Figure]:
    """Modules of ten lines on the SDK, each with one handler, to which nobody speaks."""
    return [*_few(), *_many()]


def _few() -> list[Figure]:
    with Running() as running:
        for number in range(FEW):
            running.module(f"m{number:03}")
        running.up()
        time.sleep(SETTLE)  # what is measured is rest
        pids = running.pids()
        launcher, everybody = pids["launcher"], list(pids.values())
        before, began = use(launcher), time.monotonic()
        woken = -sum(use(pid).switches for pid in everybody)
        time.sleep(SECONDS)
        woken += sum(use(pid).switches for pid in everybody)
        elapsed = time.monotonic() - began
        after = use(launcher)
        memory, resident = pss(launcher), rss(launcher)
        stops = [running.down()]
        for _ in range(STOPS - 1):
            running.up()
            stops.append(running.down())
    about = f"the Launcher's, with {FEW} idle SDK modules"
    return [
        Figure(
            name=f"{FEW} modules idle: memory",
            value=round(resident, 2),
            unit="MB",
            target=45,
            detail=f"resident, {about}; proportional {memory:.3g} MB",
        ),
        Figure(
            name=f"{FEW} modules idle: wake-ups",
            value=round((after.switches - before.switches) / elapsed, 3),
            unit="per s",
            target=1,
            detail=f"context switches over {elapsed:.0f} s, {about}",
        ),
        Figure(
            name=f"{FEW} modules idle: wake-ups of all",
            value=round(woken / elapsed, 3),
            unit="per s",
            detail=f"of the {FEW} modules, the core processes and the Watchdog together",
        ),
        Figure(
            name=f"{FEW} modules idle: processor",
            value=round(100 * (after.seconds - before.seconds) / elapsed, 4),
            unit="% of a core",
            target=0.2,
            detail=about,
        ),
        best(f"{FEW} modules: kite down", stops, "s", target=2, detail="the whole command"),
    ]


def _many() -> list[Figure]:
    with Running() as running:
        for number in range(MANY):
            running.module(f"m{number:03}")
        started = running.system.up("--wait", timeout=MOST).seconds
        looks = [running.kite("ps") for _ in range(LOOKS)]
        launcher = running.pids()["launcher"]
        memory = rss(launcher)
        stopped = running.down()
    return [
        Figure(
            name=f"{MANY} modules: kite up -d --wait",
            value=round(started, 3),
            unit="s",
            detail=f"the Launcher's resident memory then: {memory:.3g} MB",
        ),
        best(f"{MANY} modules: kite ps", looks, "s", target=0.15),
        Figure(name=f"{MANY} modules: kite down", value=round(stopped, 3), unit="s"),
    ]
