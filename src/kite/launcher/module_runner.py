"""Performs what the supervisor decides about the processes of modules, and tells what came of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kite.audit.trail import Trail
from kite.errors import ConfigError, ModuleError
from kite.launcher.authority import Authority
from kite.launcher.ceiling import Ceiling, Ceilings
from kite.launcher.cgroup import Groups
from kite.launcher.core.facts import (
    BecameReady,
    BecameUnhealthy,
    Exited,
    Fact,
    HealthChanged,
    OutgrewMemory,
    Spawned,
    SpawnFailed,
    TreeGone,
)
from kite.launcher.core.plan import Problem
from kite.launcher.core.wellbeing import Status
from kite.launcher.instance import Instance, inherited_environment
from kite.launcher.life import RunningLife
from kite.launcher.log_matcher import LogMatcher
from kite.launcher.log_writer import LogWriter
from kite.launcher.mask import Mask
from kite.launcher.ports import Ports
from kite.launcher.process import Exit, Limits, Spawn
from kite.launcher.questions import Questions
from kite.launcher.records import Records
from kite.launcher.registry_link import RegistryLink
from kite.launcher.usage import Usage
from kite.launcher.warm.nursery import Nursery
from kite.model.env_file import variables_of
from kite.model.expand import expand_manifest
from kite.model.manifest import Manifest, Runtime, Stdin
from kite.model.probe_spec import ProbeKind
from kite.model.program import has_own_python, resolve
from kite.model.scan import Found
from kite.model.secret import values_of
from kite.wire.boot import BootLine, encode_line

StartTask = Callable[..., asyncio.Task[Any]]


@dataclass(slots=True, kw_only=True)
class _Held:
    """A life and what goes with it. `manifest` has its variables filled in."""

    found: Found
    manifest: Manifest
    environment: Mapping[str, str]
    life: RunningLife
    replica: int
    mask: Mask
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all lives of an instance share. `nursery` forks Python modules warm, if there is one;
    `trail` is the Launcher's audit log."""

    instance: Instance
    authority: Authority
    registry: RegistryLink
    logs: LogWriter
    records: Records
    start_task: StartTask
    show: Callable[[str, bool, list[str]], None]
    trail: Trail
    nursery: Nursery | None = None
    ws_endpoint: str = ""
    usage: Usage = field(default_factory=Usage)
    groups: Groups | None = None


