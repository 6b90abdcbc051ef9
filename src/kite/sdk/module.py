"""The module as its author writes it.

from kite import Module

module = Module()

@module.handle("greet")
def greet(request):
    return {"text": f"hello, {request.data['name']}"}

module.run()
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from kite.errors import Unavailable
from kite.sdk.connection import HubConnection
from kite.sdk.core.farewell import Cause
from kite.sdk.decorators import Decorators
from kite.sdk.launcher_client import LauncherClient
from kite.sdk.life import Life
from kite.sdk.link import Connect
from kite.sdk.publishing import Published, publish, publish_acked
from kite.sdk.registry_client import RegistryClient
from kite.sdk.registry_copy import RegistryCopy
from kite.sdk.surroundings import Surroundings
from kite.settings import ModuleSettings
from kite.wire.boot import BootLine

_Task = TypeVar("_Task")


class Module(Decorators, Surroundings):
    """A Kite module: declare what it does, then `run` it.

    Handlers are coroutine functions or plain functions. A plain function runs in the event loop
    itself and must be quick; give slow work to `await asyncio.to_thread(...)`. All methods are for
    the event loop's thread; from another one go through `loop.call_soon_threadsafe`.

    A lost connection is restored by itself, with every subscription, the registration and
    `module.ready`; the author has nothing to do for it.
    """

    def __init__(self) -> None:
        Decorators.__init__(self)
        Surroundings.__init__(self)
        self._life: Life | None = None

    # -- declaring -----------------------------------------------------------------------------

    def register(
        self,
        *,
        type: str | None = None,  # noqa: A002  (the manifest's word)
        name: str | None = None,
        api_endpoint: str | None = None,
        health_endpoint: str | None = None,
        events_publish: Mapping[str, str] | Sequence[str] | None = None,
        events_subscribe: Sequence[str] | None = None,
        tools: Sequence[Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Say in the Registry what this module offers; kept alive, and restored after an outage.

        Before `run` it is part of the start; while the module runs it changes the entry soon. A
        module that answers requests is registered with their subjects even without this.

        Args:
            type: `module_type`: `agent`, `service`, ….
            name: what people call it.
            api_endpoint: URL of its own HTTP server.
            health_endpoint: URL, or a path below `api_endpoint`.
            events_publish: subjects with descriptions, or a list.
            events_subscribe: patterns; default: those of the handlers.
            tools: what can be called, where `tool` is not used: `{name, description, input_schema,
                output_schema, subject}` each.
            metadata: anything else; several calls are merged.
        """
        self._declaration.register(
            {
                "module_type": type,
                "name": name,
                "api_endpoint": api_endpoint,
                "health_endpoint": health_endpoint,
                "events_publish": _plain(events_publish),
                "events_subscribe": _plain(events_subscribe),
                "tools": _plain(tools),
                "metadata": _plain(metadata),
            }
        )
        if self._life is not None:
            self._life.refresh_registration()

    # -- speaking --------------------------------------------------------------------------------

    def publish(
        self, subject: str, data: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> str:
        """Publish an event and go on; returns its id.

        At most once: while there is no connection, or the Hub takes nothing for a moment, up to
        10 000 events or 16 MiB are kept and go out in order later; what was written to a connection
        that then breaks may be lost. Where that matters, use `publish_acked`. A refusal by the Hub
        is logged (`event.refused`).

        Args:
            subject: dotted name, `docs.file.changed`.
            data: any JSON value; also msgspec structs, dataclasses, datetimes.
            headers: names and values that travel along.

        Raises:
            RequestError: `invalid_subject`, `event_too_large` (1 MiB).
            Unavailable: `publish_queue_full` (await `drained`), `module_not_running`.
            TypeError: `data` has something that JSON has not.
        """
        return publish(self._running, subject, data, headers)

    async def publish_acked(
        self,
        subject: str,
        data: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Published:
        """Publish an event and wait until the Hub has accepted it.

        At least once: after a lost connection it is sent again under the same id, which a Hub that
        has it already recognizes; where the Hub itself was restarted meanwhile, subscribers may
        get it twice, with the same `event.id`.

        Args:
            timeout: seconds, outages included.

        Returns:
            Its id, and to how many connections it went.

        Raises:
            RequestError: the Hub's refusal (`permission_denied`, …), `invalid_subject`,
                `event_too_large`.
            Unavailable: `connection_lost`: not acknowledged in time; it may or may not have been
                accepted. `module_not_running`.
            TypeError: `data` has something that JSON has not.
        """
        return await publish_acked(self._running, subject, data, headers, timeout)

    async def drained(self) -> None:
        """Wait until what has been published is on its way: call it now and then in a loop.

        Outages included: bound it with `asyncio.timeout` where that is too long.

        Raises:
            Unavailable: `module_not_running`.
        """
        await self._running.publisher.drained()

    async def request(
        self,
        subject: str,
        data: Any = None,
        timeout: float = 5.0,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask whoever handles `subject`, and return the data of the answer.

        At most once: it is not sent again. The header `kite-deadline` tells the handler until when
        the answer is of use; an answer that comes later is dropped and counted.

        Args:
            timeout: seconds, outages included.

        Raises:
            RequestError: `no_responders` (at once), `responder_lost` (as soon as whoever got the
                request has left without answering), `request_timeout`, `permission_denied`,
                `invalid_subject`, `event_too_large` and `too_deep` (the request or its answer),
                `module_stopping`, `handler_failed`, or the code that the handler raised.
            Unavailable: `publish_queue_full`, `module_not_running`.
            TypeError: `data` has something that JSON has not.
        """
        return await self._running.questions.ask(subject, data, timeout=timeout, headers=headers)

    async def call(
        self,
        tool: str,
        data: Any = None,
        timeout: float = 30.0,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Call a tool that some module offers, and return what it answers.

        Args:
            tool: its name, or `module/name` where several modules have one of that name.
            data: what it takes: an object, mostly.
            timeout: seconds, outages included.

        Raises:
            RequestError: `tool_unknown`, `tool_ambiguous`, `tool_not_callable`, `invalid_input`, and
                what `request` raises.
            Unavailable, TypeError: as `request`.
        """
        from kite.wire.tool import chosen  # noqa: PLC0415  (few modules call tools)

        found = chosen(await self.registry.tools(), tool)
        assert found.subject is not None
        return await self.request(found.subject, data, timeout, headers=headers)

    @property
    def registry(self) -> RegistryCopy:
        """The Registry: `await module.registry.lookup(module_type="agent")`."""
        return self._running.directory

    @property
    def launcher(self) -> LauncherClient:
        """The Launcher: `await module.launcher.restart("worker", reason="stuck")`, for which the
        manifest has `scopes: [launcher.control]`."""
        return self._running.launcher

    # -- living ----------------------------------------------------------------------------------

    def spawn(
        self, coroutine: Coroutine[Any, Any, _Task], *, name: str | None = None
    ) -> asyncio.Task[_Task]:
        """Run a coroutine beside the handlers, until it ends or the module stops.

        It is cancelled when the module stops. What it raises ends the module with a traceback and
        status 1: a module that does only half of its work is restarted.

        Raises:
            Unavailable: `module_not_running`.
        """
        try:
            life = self._running
        except Unavailable:
            coroutine.close()
            raise
        return life.spawn(coroutine, name)

    def stop(self, status: int = 0) -> None:
        """Leave in good order, as if asked to; `status` is the exit status.

        Raises:
            Unavailable: `module_not_running`.
        """
        self._running.stop(Cause.OWN, status)

    async def ready(self) -> None:
        """Wait until the module has said `module.ready`."""
        await self._running.ready()

    def run(self) -> NoReturn:
        """Run the module until it is to go; ends the process with the exit status.

        0: stopped in good order. 1: a start or stop handler or a spawned task failed. 2: wrongly
        started or configured. 6: its token is dead.

        Raises:
            SystemExit: always.
        """
        from kite.sdk.process import run  # noqa: PLC0415  (only who runs pays for it)

        raise SystemExit(run(self))

    async def serve(self) -> int:
        """Like `run`, inside a loop that is running already; returns the exit status.

        Reads the boot line from standard input. Signals are the caller's: call `stop`.

        Raises:
            ConfigError: `not_under_kite`, `no_boot_line`.
        """
        from kite.sdk.process import serve  # noqa: PLC0415

        return await serve(self)

    # -- knowing ---------------------------------------------------------------------------------

    @property
    def life(self) -> int:
        """The number of this process among the module's, from 1."""
        return self._running.number

    @property
    def token(self) -> str:
        """The token of this life, for talking to Kite's servers oneself. Never show it."""
        return self._running.token

    @property
    def replica(self) -> int:
        """Which of several processes side by side this is, from 0."""
        return self._running.replica

    def begin(
        self,
        settings: ModuleSettings,
        boot: BootLine,
        *,
        registry: RegistryClient | None = None,
        connect: Connect = HubConnection.open,
    ) -> Life:
        """Make the life that this module is to live: for `run`, and for tests."""
        self._settings = settings
        self._declaration.begin(settings.module)
        self._life = Life(
            self._declaration,
            name=settings.module,
            boot=boot,
            registry=registry or RegistryClient(settings.registry_port, boot.token),
            log=self.log,
            connect=connect,
        )
        return self._life

    @property
    def _running(self) -> Life:
        if self._life is None or self._life.is_over:
            name = self._settings.module if self._settings is not None else ""
            raise Unavailable("module_not_running", module=name)
        return self._life


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return value if value is None or isinstance(value, str) else list(value)
