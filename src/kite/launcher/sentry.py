"""The shell of `core/sentinel.py`: hears of the Watchdog, looks at its process, has it ended."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from kite import pulse_reader
from kite.hang import Evidence, Heartbeat
from kite.launcher.core import facts
from kite.launcher.core.lifecycle import ModuleState, Phase
from kite.launcher.core.sentinel import Sentinel

if TYPE_CHECKING:
    from kite.launcher.service import Launcher

WATCHDOG: Final = "watchdog"


def _now() -> float:
    """Seconds, those counted in which the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Sentry:
    """Has a Watchdog that stands still restarted, as a failure of the life that does.

    While it is heard nothing wakes up.
    """

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._sentinel = Sentinel()
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, life: int | None, data: dict[str, Any]) -> None:
        """The Hub tells of a connection of the Watchdog's (`hub.client.*`)."""
        counts = data.get("connections"), data.get("silent"), data.get("seconds", 0)
        match life, counts:
            case int(), (int(connections), int(silent), int() | float() as seconds):
                self._sentinel.present(life, connections, silent, float(seconds), _now())
                self._arm()
            case _:
                pass

    def hub_gone(self, life: int) -> None:
        """The Hub has died, and this life was connected to it."""
        self._sentinel.present(life, 0, 0, 0.0, _now())
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._sentinel.next_look()
        if at is not None:
            delay = max(0.0, at - _now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        self._timer = None
        launcher = self._launcher
        if launcher.stopping.is_set():
            return
        for life in self._sentinel.due(_now(), is_hub_there=launcher.backbone.is_up):
            state = launcher.supervisor.roster.find(WATCHDOG, life)
            if state is None or state.phase is not Phase.RUNNING or state.life.pid is None:
                self._sentinel.forget(life)  # its end is the supervisor's business already
            elif self._is_past_start(state):
                self._inspect(life, state.life.pid)
        self._arm()

    def _inspect(self, life: int, pid: int) -> None:
        pulse = pulse_reader.whole(pid)
        evidence = self._sentinel.inspected(life, pulse, self._heartbeat(life), _now())
        if evidence is None:
            return
        seen = [f"life {life} stands still: {_numbers(evidence)}"]
        for line in (*seen, *pulse_reader.portrait(pid).splitlines()):
            self._launcher.around.logs.note(WATCHDOG, line)
        detail = f"{evidence.kind} {evidence.what['condition']}"
        self._launcher.feed(facts.BecameUnhealthy(module=WATCHDOG, life=life, detail=detail))

    def _heartbeat(self, life: int) -> Heartbeat:
        manifest = self._launcher.modules.expanded(WATCHDOG, life)
        return manifest.heartbeat if manifest is not None else Heartbeat()

    def _is_past_start(self, state: ModuleState) -> bool:
        ready_at = state.life.ready_at
        since = asyncio.get_running_loop().time() - ready_at if ready_at is not None else 0.0
        return since >= self._heartbeat(state.life.number).start_period


def _numbers(evidence: Evidence) -> str:
    """What was measured, as the Watchdog keeps it of others."""
    return " ".join(f"{key}={value}" for key, value in evidence.what.items() if value != "")