class ModuleRunner:
    """The living processes of modules that are not core.

    Args:
        around: what all lives share.
        feed: takes the facts.
    """

    def __init__(self, around: Surroundings, feed: Callable[[Fact], None]) -> None:
        self.ports = Ports()
        self._ceilings = Ceilings()
        self._around = around
        self._feed = feed
        self._held: dict[str, dict[int, _Held]] = {}  # name → life → …
        self._inherited = inherited_environment(os.environ)

    def expanded(self, name: str, life: int) -> Manifest | None:
        """The manifest of a life with its variables filled in."""
        held = self._find(name, life)
        return held.manifest if held else None

    def endpoints(self, records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Where to look: the `api_endpoint` of those of these records that run, by name."""
        running = [each for each in records if each["actual_state"] == "running"]
        manifests = [(str(r["name"]), self.expanded(str(r["name"]), r["life"])) for r in running]
        return {n: m.api_endpoint for n, m in manifests if m is not None and m.api_endpoint}

    def is_warm(self, name: str, life: int) -> bool | None:
        """Whether a life was forked from a warm template; None where there is no such life."""
        held = self._find(name, life)
        return held.life.is_warm if held is not None else None

    def is_booted(self, name: str, life: int) -> bool:
        """Whether a life knows its token, so that what is said with it is its own."""
        held = self._find(name, life)
        return held is not None and held.life.is_booted

    def pids(self) -> list[int]:
        """The leaders that live."""
        return [held.life.pid for lives in self._held.values() for held in lives.values()]

    # -- the beginning ------------------------------------------------------------------------

    def spawn(self, found: Found, number: int, replica: int) -> None:
        """Make the process of a life; `Spawned` or `SpawnFailed` is fed."""
        name = found.manifest.name
        try:
            held = self._make(found, number, replica)
        except (ModuleError, ConfigError) as error:
            self._refused(name, number, Problem(code=error.code, params=error.params))
            return
        except OSError as error:
            params = {"program": name, "detail": error.strerror or str(error)}
            self._refused(name, number, Problem(code="spawn_failed", params=params))
            return
        self._held.setdefault(name, {})[number] = held
        if unheld := self.unheld(name, number):
            limits = ", ".join(f"limits.{each}" for each in unheld)
            self._around.logs.note(
                name, f"{limits}: not enforced, as no control group is delegated"
            )
        self._put_ceiling(held)
        self._feed(Spawned(module=name, life=number, pid=held.life.pid))
        ready = held.manifest.ready
        if held.manifest.stdin is Stdin.BOOT:
            self._help(held, self._boot(held), "boot line")
        if ready is not None and ready.kind is not ProbeKind.LOG:
            self._help(held, self._probe_ready(held), "ready probe")

    def _refused(self, name: str, number: int, problem: Problem) -> None:
        self.ports.release(name, number)
        self._around.logs.note(name, f"could not be started: {problem.message}")
        self._feed(SpawnFailed(module=name, life=number, problem=problem))

    def _make(self, found: Found, number: int, replica: int) -> _Held:
        name, folder = found.manifest.name, found.folder
        instance = self._around.instance
        variables = instance.variables(name, folder)
        preferred = found.manifest.preferred_port
        if preferred is not None:
            variables["KITE_PORT"] = str(self.ports.take(name, number, preferred))
        if found.manifest.replicas > 1:
            variables["KITE_REPLICA"] = str(replica)
        manifest = expand_manifest(found.manifest, variables)
        limits = manifest.limits
        known = {**self._inherited, **variables}
        filed = variables_of(manifest.env_file, str(folder), known=known)
        secrets = values_of(manifest.secrets, str(folder))
        environment = {**self._inherited, **filed, **secrets, **manifest.env, **variables}
        mask = Mask(secrets.values())
        argv = resolve(manifest, folder, path=environment.get("PATH"))
        group = None
        if self._around.groups is not None:
            group = self._around.groups.make(
                name, number, memory=limits.memory, cpu=limits.cpu, processes=limits.processes
            )
        is_held = group is not None and "memory" in group.holds
        spec = Spawn(
            instance=instance.id,
            module=name,
            life=number,
            argv=argv,
            cwd=folder,
            env=environment,
            stdin=manifest.stdin is Stdin.BOOT,
            limits=Limits(files=limits.files, memory=None if is_held else limits.memory),
            group=group,
            nursery=self._nursery(manifest, folder),
        )
        life = RunningLife(
            spec,
            logs=self._around.logs,
            records=self._around.records,
            usage=self._around.usage,
            on_lines=self._hear(manifest, number),
            on_exit=lambda how: self._exited(name, number, how),
            mask=mask,
        )
        return _Held(
            found=found,
            manifest=manifest,
            environment=environment,
            life=life,
            replica=replica,
            mask=mask,
        )

    def _nursery(self, manifest: Manifest, folder: Path) -> Nursery | None:
        """Who may fork it warm: nobody where it has another interpreter, or does not want it."""
        is_kites = manifest.runtime is Runtime.PYTHON and not has_own_python(folder)
        return self._around.nursery if manifest.warm and is_kites else None

    def _hear(self, manifest: Manifest, number: int) -> Callable[[bool, list[str]], None]:
        name, around = manifest.name, self._around
        matcher: LogMatcher | None = None
        if manifest.ready is not None and manifest.ready.kind is ProbeKind.LOG:
            matcher = LogMatcher(manifest.ready.target)

        def hear(is_error: bool, lines: list[str]) -> None:
            nonlocal matcher
            around.logs.lines(name, is_error, lines)
            around.show(name, is_error, lines)
            if matcher is not None and matcher.feed(lines) is not None:
                matcher = None
                self._feed(BecameReady(module=name, life=number))

        return hear

    async def _boot(self, held: _Held) -> None:
        """Write the boot line once the Registry has acknowledged the token in it."""
        manifest, life = held.manifest, held.life
        token = self._around.authority.issue(
            life.module,
            life.number,
            publish=manifest.publish,
            subscribe=manifest.subscribe,
            scopes=manifest.scopes,
            replica=held.replica,
        )
        await self._around.registry.acknowledged(self._around.authority.version)
        life.boot(encode_line(self._boot_line(held, token)))

    def _boot_line(self, held: _Held, token: str) -> BootLine:
        return BootLine(
            token=token,
            life=held.life.number,
            replica=held.replica,
            is_asked=held.manifest.heartbeat.seconds is not None,
            ws_endpoint=self._around.ws_endpoint,
        )

    async def _probe_ready(self, held: _Held) -> None:
        assert held.manifest.ready is not None
        await self._questions(held).until_ready(held.manifest.ready)
        self._feed(BecameReady(module=held.life.module, life=held.life.number))

    # -- while it runs ------------------------------------------------------------------------

    def watch_health(self, name: str, number: int) -> None:
        """The life is ready: ask from now on whether it is well."""
        held = self._find(name, number)
        if held is not None and held.manifest.health is not None:
            self._help(held, self._probe_health(held), "health probe")

    async def _probe_health(self, held: _Held) -> None:
        assert held.manifest.health is not None
        life, mask = held.life, held.mask  # a probe's program may print what it knows

        def changed(status: Status, detail: str) -> None:
            told = mask.text(detail)
            self._feed(
                HealthChanged(module=life.module, life=life.number, status=status, detail=told)
            )

        detail = await self._questions(held).until_unhealthy(held.manifest.health, changed)
        told = mask.text(detail)
        self._feed(BecameUnhealthy(module=life.module, life=life.number, detail=told))

    def unheld(self, name: str, life: int) -> list[str]:
        """Which limits of a life nobody enforces."""
        held = self._find(name, life)
        if held is None:
            return []
        limits, holds = held.manifest.limits, held.life.holds
        wanted = {"cpu": limits.cpu, "processes": limits.processes}
        return [each for each, value in wanted.items() if value is not None and each not in holds]

    def _put_ceiling(self, held: _Held) -> None:
        memory, life = held.manifest.limits.memory, held.life
        if memory is None or "memory" in life.holds:
            return

        def exceeded(used: int) -> None:
            self._around.logs.note(
                life.module, f"uses {used} bytes of memory; {memory} are allowed"
            )
            fact = OutgrewMemory(module=life.module, life=life.number, used=used, limit=memory)
            self._feed(fact)

        kin = life.process.kin
        self._ceilings.add(Ceiling(kin=kin, memory=memory, on_exceeded=exceeded))

    # -- the end ------------------------------------------------------------------------------

    def signal_stop(self, name: str, number: int) -> None:
        """Close standard input and send the stop signal."""
        held = self._find(name, number)
        if held is not None:
            held.life.signal_stop(held.manifest.stop.signal)

    def end_tree(self, name: str, number: int, grace: float) -> None:
        """End the whole tree; `TreeGone` is fed."""
        held = self._find(name, number)
        if held is None:
            self._feed(TreeGone(module=name, life=number))
            return
        self._around.start_task(self._end(held, grace), name=f"end {name}")

    async def _end(self, held: _Held, grace: float) -> None:
        name, number = held.life.module, held.life.number
        survivors = await held.life.end(grace=grace)
        if self._find(name, number) is held and not survivors:
            del self._held[name][number]
            self.ports.release(name, number)
        last = held.life.last_lines
        self._feed(TreeGone(module=name, life=number, survivors=survivors, last_lines=last))

    def _exited(self, name: str, number: int, how: Exit) -> None:
        held = self._find(name, number)
        blame: str | None = None
        if held is not None:
            self._ceilings.remove(held.life.process.kin)
            for task in held.tasks:
                task.cancel()
            if held.life.was_out_of_memory:
                blame = "out_of_memory"
        why = " (out of memory)" if blame else ""
        self._around.logs.note(name, f"life {number}: {how}{why}")
        self._feed(
            Exited(
                module=name,
                life=number,
                exit_code=how.exit_code,
                signal=how.signal,
                blame=blame,
                last_lines=held.life.last_lines if held else (),
            )
        )

    # -- inside -------------------------------------------------------------------------------

    def _find(self, name: str, number: int) -> _Held | None:
        return self._held.get(name, {}).get(number)

    def _questions(self, held: _Held) -> Questions:
        return Questions(held.life, held.found.folder, held.environment)

    def _help(self, held: _Held, work: Coroutine[Any, Any, None], what: str) -> None:
        """A task that ends with the life."""
        task = self._around.start_task(work, name=f"{what} of {held.life.module}")
        held.tasks.append(task)
