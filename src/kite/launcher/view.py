"""What the API and `kite ps --json` show of each module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from msgspec import to_builtins

from kite.clock import Clock, rfc3339
from kite.errors import ModuleError
from kite.hang import Heartbeat
from kite.http.problem import problem
from kite.launcher.account import Use
from kite.launcher.catalog import Catalog
from kite.launcher.core.backbone import Backbone
from kite.launcher.core.lifecycle import ModuleState, Phase
from kite.launcher.core.pair import CORES, Core, Stage
from kite.launcher.core.plan import Condition
from kite.launcher.core.supervisor import Supervisor
from kite.launcher.core_runner import CoreRunner
from kite.launcher.instance import PACKAGE, Instance
from kite.launcher.usage import Usage

_CORE_TITLES = {"launcher": "Launcher", "registry": "Registry", "event_hub": "Event Hub"}


class View:
    """Reads; decides nothing.

    Args:
        pid: the Launcher's.
        clock: where uptimes come from.
        is_warm: whether a life of a module was forked from the warm template; None: no process.
        usage: what was found at its last look is shown.
        unheld: which limits of a life of a module nobody enforces.
    """

    def __init__(
        self,
        *,
        instance: Instance,
        catalog: Catalog,
        supervisor: Supervisor,
        backbone: Backbone,
        cores: CoreRunner,
        clock: Clock,
        pid: int,
        usage: Usage,
        unheld: Callable[[str, int], list[str]],
        is_warm: Callable[[str, int], bool | None] = lambda _name, _life: None,
    ) -> None:
        self._instance = instance
        self._catalog = catalog
        self._supervisor = supervisor
        self._backbone = backbone
        self._cores = cores
        self._clock = clock
        self._pid = pid
        self._told_since: dict[str, tuple[float, str]] = {}
        self._is_warm = is_warm
        self._usage = usage
        self._unheld = unheld

    def records(self, phase: str) -> list[dict[str, Any]]:
        """All modules, the core ones first."""
        return [
            self._launcher(phase),
            *(self._core(self._backbone.cores[name], phase) for name in CORES),
            *map(self._module, self._supervisor.states),
        ]

    def record(self, name: str, phase: str) -> dict[str, Any] | None:
        """One module, or None: there is none of the name."""
        if name == "launcher":
            return self._launcher(phase)
        if name in self._backbone.cores:
            return self._core(self._backbone.cores[name], phase)
        return self._module(name) if name in self._supervisor.states else None

    def _launcher(self, phase: str) -> dict[str, Any]:
        states = {"stopping": "stopping", "running": "running", "modules": "running"}
        return {
            **_blank("launcher"),
            "actual_state": states.get(phase, "starting"),
            "pid": self._pid,
            "life": 1,
            "uptime": round(self._clock.wall() - self._instance.started_at, 3),
            **self._use("launcher", self._pid),
        }

    def _core(self, core: Core, phase: str) -> dict[str, Any]:
        pid = self._cores.pid(core.name)
        actual = "running" if core.stage is Stage.READY else "starting"
        if phase == "stopping":
            actual = "stopping" if pid else "stopped"
        elif core.restart_asked:
            actual = "stopping"
        elif core.stage is Stage.ABSENT or core.is_lost:
            actual = "backing_off" if core.life else "waiting"
        uptime = None
        if pid is not None:
            uptime = round(max(0.0, self._clock.monotonic() - core.spawned_at), 3)
        return {
            **_blank(core.name),
            "actual_state": actual,
            "pid": pid,
            "life": core.life,
            "uptime": uptime,
            "restarts": core.restarts,
            "error": core.error,
            "warm": self._is_warm(core.name, core.life) if pid is not None else None,
            **self._use(core.name, pid),
        }

    def _module(self, name: str) -> dict[str, Any]:
        """Of several replicas the one that is furthest stands for the module."""
        manifest, folder = self._catalog.manifest(name), self._catalog.folder(name)
        state, places = self._supervisor.roster.face(name), self._supervisor.roster.places(name)
        life, last = state.life, state.last_exit
        return {
            "name": name,
            "display_name": manifest.display_name if manifest else name,
            "type": manifest.type if manifest else None,
            "config_state": state.plan.config_state.value,
            "desired_state": "running" if state.desired.running else "stopped",
            "actual_state": state.actual_state,
            "pid": life.pid,
            "life": life.number,
            "uptime": self._uptime(state),
            "restarts": sum(p.history.restarts for p in places if not p.is_leaving),
            "exit_code": last.exit_code if last else None,
            "signal": last.signal if last else None,
            "depends_on": [dependency for dependency, _ in state.plan.dependencies],
            "waiting_for": self._supervisor.waiting_for(name),
            "next_try": self._next_try(state),
            "module_dir": str(folder) if folder else None,
            "error": state.error.message if state.error else None,
            "error_code": state.error.code if state.error else None,
            "error_params": _params(state),
            "job": state.plan.is_job,
            "completed": all(place.completed for place in places),
            "reason": state.reason,
            "last_lines": _last_lines(state),
            "replicas": [self._replica(place) for place in places],
            "rolling": self._supervisor.is_rolling(name),
            "state_since": self._since(name, state),
            "waiting_on": [self._awaited(*each) for each in self._supervisor.waiting_on(name)],
            "crash_loop": state.crash_loop(self._clock.monotonic()),
            "health": {
                **self._health(state),
                "heartbeat": to_builtins(manifest.heartbeat if manifest else Heartbeat()),
            },
            "warm": self._is_warm(name, life.number) if life.pid is not None else None,
            "unenforced": self._unheld(name, life.number) if life.pid is not None else [],
            **self._use(name, next((p.life.pid for p in places if p.life.pid), None)),
        }

    def _replica(self, place: ModuleState) -> dict[str, Any]:
        """One place: what is the module's above is its own here."""
        last = place.last_exit
        return {
            "replica": place.replica,
            "life": place.life.number,
            "actual_state": place.actual_state,
            "pid": place.life.pid,
            "uptime": self._uptime(place),
            "restarts": place.history.restarts,
            "next_try": self._next_try(place),
            "error": place.error.message if place.error else None,
            "error_code": place.error.code if place.error else None,
            "error_params": _params(place),
            "exit_code": last.exit_code if last else None,
            "signal": last.signal if last else None,
            "last_lines": _last_lines(place),
            "crash_loop": place.crash_loop(self._clock.monotonic()),
            "health": self._health(place),
        }

    def _awaited(self, name: str, condition: Condition) -> dict[str, Any]:
        """One thing that is waited for: how far it has to be, and how far it is."""
        state = self._supervisor.face(name)
        return {
            "name": name,
            "condition": condition.value,
            "actual_state": state.actual_state if state else None,
            "since": self._since(name, state) if state else None,
        }

    def _since(self, name: str, state: ModuleState) -> str:
        """When the state began: the same words each time, whatever becomes of the wall clock."""
        told = self._told_since.get(name)
        if told is None or told[0] != state.since:
            told = self._told_since[name] = (state.since, self.instant(state.since))
        return told[1]

    def now(self) -> str:
        """The present instant."""
        return rfc3339(self._clock.wall())

    def is_stopped_by_request(self, name: str) -> bool:
        """Whether only a start request that names it starts it."""
        state = self._supervisor.states.get(name)
        return state is not None and state.is_stopped_by_request

    def instant(self, at: float) -> str:
        """Monotonic seconds as people and programs read them."""
        return rfc3339(self._clock.wall() + at - self._clock.monotonic())

    def _health(self, state: ModuleState) -> dict[str, Any]:
        health, since = state.life.health, None
        if health.since is not None:
            since = self.instant(health.since)
        return {
            "status": health.status.value if state.life.pid is not None else "unknown",
            "detail": health.detail or None,
            "since": since,
        }

    def _use(self, name: str, pid: int | None) -> dict[str, Any]:
        use = self._usage.last.get(name, Use())
        # Between two looks a process may have gone; what it has used it has used.
        return asdict(use if pid is not None else Use(cpu_seconds=use.cpu_seconds))

    def _uptime(self, state: ModuleState) -> float | None:
        if state.life.pid is None or state.life.started_at is None:
            return None
        return round(max(0.0, self._clock.monotonic() - state.life.started_at), 3)

    def _next_try(self, state: ModuleState) -> str | None:
        at = state.deadline if state.phase in (Phase.BACKING_OFF, Phase.FAILED) else None
        if state.awaits_schedule and state.desired.running:
            at = state.next_run
        return self.instant(at) if at is not None else None


