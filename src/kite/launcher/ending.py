"""The end of everything: for good, or in order to begin again with new tokens.

The modules go first, layer by layer, then Registry and Event Hub together. A full restart goes the
same way and begins anew where nothing is left; asked to stop meanwhile, it ends for good.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from kite.errors import InternalError
from kite.launcher import tree
from kite.launcher.core import backbone_words as spine
from kite.launcher.core import facts
from kite.launcher.core.pair import HUB, REGISTRY
from kite.launcher.instance import ApiFile

if TYPE_CHECKING:
    from kite.launcher.service import Launcher

STOP_BUDGET = 10.0
CORES_STOP_WITHIN = 3.0
HUB_CLOSES_WITHIN = 0.5
"""Seconds that the end of the connection to a Hub may take which has ended itself."""
GONE_WITHIN = 14.5
"""Seconds after which the Launcher leaves whatever hangs; the guard ends what is left."""

_log = logging.getLogger("kite.launcher")


class Ending:
    """Ends what a Launcher has started.

    Attributes:
        ended: set when nothing is left, and the Launcher may go.
    """

    def __init__(self, launcher: Launcher) -> None:
        self.ended = asyncio.Event()
        self._launcher = launcher
        self._starting_over: str | None = None

    def stop(self, *, status: int = 0) -> None:
        """End everything; a second call changes nothing but a status that was 0."""
        launcher = self._launcher
        launcher.status = launcher.status or status
        if launcher.phase == "stopping":
            return
        launcher.say_phase("stopping")
        launcher.record("stopping", "launcher", life=1, reason="system_shutdown")
        launcher.stopping.set()
        launcher.scheduler.close()
        asyncio.get_running_loop().call_later(GONE_WITHIN, self._leave_whatever_hangs)
        launcher.feed_core(spine.Halted())
        self._starting_over = None  # its stop of everything is under way and serves this one
        self._stop_modules("system_shutdown")

    def _stop_modules(self, reason: str) -> None:
        launcher = self._launcher
        living = [n for n in launcher.supervisor.states if n in launcher.catalog.scan.modules]
        layers = launcher.catalog.graph.stop_layers(living)
        launcher.feed(
            facts.StopEverything(
                reason=reason,
                is_restart=self._starting_over is not None,
                budget=STOP_BUDGET,
                layers=layers,
            )
        )

    def start_over(self, reason: str) -> None:
        """End everything, and begin again with a new kite token."""
        launcher = self._launcher
        _log.warning("core.starting_over reason=%s", reason)
        launcher.record("restarting", "launcher", reason=reason)
        self._starting_over = reason
        launcher.say_phase("registry")
        self._stop_modules("restart")

    def modules_gone(self, survivors: tuple[int, ...]) -> None:
        """No module has a process any more, but for these pids: the core modules' turn."""
        self._launcher.start_task(self._finish(list(survivors)), name="finish")

    async def _finish(self, survivors: list[int]) -> None:
        launcher = self._launcher
        deadline = asyncio.get_running_loop().time() + CORES_STOP_WITHIN
        await launcher.hub.drained()
        # A Hub that hangs does not answer the goodbye; it is ended all the same.
        closing = launcher.start_task(launcher.hub.close(), name="close hub link")
        left = deadline - asyncio.get_running_loop().time()
        reason = "system_shutdown" if self._starting_over is None else "restart"
        launcher.feed_core(spine.CoresEnding(reason))
        left_over = await launcher.cores.end_all(max(0.0, left))
        if not left_over:
            launcher.feed_core(spine.CoresEnded(reason))
        survivors += left_over
        await asyncio.wait({closing}, timeout=HUB_CLOSES_WITHIN)
        if self._starting_over is not None:
            if not survivors:
                self._begin_again()
                return
            self.stop(status=1)  # nothing comes back, and whoever waits for that is told
        if launcher.around.nursery is not None:
            launcher.around.nursery.close()
        survivors = sorted({*survivors, *await tree.end_strays()})
        if survivors:
            pids = ", ".join(map(str, survivors))
            launcher.failure = launcher.failure or InternalError("survivors_left", pids=pids)
            launcher.status = launcher.status or 1
        launcher.wishes.retry()
        self._say_stopped()
        self.ended.set()

    def _say_stopped(self) -> None:
        launcher = self._launcher
        end = {"reason": "system_shutdown", "exit_code": launcher.status}
        launcher.record("stopped", "launcher", life=1, **end)

    def _begin_again(self) -> None:
        launcher = self._launcher
        self._starting_over = None
        launcher.around.authority.start_over()
        launcher.around.registry.start_over()
        launcher.feed(facts.StartedOver())
        launcher.feed_core(spine.Begin())
        launcher.rescan()

    def _leave_whatever_hangs(self) -> None:
        launcher = self._launcher
        cores = [launcher.cores.pid(name) for name in (REGISTRY, HUB)]
        pids = [pid for pid in (*launcher.modules.pids(), *cores) if pid]
        _log.error("launcher.left_survivors pids=%s", pids)
        launcher.record("survivors", "launcher", pids=pids)
        launcher.status = launcher.status or 1
        self._say_stopped()
        ApiFile(launcher.around.instance).remove()
        os._exit(launcher.status)
