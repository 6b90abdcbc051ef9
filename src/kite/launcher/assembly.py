"""Puts a Launcher together from its parts, runs it, and takes it apart again."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from kite.audit.entry import NOBODY
from kite.audit.trail import Trail
from kite.clock import SystemClock
from kite.errors import InternalError, KiteError
from kite.http.listen import listening_socket, port_of
from kite.launcher import cgroup, platform_linux
from kite.launcher.authority import Authority
from kite.launcher.catalog import Catalog
from kite.launcher.console import Console
from kite.launcher.core.backbone import Backbone
from kite.launcher.core.pair import HUB, REGISTRY
from kite.launcher.core.supervisor import Supervisor
from kite.launcher.core_runner import CoreRunner
from kite.launcher.desired import DesiredStates
from kite.launcher.forking import template_mark
from kite.launcher.hub_link import HubLink
from kite.launcher.instance import PACKAGE, ApiFile, Instance
from kite.launcher.journal import Journal
from kite.launcher.leftovers import end_leftovers
from kite.launcher.log_writer import LogWriter
from kite.launcher.logfile import LogLimits
from kite.launcher.modes import Closed
from kite.launcher.module_runner import Surroundings
from kite.launcher.notifier import Notifier
from kite.launcher.operator_token import OperatorToken
from kite.launcher.process import prepare_launcher
from kite.launcher.records import Records
from kite.launcher.registry_link import RegistryLink
from kite.launcher.service import Launcher, reap_orphans
from kite.launcher.warm.nursery import Nursery
from kite.launcher.warm.template import Template
from kite.model.manifest import CORE_NAMES
from kite.model.project import OnCoreCrash, Project

API_GRACE = 0.5
_LIFE = frozenset({"scanned", "starting", "started", "settled", "stopping", "stopped"})
_CHANGES = frozenset({"started", "stopped", "failed"})
_log = logging.getLogger("kite.launcher")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line decided.

    Args:
        console: where a person watches, or None.
        template: the first one that Python modules are forked from.
        closed: what others could read or write until now.
        notifier: leads to the service manager that started Kite, if one did.
        ours: the pids of the Launcher, its guard and its template, which may move to a control group.
    """

    project_dir: Path
    instance_dir: Path
    workspace: Path
    console: Console | None
    verbose: bool = False
    template: Template | None = None
    notifier: Notifier = field(default_factory=lambda: Notifier(""))
    ours: tuple[int, ...] = ()
    closed: tuple[Closed, ...] = ()