def _last_lines(state: ModuleState) -> list[str]:
    """What it printed last, of one that stands there because it failed."""
    has_failed = state.phase is Phase.BACKING_OFF or state.failed_by_crash
    return list(state.life.last_lines) if has_failed else []


def _params(state: ModuleState) -> dict[str, Any] | None:
    """What fills the error's sentence in another language, as JSON."""
    if state.error is None:
        return None
    found: dict[str, Any] = problem(ModuleError(state.error.code, **state.error.params))
    return dict(found["params"])


def _blank(name: str) -> dict[str, Any]:
    """A core module's record before anything is filled in; in the order of the contract."""
    return {
        "name": name,
        "display_name": _CORE_TITLES[name],
        "type": "infrastructure",
        "config_state": "enabled",
        "desired_state": "running",
        "actual_state": "starting",
        "pid": None,
        "life": 0,
        "uptime": None,
        "restarts": 0,
        "exit_code": None,
        "signal": None,
        "depends_on": [],
        "waiting_for": [],
        "next_try": None,
        "module_dir": str(PACKAGE / name),
        "error": None,
        "error_code": None,
        "error_params": None,
        "job": False,
        "completed": False,
        "reason": None,
        "last_lines": [],
        "replicas": [],
        "rolling": False,
        "state_since": None,
        "waiting_on": [],
        "crash_loop": None,
        "health": {
            "status": "unknown",
            "detail": None,
            "since": None,
            "heartbeat": to_builtins(Heartbeat()),
        },
        "warm": None,
        "unenforced": [],
    }
