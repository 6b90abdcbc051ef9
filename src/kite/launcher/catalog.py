"""What was found in the folders, as the supervisor and the API need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kite.errors import ConfigError, KiteError
from kite.launcher.core.plan import (
    ConfigState,
    Desired,
    Plan,
    Problem,
    ReadyBy,
    RestartRule,
)
from kite.launcher.discovery import scan as scan_folders
from kite.model.exposure import exposed
from kite.model.graph import Graph
from kite.model.manifest import CORE_NAMES, Manifest, Runtime
from kite.model.project import Project, read_project
from kite.model.scan import Broken, Found, Scan
from kite.model.schedule import Missed, Schedule
from kite.model.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a rescan found to be different, by name; `errors` is all that is wrong."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    errors: tuple[KiteError, ...] = field(default=())


class Catalog:
    """The last scan of a project.

    Attributes:
        project: `kite.yaml`, as it was read at the start or by the last rescan that could.
        scan, graph: what was found, and who waits for whom.
    """

    def __init__(self, project_dir: Path) -> None:
        self._project_dir = project_dir
        self.project: Project = read_project(project_dir)
        self.scan = Scan()
        self.graph = Graph({})
        self._project_error: KiteError | None = None
        self._exposed: list[KiteError] = []

    def look(self) -> Changes:
        """Search the folders again.

        A module whose manifest cannot be read any more keeps the name it had.
        """
        before = self.scan
        known = {found.folder: name for name, found in _listed(before).items()}
        self._project_error = None
        try:
            self.project = read_project(self._project_dir)
        except KiteError as error:
            self._project_error = error
        self.scan = scan_folders(self._project_dir, self.project, known=known)
        self.graph = self.scan.graph()
        self._exposed = exposed(self._project_dir, self.scan)
        return self._compare(before)

    def _compare(self, before: Scan) -> Changes:
        old, new = _listed(before), _listed(self.scan)
        changed = [name for name in new if name in old and _differ(old[name], new[name])]
        return Changes(
            added=tuple(name for name in new if name not in old and name not in CORE_NAMES),
            changed=tuple(changed),
            removed=tuple(name for name in old if name not in new),
            errors=tuple(self.errors()),
        )

    def errors(self) -> list[KiteError]:
        """Every mistake the search has found."""
        found = self.unlisted_errors()
        for broken in self.scan.broken.values():
            found.extend(broken.errors)
        for problems in self.graph.problems.values():
            found.extend(problems)
        return found

    def unlisted_errors(self) -> list[KiteError]:
        """The mistakes that concern no listed module, and stand in no record."""
        found: list[KiteError] = [*self.scan.problems, *self._exposed]
        if self._project_error is not None:
            found.append(self._project_error)
        return found

    def folder(self, name: str) -> Path | None:
        """Where a module lies."""
        found = self.scan.modules.get(name) or self.scan.broken.get(name)
        return found.folder if found else None

    def manifest(self, name: str) -> Manifest | None:
        """What a module says about itself; None for a broken one."""
        found = self.scan.modules.get(name)
        return found.manifest if found else None

    def warm_ones(self) -> int:
        """How many processes of enabled modules can be forked from the template."""
        enabled = (m for m in self.scan.manifests.values() if m.state is ConfigState.ENABLED)
        return sum(m.replicas for m in enabled if m.warm and m.runtime is Runtime.PYTHON)

    def schedules(self) -> dict[str, Schedule]:
        """The modules that run by the clock."""
        manifests = self.scan.manifests.items()
        return {name: m.schedule for name, m in manifests if m.schedule is not None}

    def watched(self) -> dict[str, tuple[Path, Watch]]:
        """The modules that are restarted when their files change, with their folders."""
        found = self.scan.modules.items()
        return {n: (f.folder, f.manifest.watch) for n, f in found if f.manifest.watch is not None}

    def plans(self, kept: Callable[[str], Desired | None]) -> tuple[Plan, ...]:
        """All modules but the core ones, those first that others wait for."""
        order = [name for layer in self.graph.layers() for name in layer if name not in CORE_NAMES]
        plans = [self._plan(name, kept(name)) for name in order]
        for name, broken in self.scan.broken.items():
            problem, desired = _problem(broken.errors), kept(name)
            if broken.state is ConfigState.DISABLED:  # kite.yaml can be read, and says enough
                plans.append(Plan(name=name, config_state=broken.state, desired=desired))
                continue
            # What cannot be read changes nothing: the config state is what it was.
            state = desired.config_state if desired else ConfigState.ENABLED
            plans.append(
                Plan(
                    name=name,
                    config_state=state,
                    problem=problem,
                    desired=desired,
                    is_readable=False,
                )
            )
        return tuple(plans)

    def _plan(self, name: str, desired: Desired | None) -> Plan:
        found, graph = self.scan.modules[name], self.graph
        manifest = found.manifest
        is_job = graph.is_job(name)
        ready_by = ReadyBy.PROCESS if is_job else ReadyBy.MODULE
        if manifest.ready is not None:
            ready_by = ReadyBy.PROBE
        restart = manifest.restart
        rule = RestartRule(
            policy=graph.policy(name),
            max=restart.max,
            window=restart.window,
            initial=restart.backoff.initial,
            factor=restart.backoff.factor,
            cap=restart.backoff.max,
            retry=restart.retry,
            good_statuses=restart.good_statuses,
            good_signals=restart.good_signals,
        )
        problems = graph.problems.get(name, ())
        return Plan(
            name=name,
            config_state=manifest.state,
            dependencies=tuple(graph.conditions(name).items()),
            ready_by=ready_by,
            launch_timeout=None if is_job else manifest.launch_timeout,
            stop_timeout=manifest.stop.timeout,
            restart=rule,
            problem=_problem(problems) if problems else None,
            desired=desired,
            is_job=is_job,
            is_scheduled=manifest.schedule is not None,
            makes_up=manifest.schedule is not None and manifest.schedule.missed is Missed.ONCE,
            is_essential=manifest.essential,
            replicas=manifest.replicas,
        )


def _listed(scan: Scan) -> dict[str, Found | Broken]:
    return {**scan.broken, **scan.modules}


def _differ(old: Found | Broken, new: Found | Broken) -> bool:
    return not new.is_like(old) if isinstance(new, Broken) else new != old


def _problem(errors: tuple[ConfigError, ...]) -> Problem:
    first = errors[0]
    text = "; ".join(_located(error) for error in errors)
    return Problem(code=first.code, params=first.params, text=text)


def _located(error: ConfigError) -> str:
    return f"{error.location}: {error.english}" if error.location else error.english
