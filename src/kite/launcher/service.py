"""The Launcher: feeds facts to its two cores and performs what they decide.

`Supervisor` decides about modules, `Backbone` about Registry and Event Hub. Everything here runs in
one event loop; what is started lives in one task group, and the unexpected ends it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, assert_never

from kite.clock import SystemClock
from kite.errors import InternalError, KiteError, ModuleError
from kite.launcher import adopted
from kite.launcher.catalog import Catalog, Changes
from kite.launcher.core import actions as act
from kite.launcher.core import backbone_words as spine
from kite.launcher.core import facts
from kite.launcher.core.backbone import Backbone
from kite.launcher.core.plan import ConfigState, Desired
from kite.launcher.core.settling import is_settled
from kite.launcher.core.supervisor import Supervisor
from kite.launcher.core_runner import CoreRunner
from kite.launcher.desired import DesiredStates, Wish
from kite.launcher.ending import Ending
from kite.launcher.hearing import Hearing
from kite.launcher.hub_link import HubLink
from kite.launcher.module_runner import ModuleRunner, Surroundings
from kite.launcher.operations import Operations
from kite.launcher.operator_token import OperatorToken
from kite.launcher.scheduler import Scheduler
from kite.launcher.sentry import WATCHDOG, Sentry
from kite.launcher.watching import Watching
from kite.model.exposure import open_to_others

_DISK_AGAIN = 5.0
"""Seconds until what the disk did not take is written again."""


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
        self.watching = Watching(self)
        self.scheduler = Scheduler(
            around.instance.launcher_dir / "schedule.json", self.feed, SystemClock()
        )
        around.registry.on_refused = self._token_refused
        self.wishes = wishes
        self.record = record
        self._on_phase = on_phase
        self._pending: deque[facts.Fact | spine.CoreFact] = deque()
        self._is_taking = False
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        self._rewriting: asyncio.TimerHandle | None = None
        self.stopping = asyncio.Event()
        self.sentry = Sentry(self)
        self.hearing = Hearing(self)
        self.ending = Ending(self)
        self.operator_token: OperatorToken  # from when on the API answers
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
        self.say_phase("registry")
        self.feed_core(spine.Begin())
        self.rescan()
        if self.around.nursery is not None:
            self.around.nursery.expect(self.catalog.warm_ones())
        await self.ending.ended.wait()
        return self.status

    def rescan(self) -> Changes:
        """Search the folders and act on what is different."""
        self.wishes.retry()
        changes = self.catalog.look()
        for name in (*changes.added, *changes.changed):
            found, kept = self.catalog.manifest(name), self._kept(name)
            state = found.state if found else kept.config_state if kept else ConfigState.ENABLED
            folder = self.catalog.folder(name)
            self.record("scanned", name, state=state.value, module_dir=str(folder))
        self.feed(facts.Scanned(plans=self.catalog.plans(self._kept)))
        self.scheduler.follow(self.catalog.schedules())
        self.watching.follow(self.catalog.watched())
        return changes

    def problems(self) -> list[KiteError]:
        """What is wrong and stands in no module's record."""
        # Who may write the workspace may put another directory in an instance's place.
        workspace = open_to_others(self.around.instance.workspace)
        own = [each for each in (self.wishes.unkept, workspace) if each is not None]
        return [*self.catalog.unlisted_errors(), *own]

    def _kept(self, name: str) -> Desired | None:
        wish = self.wishes.get(name)
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
            known = name in self.supervisor.states
            places = self.supervisor.roster.staying(name) if known else []
            if not any(place.comes_back for place in places):
                self.hub.wait_no_more(name)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadlines = [self.supervisor.next_deadline(), self.backbone.next_deadline()]
        nearest = min((d for d in deadlines if d is not None), default=None)
        self._timer = None if nearest is None else loop.call_at(nearest, self._time_passed, nearest)

    def _time_passed(self, due: float) -> None:
        late = max(0.0, asyncio.get_running_loop().time() - due)
        self._timer = None
        self.feed_core(spine.TimePassed(late=late))
        self.feed(facts.TimePassed(late=late))

    def _perform(self, action: act.Action) -> None:  # noqa: C901, PLR0912 - a table
        match action:
            case act.Record():
                self.record(action.event, action.module, **action.fields)
            case act.Publish():
                self.hub.publish(action.subject, action.data)
            case act.Spawn():
                found = self.catalog.scan.modules[action.module]
                self.modules.spawn(found, action.life, action.replica)
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
                self.hearing.welcome(action.module, action.life)
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
            case act.GiveUpForOne():
                self.failure = ModuleError(
                    "essential_failed", module=action.module, detail=action.detail
                )
                self.stop(status=1)
            case act.EverythingStopped():
                self.ending.modules_gone(action.survivors)
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
                self.say_phase("event_hub", only_after="registry")
                self.cores.boot_hub(action)
            case spine.ConnectHub():
                self.cores.connect_hub(action)
            case spine.OpenDoors():
                self.record("started", "launcher", life=1, pid=os.getpid())
                self.say_phase("modules")
                self.feed(facts.DoorsOpened())
                self.start_task(self._until_settled(), name="until settled")
            case spine.SayLost():
                self.feed(facts.BackboneLost())
            case spine.SayRestored():
                self.hub.release()
                self.feed(facts.BackboneRestored())
            case spine.Note():
                self.record(
                    action.event,
                    action.name,
                    **{"pid": self.cores.pid(action.name), **action.fields},
                )
            case spine.SettleCore():
                self.operations.settle(action.op, action.code, {"module": "core"})
            case spine.StartOver():
                self.ending.start_over(action.reason)
            case spine.Fatal():
                self.failure = InternalError(action.code, **action.params)
                self.stop(status=action.status)
            case _:
                assert_never(action)

    def hub_gone(self) -> None:
        """No module has a connection any more."""
        everyone = self.supervisor.roster.everyone()
        connected = [(s.plan.name, s.life.number) for s in everyone if s.life.connections > 0]
        self.hub.missed({name for name, _ in connected})
        for name, life in connected:
            if name == WATCHDOG:
                self.sentry.hub_gone(life)
            self.feed(facts.ConnectionsChanged(module=name, life=life, connections=0))

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
        self.wishes.note(name, wish)
        if self._writing is None:
            loop = asyncio.get_running_loop()
            self._writing = loop.create_future()
            loop.call_soon(self._write_wishes)

    def _write_wishes(self) -> None:
        """One write for all requests of a turn of the loop: it waits for the disk, twice."""
        writing, self._writing = self._writing, None
        if self._rewriting is not None:
            self._rewriting.cancel()
            self._rewriting = None
        if not self.wishes.retry() and not self.stopping.is_set():
            # Nobody may ask for anything for days, and then the machine stops.
            loop = asyncio.get_running_loop()
            self._rewriting = loop.call_later(_DISK_AGAIN, self._write_wishes)
        if writing is not None:
            writing.set_result(None)

    async def kept(self) -> None:
        """Wait until the disk was given what is wanted now: before a request is answered."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    # -- phases -------------------------------------------------------------------------------

    def say_phase(self, phase: str, *, only_after: str | None = None) -> None:
        """The run has come to a phase, if the one before it was `only_after`."""
        if only_after is None or self.phase == only_after:
            self.phase = phase
            self._on_phase(phase)

    async def _until_settled(self) -> None:
        async with self.changed:
            await self.changed.wait_for(
                lambda: self.phase != "modules" or is_settled(self.supervisor)
            )
        if self.phase == "modules":
            self.record("settled", "launcher")
        self.say_phase("running", only_after="modules")

    # -- the end ------------------------------------------------------------------------------

    def stop(self, *, status: int = 0) -> None:
        """End everything; a second call changes nothing but a status that was 0."""
        self.ending.stop(status=status)

    def skip_waiting(self) -> None:
        """Kill what still runs."""
        self.feed(facts.WaitingSkipped())

    def start_task(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """A task that belongs to the Launcher."""
        return self.around.start_task(work, name=name)


def reap_orphans() -> Callable[[], None]:
    """Adopted orphans are reaped as they die; call the result to end that."""
    return adopted.start_reaping(asyncio.get_running_loop())
