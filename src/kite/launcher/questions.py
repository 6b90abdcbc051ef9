"""The `ready` and `health` probes of one life, from the manifest's words to facts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from kite.launcher import listeners
from kite.launcher.life import RunningLife
from kite.launcher.probe import AskingProbe, ExecProbe, HttpProbe, TcpProbe, attempt, until_passed
from kite.model.probe_spec import HealthProbe, Probe, ProbeKind


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

    async def until_unhealthy(self, health: HealthProbe) -> str:
        """Ask until it has failed so often in a row that the module is unhealthy.

        Returns:
            What the last failure showed.
        """
        probe = self._probe(health.probe)
        loop = asyncio.get_running_loop()
        begun, failures, successes = loop.time(), 0, 0
        while True:
            await asyncio.sleep(health.probe.interval)
            outcome = await attempt(probe, timeout=health.probe.timeout, owns=self._owns)
            if outcome.passed:
                successes += 1
                failures = 0 if successes >= health.successes else failures
            elif loop.time() - begun >= health.start_period:
                successes = 0
                failures += 1
                if failures >= health.failures:
                    return outcome.detail

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