class Assembly:
    """One Launcher with everything around it."""

    def __init__(self, options: Options, catalog: Catalog, group: asyncio.TaskGroup) -> None:
        self._options = options
        self._console = options.console
        self._notifier = options.notifier
        self._group = group
        self._tasks: set[asyncio.Task[Any]] = set()
        project = catalog.project
        self._sockets = {name: listening_socket() for name in (REGISTRY, HUB)}
        self._api_socket = listening_socket()
        self._api_stop = asyncio.Event()
        self._api: asyncio.Task[Any] | None = None
        self.instance = Instance(
            id=secrets.token_hex(8),
            project_dir=options.project_dir,
            workspace=options.workspace,
            instance_dir=options.instance_dir,
            registry_port=port_of(self._sockets[REGISTRY]),
            started_at=time.time(),
        )
        self.ws_endpoint = f"ws://127.0.0.1:{port_of(self._sockets[HUB])}/ws"
        self._api_file = ApiFile(self.instance)
        self._journal = Journal(
            self.instance.launcher_dir / "lifecycle.jsonl", on_problem=self._disk_problem
        )
        self._trail = Trail(self.instance.launcher_dir, "launcher")
        limits = LogLimits(**msgspec.structs.asdict(project.logs))
        self.logs = LogWriter(
            self.instance.instance_dir / "logs",
            limits,
            on_problem=lambda path, error: self._disk_problem(error, path),
        )
        self.records = Records(self.instance.launcher_dir / "processes")
        self.launcher = self._build(catalog, project)

    def _build(self, catalog: Catalog, project: Project) -> Launcher:
        authority = Authority()
        self._nursery = Nursery(self._options.template, mark=template_mark())
        registry = RegistryLink(self.instance.registry_url, authority)
        around = Surroundings(
            instance=self.instance,
            authority=authority,
            registry=registry,
            logs=self.logs,
            records=self.records,
            start_task=self._start_task,
            show=self._show,
            trail=self._trail,
            nursery=self._nursery,
            ws_endpoint=self.ws_endpoint,
            groups=cgroup.settle(self.instance.id, self._options.ours)
            if self._options.ours
            else None,
        )
        wishes = DesiredStates(
            self.instance.launcher_dir / "desired.json", on_problem=self._disk_problem
        )
        if wishes.problem:
            _log.warning("desired.repaired problem=%s", wishes.problem)
        launcher = Launcher(
            around=around,
            catalog=catalog,
            supervisor=Supervisor(
                concurrency=project.start_concurrency,
                max_failed=project.max_failed_modules,
                chance=random.random,
            ),
            backbone=Backbone(full_on_crash=project.on_core_crash is OnCoreCrash.FULL),
            wishes=wishes,
            record=self._record,
            on_phase=self._phase,
        )
        watch = self._console.event if self._console and self._options.verbose else None
        hub = HubLink(
            on_event=launcher.hearing.hear,
            on_lost=launcher.hub_lost,
            instance=self.instance.id,
            watch=watch,
        )
        cores = CoreRunner(
            around,
            sockets=self._sockets,
            config={HUB: project.hub, REGISTRY: project.registry},
            hub=hub,
            feed=launcher.feed_core,
            on_hub_gone=launcher.hub_gone,
        )
        launcher.attach(hub, cores)
        return launcher

    # -- the run ------------------------------------------------------------------------------

    async def run(self) -> int:
        """From the leftovers of earlier runs to the last process of this one; the exit status."""
        for name in CORE_NAMES:
            self._record("scanned", name, state="enabled", module_dir=str(PACKAGE / name))
        self._record("starting", "launcher", life=1)
        self._tell_closed()
        prepare_launcher()
        stop_reaping = reap_orphans()
        asyncio.get_running_loop().set_exception_handler(self._unexpected)
        link = self._start_task(self.launcher.around.registry.run(), name="registry link")
        self._notifier.start_watchdog()
        try:
            await self._until_stopped(self._end_leftovers())
            status = await self._launch()
        finally:
            self._nursery.close()
            await self._close_api()
            link.cancel()
            self._notifier.close()
            stop_reaping()
            if self.launcher.status == 0:
                self.records.clear()
            for task in self._tasks:
                task.cancel()
            for sock in (*self._sockets.values(), self._api_socket):
                sock.close()
            self._journal.close()
            self._trail.close()
            self.logs.close()
        return status

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the work, but for no longer than until everything is to end."""
        task = self._start_task(work, name="leftovers")
        stopping = self._start_task(self.launcher.stopping.wait(), name="stopping")
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not task.done():
            task.cancel()

    def _unexpected(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback has raised: that is a defect of ours, and nothing can be relied on any more."""
        error = context.get("exception")
        _log.error("launcher.broke %s", context.get("message"), exc_info=error)
        if isinstance(error, Exception) and not self.launcher.stopping.is_set():
            detail = f"{type(error).__name__}: {error}"
            self.launcher.failure = InternalError("internal_error", detail=detail)
            self.launcher.stop(status=1)

    async def _end_leftovers(self) -> None:
        for leftover in await end_leftovers(self.records):
            self._record(
                "leftover",
                leftover.module,
                pid=leftover.pid,
                life=leftover.life,
                instance=leftover.instance,
                verdict=leftover.verdict,
                ended=leftover.ended,
            )
        self.records.open_instance(self.instance.id)

    async def _launch(self) -> int:
        run = self._start_task(self.launcher.run(), name="launcher")
        await asyncio.sleep(0)  # the two core processes start while this one imports its API
        import kite.launcher.routes  # noqa: F401, PLC0415

        status = await run
        if status is None:  # it broke, and what it had started is being stopped
            await self.launcher.ending.ended.wait()
            status = self.launcher.status
        return int(status)

    def _start_task(self, work: Any, *, name: str) -> asyncio.Task[Any]:
        task = self._group.create_task(self._guarded(work), name=name)
        self._tasks.add(task)
        # One that is cancelled before its first step has not awaited its coroutine.
        task.add_done_callback(lambda _: work.close())
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, Any]) -> Any:
        """A task that breaks is a defect of ours: everything is stopped in order, and not torn down
        as the group would. What Kite knows how to tell goes on to whoever tells it."""
        try:
            return await work
        except KiteError:
            raise
        except Exception as error:  # noqa: BLE001  (the edge of every task)
            context = {"message": "a task has raised", "exception": error}
            self._unexpected(asyncio.get_running_loop(), context)
            return None

    # -- the API ------------------------------------------------------------------------------

    def _serve_api(self) -> None:
        from kite.http.server import serve  # noqa: PLC0415  (imported while the cores start)
        from kite.launcher.routes import launcher_application  # noqa: PLC0415
        from kite.launcher.view import View  # noqa: PLC0415

        launcher = self.launcher
        port = port_of(self._api_socket)
        view = self._view = View(
            instance=self.instance,
            catalog=launcher.catalog,
            supervisor=launcher.supervisor,
            backbone=launcher.backbone,
            cores=launcher.cores,
            clock=SystemClock(),
            pid=os.getpid(),
            is_warm=lambda name, life: (
                launcher.cores.is_warm(name)
                if name in CORE_NAMES
                else launcher.modules.is_warm(name, life)
            ),
            usage=launcher.around.usage,
            unheld=launcher.modules.unheld,
        )
        app = launcher_application(launcher, view, port=port, ws_endpoint=self.ws_endpoint)
        around = launcher.around
        launcher.operator_token = OperatorToken(
            around.authority, around.registry, self._write_api_file
        )
        self._write_api_file(around.authority.operator_token)
        served = serve(
            app,
            self._api_socket,
            stop=self._api_stop,
            grace=API_GRACE,
            on_full=lambda: self._trail.refused(NOBODY, "connect", "too_many_open"),
        )
        self._api = self._start_task(served, name="api")

    def _write_api_file(self, token: str) -> None:
        self._api_file.write(
            {
                "url": self.api_url,
                "token": token,
                "pid": os.getpid(),
                "instance": self.instance.id,
                "registry_port": self.instance.registry_port,
                "ws_endpoint": self.ws_endpoint,
            }
        )

    async def _close_api(self) -> None:
        self._api_stop.set()
        self._api_file.remove()
        if self._api is not None:
            await asyncio.wait({self._api}, timeout=API_GRACE + 0.5)

    @property
    def api_url(self) -> str:
        """Where the Launcher's API answers."""
        return f"http://127.0.0.1:{port_of(self._api_socket)}"

    # -- what people see ----------------------------------------------------------------------

    def _phase(self, phase: str) -> None:
        _log.info("launcher.came_to phase=%s", phase)
        if phase == "event_hub":
            if self._api is None:
                self._serve_api()
            self.launcher.hearing.register_self(self.api_url)
        self._notify(phase)
        if phase == "running":
            platform_linux.give_memory_back()  # what the start needed and the rest of the run does not
        if self._console is None:
            return
        self._console.phase(phase)
        if phase == "running":
            records = self._view.records(phase)
            self._console.settled(records, self.launcher.modules.endpoints(records))

    def _notify(self, phase: str) -> None:
        """Tell the service manager, if there is one."""
        if not self._notifier.is_heard:
            return
        from kite.launcher import story  # noqa: PLC0415  (seldom needed without a console)

        match phase:
            case "running":
                self._notifier.ready(story.standing(self._view.records(phase)))
            case "stopping":
                self._notifier.stopping(story.stopping())
            case _:
                self._notifier.status(story.phase_title(phase))

    def _record(self, event: str, module: str, **fields: Any) -> None:
        step = self._journal.write(event, module, **fields)
        # Whoever watches sees the Launcher's own life as phases.
        is_own = module == "launcher" and event in _LIFE
        if not is_own and event in _CHANGES and self.launcher.phase == "running":
            self._notify("running")
        if self._console is not None and not is_own:
            self._console.step(step)

    def _show(self, module: str, is_error: bool, lines: list[str]) -> None:
        if self._console is not None:
            for line in lines:
                self._console.output(module, line, is_error)

    def _tell_closed(self) -> None:
        """What had been open to other users is said, as they may have used it."""
        for each in self._options.closed:
            words = (
                f"{each.path} was open to others (mode {each.old:04o}); it is {each.new:04o} now"
            )
            _log.warning("instance.closed %s", words)
            self._trail.done("launcher", "mend", target=str(each.path), reason=words)
            if self._console is not None:
                self._console.message(f"kite: {words}")

    def _disk_problem(self, error: OSError, path: Path | None = None) -> None:
        where = path or error.filename or self.instance.instance_dir
        text = f"kite: {where} cannot be written: {error.strerror or error}"
        _log.error("disk.refused path=%s error=%s", where, error)
        if self._console is not None:
            self._console.message(text)


async def run(options: Options) -> tuple[int, KiteError | None]:
    """Run a Launcher until it ends; its exit status and the error that ended it, if one did."""
    catalog = Catalog(options.project_dir)
    async with asyncio.TaskGroup() as group:
        assembly = Assembly(options, catalog, group)
        with _signals(assembly.launcher, options.console):
            status = await assembly.run()
    return status, assembly.launcher.failure


def _signals(launcher: Launcher, console: Console | None) -> Any:
    from kite.launcher.quitting import quitting  # noqa: PLC0415

    return quitting(launcher, has_terminal=console is not None)
