"""The Launcher: feeds facts to its two cores and performs what they decide.

`Supervisor` decides about modules, `Backbone` about Registry and Event Hub. Everything here runs in
one event loop; what is started lives in one task group, and the unexpected ends it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, assert_never

from kite.clock import SystemClock
from kite.errors import InternalError, KiteError
from kite.launcher import adopted, tree
from kite.launcher.catalog import Catalog, Changes
from kite.launcher.core import actions as act
from kite.launcher.core import backbone_words as spine
from kite.launcher.core import facts
from kite.launcher.core.backbone import Backbone
from kite.launcher.core.pair import HUB, REGISTRY
from kite.launcher.core.plan import ConfigState, Desired
from kite.launcher.core.settling import settlement
from kite.launcher.core.supervisor import Supervisor
from kite.launcher.core_runner import CoreRunner
from kite.launcher.desired import DesiredStates, Wish
from kite.launcher.hub_link import HubLink
from kite.launcher.instance import ApiFile
from kite.launcher.module_runner import ModuleRunner, Surroundings
from kite.launcher.operations import Operations
from kite.launcher.scheduler import Scheduler
from kite.launcher.watcher import Watcher
from kite.wire.frame import Event

STOP_BUDGET = 10.0
CORES_STOP_WITHIN = 3.0
HUB_CLOSES_WITHIN = 0.5
"""Seconds that the end of the connection to a Hub may take which has ended itself."""
GONE_WITHIN = 14.5
"""Seconds after which the Launcher leaves whatever hangs; the guard ends what is left."""

_log = logging.getLogger("kite.launcher")


class Launcher:
    """One running Kite.

    Attributes:
        phase: `registry`, `event_hub`, `registry_ready`, `modules`, `running` or `stopping`.
        status: what the process leaves with.
        failure: the error that ends it, or None.
        changed: notified whenever facts have been taken.
        stopping: set when everything is to end.
    """

    def __init__(
        self,
        *,
        around: Surroundings,
        catalog: Catalog,
        supervisor: Supervisor,
        backbone: Backbone,
        wishes: DesiredStates,
        record: Callable[..., None],
        on_phase: Callable[[str], None],
    ) -> None:
        self.phase = "registry"
        self.status = 0
        self.failure: KiteError | None = None
        self.changed = asyncio.Condition()
        self.operations = Operations()
        self.around = around
        self.catalog = catalog
        self.supervisor = supervisor
        self.backbone = backbone
        self.modules = ModuleRunner(around, self.feed)
        self.watcher = Watcher(around.start_task, self.feed)
        self.scheduler = Scheduler(
            around.instance.launcher_dir / "schedule.json", self.feed, SystemClock()
        )
        around.registry.on_refused = self._token_refused
        self._wishes = wishes
        self._record = record
        self._on_phase = on_phase
        self._pending: deque[facts.Fact | spine.CoreFact] = deque()
        self._is_taking = False
        self._timer: asyncio.TimerHandle | None = None
        self._starting_over: str | None = None
        self.stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self.hub: HubLink
        self.cores: CoreRunner

    def attach(self, hub: HubLink, cores: CoreRunner) -> None:
        """The two links that need the Launcher to exist first."""
        self.hub = hub
        self.cores = cores

    # -- the run ------------------------------------------------------------------------------

    async def run(self) -> int:
        """From the first process to the last; the exit status."""
        if self.stopping.is_set():  # asked while the leftovers of an earlier run were ended
            return self.status
        self._say_phase("registry")
        self.feed_core(spine.Begin())
        self.rescan()
        await self._ended.wait()
        return self.status

    def rescan(self) -> Changes:
        """Search the folders and act on what is different."""
        self._wishes.retry()
        changes = self.catalog.look()
        for name in (*changes.added, *changes.changed):
            found, kept = self.catalog.manifest(name), self._kept(name)
            state = found.state if found else kept.config_state if kept else ConfigState.ENABLED
            folder = self.catalog.folder(name)
            self._record("scanned", name, state=state.value, module_dir=str(folder))
        self.feed(facts.Scanned(plans=self.catalog.plans(self._kept)))
        self.scheduler.follow(self.catalog.schedules())
        self.watcher.follow(self.catalog.watched())
        return changes

    def problems(self) -> list[KiteError]:
        """What is wrong and stands in no module's record."""
        unkept = self._wishes.unkept
        return [*self.catalog.unlisted_errors(), *([unkept] if unkept is not None else [])]

    def _kept(self, name: str) -> Desired | None:
        wish = self._wishes.get(name)
        if wish is None:
            return None
        return Desired(
            running=wish.state == "running",
            by_request=wish.by_request,
            config_state=ConfigState(wish.config_state or ConfigState.ENABLED),
        )

    # -- facts in, actions out ----------------------------------------------------------------

    def feed(self, fact: facts.Fact) -> None:
        """Take a fact about modules, now, or after the one that is being taken."""
        self._pending.append(fact)
        self._take()

    def feed_core(self, fact: spine.CoreFact) -> None:
        """Take a fact about Registry or Hub, likewise."""
        self._pending.append(fact)
        self._take()

    def _take(self) -> None:
        if self._is_taking:
            return
        self._is_taking = True
        loop = asyncio.get_running_loop()
        try:
            while self._pending:
                fact = self._pending.popleft()
                if isinstance(fact, spine.CoreFact):
                    for step in self.backbone.handle(fact, loop.time()):
                        self._perform_core(step)
                else:
                    for action in self.supervisor.handle(fact, loop.time()):
                        self._perform(action)
        finally:
            self._is_taking = False
        self._wait_for_nobody_else()
        self._set_timer(loop)
        self.around.start_task(self._notify(), name="notify")

    def _wait_for_nobody_else(self) -> None:
        """Events that are kept wait for nobody who has been stopped, removed or given up since."""
        for name in self.hub.awaited:
            state = self.supervisor.states.get(name)
            if state is None or not state.comes_back:
                self.hub.wait_no_more(name)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadlines = [self.supervisor.next_deadline(), self.backbone.next_deadline()]
        nearest = min((d for d in deadlines if d is not None), default=None)
        self._timer = None if nearest is None else loop.call_at(nearest, self._time_passed)

    def _time_passed(self) -> None:
        self._timer = None
        self.feed_core(spine.TimePassed())
        self.feed(facts.TimePassed())

    def _perform(self, action: act.Action) -> None:  # noqa: C901, PLR0912 - a table
        match action:
            case act.Record():
                self._record(action.event, action.module, **action.fields)
            case act.Publish():
                self.hub.publish(action.subject, action.data)
            case act.Spawn():
                self.modules.spawn(self.catalog.scan.modules[action.module], action.life)
            case act.AskToStop():
                asked = {
                    "module_id": action.module,
                    "life": action.life,
                    "reason": action.reason,
                    "timeout": round(action.timeout, 3),
                }
                self.hub.publish("module.shutdown", asked, at_once=True)
            case act.SignalStop():
                self.modules.signal_stop(action.module, action.life)
            case act.EndTree():
                self.modules.end_tree(action.module, action.life, action.grace)
            case act.WelcomeLife():
                self._welcome(action.module, action.life)
            case act.RetireLife():
                self.around.authority.revoke(action.module, action.life)
                self.around.registry.revoked(action.module, action.life)
            case act.KeepDesired():
                self._keep(action.module, action.desired)
            case act.Settle():
                self.operations.settle(action.op, action.code, action.params)
            case act.GiveUpSystem():
                names = ", ".join(action.failed)
                self.failure = InternalError(
                    "too_many_failed", count=len(action.failed), modules=names
                )
                self.stop(status=1)
            case act.EverythingStopped():
                self._modules_gone(action.survivors)
            case _:
                assert_never(action)

    def _perform_core(self, action: spine.CoreAction) -> None:  # noqa: C901, PLR0912 - a table
        match action:
            case spine.SpawnCore():
                self.cores.spawn(action)
            case spine.EndCore():
                self.cores.end(action)
            case spine.TellTokens():
                self.cores.tell_tokens(action.registry_life)
            case spine.BootHub():
                self._say_phase("event_hub", only_after="registry")
                self.cores.boot_hub(action)
            case spine.ConnectHub():
                self.cores.connect_hub(action)
            case spine.OpenDoors():
                self._record("started", "launcher", life=1, pid=os.getpid())
                self._say_phase("modules")
                self.feed(facts.DoorsOpened())
                self.start_task(self._until_settled(), name="until settled")
            case spine.SayLost():
                self.feed(facts.BackboneLost())
            case spine.SayRestored():
                self.hub.release()
                self.feed(facts.BackboneRestored())
            case spine.Note():
                self._record(
                    action.event,
                    action.name,
                    **{"pid": self.cores.pid(action.name), **action.fields},
                )
            case spine.SettleCore():
                self.operations.settle(action.op, action.code, {"module": "core"})
            case spine.StartOver():
                self._start_over(action.reason)
            case spine.Fatal():
                self.failure = InternalError(action.code, **action.params)
                self.stop(status=action.status)
            case _:
                assert_never(action)

    def hub_gone(self) -> None:
        """No module has a connection any more."""
        connected = [n for n, s in self.supervisor.states.items() if s.life.connections > 0]
        self.hub.missed(connected)
        for name in connected:
            self.feed(facts.ConnectionsChanged(module=name, life=None, connections=0))

    def hub_lost(self) -> None:
        """The Launcher's connection broke; as a rule the Hub has died, and its exit follows."""
        if self.phase != "stopping":
            self.feed(facts.BackboneLost())
            self.cores.reconnect_hub(self._hub_found)

    def _hub_found(self) -> None:
        """It had not died."""
        if self.backbone.is_up:
            self.hub.release()
            self.feed(facts.BackboneRestored())

    def _token_refused(self, name: str, why: KiteError) -> None:
        self.feed(facts.TokenRefused(module=name, detail=why.english))

    def _keep(self, name: str, desired: Desired) -> None:
        wish = Wish(
            state="running" if desired.running else "stopped",
            by_request=desired.by_request,
            config_state=desired.config_state.value,
        )
        self._wishes.set(name, wish)

    # -- what modules say ---------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """An event of the Hub that is meant for the Launcher."""
        source = event.source if isinstance(event.source, str) else ""
        data = event.data if isinstance(event.data, dict) else {}
        life = data.get("life") if isinstance(data.get("life"), int) else None
        match event.event:
            case "module.ready":
                self._heard_ready(source, life)
            case "module.shutdown.ack":
                seconds = data.get("estimated_cleanup")
                estimate = float(seconds) if isinstance(seconds, int | float) else 0.0
                self.feed(facts.ShutdownAcked(module=source, life=life, estimated_cleanup=estimate))
            case "module.shutdown.ready":
                self.feed(facts.ShutdownReady(module=source, life=life))
            case "hub.client.connected" | "hub.client.disconnected":
                name, count = data.get("module_id"), data.get("connections")
                if isinstance(name, str) and isinstance(count, int):
                    self.feed(facts.ConnectionsChanged(module=name, life=life, connections=count))
            case _:
                pass

    def _heard_ready(self, source: str, life: int | None) -> None:
        if source in (HUB, REGISTRY):
            self.cores.said_ready(source, life)
            if source == HUB:
                self._say_phase("registry_ready", only_after="event_hub")
            return
        self.hub.wait_no_more(source)
        state = self.supervisor.states.get(source)
        if state is None or not self.modules.is_booted(source):
            return
        manifest = self.modules.expanded(source)
        if manifest is not None and manifest.ready is not None:
            return  # its probe says when it is ready
        self.feed(facts.BecameReady(module=source, life=life or state.life.number))

    def _welcome(self, name: str, life: int) -> None:
        self.modules.watch_health(name, life)
        manifest = self.modules.expanded(name)
        if manifest is None:
            return
        endpoints = {
            "api_endpoint": manifest.api_endpoint,
            "health_endpoint": manifest.health_endpoint,
        }
        said = {key: value for key, value in endpoints.items() if value}
        if said or manifest.ready is not None:
            about = {"name": manifest.display_name, "module_type": manifest.type, "life": life}
            entry = {**about, **said}
            self.start_task(self._register(name, entry), name=f"register {name}")

    async def _register(self, name: str, entry: dict[str, Any]) -> None:
        try:
            await self.around.registry.register_for(name, entry, replace=name == "launcher")
        except KiteError as error:
            _log.warning("registry.refused_entry module=%s error=%s", name, error)

    def register_self(self, api_url: str) -> None:
        """The Launcher's own entry."""
        entry = {
            "name": "Launcher",
            "module_type": "infrastructure",
            "api_endpoint": api_url,
            "health_endpoint": "/health",
        }
        self.start_task(self._register("launcher", entry), name="register launcher")

    # -- phases -------------------------------------------------------------------------------

    def _say_phase(self, phase: str, *, only_after: str | None = None) -> None:
        if only_after is None or self.phase == only_after:
            self.phase = phase
            self._on_phase(phase)

    async def _until_settled(self) -> None:
        async with self.changed:
            await self.changed.wait_for(
                lambda: self.phase != "modules" or settlement(self.supervisor).settled
            )
        self._say_phase("running", only_after="modules")

    # -- the end ------------------------------------------------------------------------------

    def stop(self, *, status: int = 0) -> None:
        """End everything; a second call changes nothing but a status that was 0."""
        self.status = self.status or status
        if self.phase == "stopping":
            return
        self._say_phase("stopping")
        self._record("stopping", "launcher", life=1, reason="system_shutdown")
        self.stopping.set()
        self.scheduler.close()
        asyncio.get_running_loop().call_later(GONE_WITHIN, self._leave_whatever_hangs)
        self.feed_core(spine.Halted())
        self._starting_over = None  # its stop of everything is under way and serves this one
        self._stop_modules("system_shutdown")

    def skip_waiting(self) -> None:
        """Kill what still runs."""
        self.feed(facts.WaitingSkipped())

    def _stop_modules(self, reason: str) -> None:
        living = [n for n in self.supervisor.states if n in self.catalog.scan.modules]
        layers = self.catalog.graph.stop_layers(living)
        self.feed(
            facts.StopEverything(
                reason=reason,
                is_restart=self._starting_over is not None,
                budget=STOP_BUDGET,
                layers=layers,
            )
        )

    def _start_over(self, reason: str) -> None:
        _log.warning("core.starting_over reason=%s", reason)
        self._record("restarting", "launcher", reason=reason)
        self._starting_over = reason
        self._say_phase("registry")
        self._stop_modules("restart")

    def _modules_gone(self, survivors: tuple[int, ...]) -> None:
        self.start_task(self._finish(list(survivors)), name="finish")

    async def _finish(self, survivors: list[int]) -> None:
        deadline = asyncio.get_running_loop().time() + CORES_STOP_WITHIN
        await self.hub.drained()
        # A Hub that hangs does not answer the goodbye; it is ended all the same.
        closing = self.start_task(self.hub.close(), name="close hub link")
        left = deadline - asyncio.get_running_loop().time()
        reason = "system_shutdown" if self._starting_over is None else "restart"
        self.feed_core(spine.CoresEnding(reason))
        left_over = await self.cores.end_all(max(0.0, left))
        if not left_over:
            self.feed_core(spine.CoresEnded(reason))
        survivors += left_over
        await asyncio.wait({closing}, timeout=HUB_CLOSES_WITHIN)
        if self._starting_over is not None:
            if not survivors:
                self._begin_again()
                return
            self.stop(status=1)  # nothing comes back, and whoever waits for that is told
        survivors = sorted({*survivors, *await tree.end_strays()})
        if survivors:
            pids = ", ".join(map(str, survivors))
            self.failure = self.failure or InternalError("survivors_left", pids=pids)
            self.status = self.status or 1
        self._wishes.retry()
        self._say_stopped()
        self._ended.set()

    def _say_stopped(self) -> None:
        end = {"reason": "system_shutdown", "exit_code": self.status}
        self._record("stopped", "launcher", life=1, **end)

    def _begin_again(self) -> None:
        self._starting_over = None
        self.around.authority.start_over()
        self.around.registry.start_over()
        self.feed(facts.StartedOver())
        self.feed_core(spine.Begin())
        self.rescan()

    def _leave_whatever_hangs(self) -> None:
        cores = [self.cores.pid(name) for name in (REGISTRY, HUB)]
        pids = [pid for pid in (*self.modules.pids(), *cores) if pid]
        _log.error("launcher.left_survivors pids=%s", pids)
        self._record("survivors", "launcher", pids=pids)
        self.status = self.status or 1
        self._say_stopped()
        ApiFile(self.around.instance).remove()
        os._exit(self.status)

    def start_task(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """A task that belongs to the Launcher."""
        return self.around.start_task(work, name=name)


def reap_orphans() -> Callable[[], None]:
    """Adopted orphans are reaped as they die; call the result to end that."""
    return adopted.start_reaping(asyncio.get_running_loop())
