"""The `ready` and `health` probes of one life, from the manifest's words to facts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from kite import pulse_reader
from kite.launcher import listeners
from kite.launcher.core.wellbeing import LATE, Answer, Status, Wellbeing
from kite.launcher.life import RunningLife
from kite.launcher.probe import (
    AskingProbe,
    ExecProbe,
    HttpProbe,
    Outcome,
    TcpProbe,
    attempt,
    until_passed,
)
from kite.model.probe_spec import HealthProbe, Probe, ProbeKind
from kite.pulse import is_starved

_GLANCE = 0.25
"""Seconds for which a module that did not answer is watched: was it let run?"""


def _now() -> float:
    """Seconds, those counted in which the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Questions:
    """Asks one life.

    Args:
        folder, environment: where and with what an `exec` probe runs.
    """

    def __init__(self, life: RunningLife, folder: Path, environment: Mapping[str, str]) -> None:
        self._life = life
        self._folder = folder
        self._environment = environment

    async def until_ready(self, probe: Probe) -> None:
        """Ask until it passes; cancel to give up."""
        await until_passed(
            self._probe(probe), interval=probe.interval, timeout=probe.timeout, owns=self._owns
        )

    async def until_unhealthy(
        self, health: HealthProbe, on_change: Callable[[Status, str], None]
    ) -> str:
        """Ask until it has failed so often in a row that the module is unhealthy.

        Args:
            on_change: called with each new status but the last, and what showed it.

        Returns:
            What the last failure showed.
        """
        probe = self._probe(health.probe)
        wellbeing = Wellbeing(
            failures=health.failures,
            successes=health.successes,
            start_period=health.start_period,
            now=_now(),
        )
        while True:
            asleep_at = _now()
            await asyncio.sleep(health.probe.interval)
            if _now() - asleep_at > health.probe.interval + LATE:
                wellbeing.was_away()
            answer, detail = await self._ask(probe, health.probe.timeout)
            if not wellbeing.heard(answer, _now()):
                continue
            if wellbeing.status is Status.UNHEALTHY:
                return detail
            on_change(wellbeing.status, detail)

    async def _ask(self, probe: AskingProbe, timeout: float) -> tuple[Answer, str]:
        """One attempt, and what it says about the module."""
        began = _now()
        outcome = await attempt(probe, timeout=timeout, owns=self._owns)
        if outcome.is_degraded:
            return Answer.DEGRADED, outcome.detail
        if outcome.passed:
            return Answer.GOOD, outcome.detail
        # A timeout that is noticed late was the Launcher's, not the module's.
        is_late = _now() - began > timeout + LATE
        is_excused = is_late or outcome.was_starved or await self._was_starved(outcome)
        return Answer.NONE if is_excused else Answer.BAD, outcome.detail

    async def _was_starved(self, outcome: Outcome) -> bool:
        """Whether a module that has not answered is ready to, and gets no processor."""
        if not outcome.timed_out:
            return False
        before, began = pulse_reader.whole(self._life.pid), _now()
        await asyncio.sleep(_GLANCE)
        after = pulse_reader.whole(self._life.pid)
        if before is None or after is None:
            return False
        return is_starved(before, after, _now() - began)

    def _owns(self, port: int) -> bool:
        return listeners.owns_port(self._life.process.kin, port)

    def _probe(self, probe: Probe) -> AskingProbe:
        match probe.kind:
            case ProbeKind.HTTP:
                return HttpProbe(url=probe.target)
            case ProbeKind.TCP:
                return TcpProbe(port=int(probe.target))
            case ProbeKind.EXEC:
                kin = self._life.process.kin
                return ExecProbe(
                    argv=probe.command,
                    cwd=self._folder,
                    env=self._environment,
                    instance=kin.instance,
                    module=kin.module,
                )
            case ProbeKind.LOG:
                raise AssertionError("a log probe is matched against the output")
