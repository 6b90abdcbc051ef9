"""The Registry as a module on the Event Hub: it says that it is ready, publishes its events, and
keeps them while the Hub is away."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from kite.clock import Clock, rfc3339
from kite.errors import PeerError, RequestError, Unavailable
from kite.registry.core.backlog import Backlog
from kite.wire.frame import Event

if TYPE_CHECKING:
    from kite.sdk.connection import HubConnection, Lost

NAME: Final = "registry"
SUBSCRIPTIONS: Final = (
    "module.shutdown",
    "module.ready",
    "module.stopped",
    "module.failed",
    "hub.started",
    "hub.client.connected",
    "hub.client.disconnected",
    "hub.client.silent",
    "hub.client.responsive",
)
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5
_OPEN_SECONDS: Final = 10.0
_ESTIMATED_CLEANUP: Final = 0.5
_NOT_WAITED_FOR: Final = frozenset({"launcher", "registry", "event_hub"})
_log = logging.getLogger("kite.registry")


class Presences(Protocol):
    """Who wants to know whom the Hub hears: the Registry."""

    def hub_hears(
        self, module_id: str, life: int | None, *, answering: int, silent: int, within: float
    ) -> None:
        """The Hub has told of a life."""
        ...

    def hub_told(self) -> None:
        """The Hub has told of everybody who is there."""
        ...

    def hub_lost(self) -> None:
        """Nobody tells any more."""
        ...


class Announcer:
    """Publishes what is announced, in order, each until the Hub has acknowledged it.

    Args:
        clock: the time.
        on_shutdown: called when the Launcher asks the Registry to go (`module.shutdown`).

    Attributes:
        presences: is told whom the Hub hears.
    """

    def __init__(self, *, clock: Clock, on_shutdown: Callable[[], None]) -> None:
        self.backlog: Backlog[Event] = Backlog()
        self.is_connected = False
        self.presences: Presences | None = None
        self._clock = clock
        self._on_shutdown = on_shutdown
        self._endpoint: str | None = None
        self._token: str | None = None
        self._life: int | None = None
        self._refused: tuple[str, str] | None = None
        self._stirred = asyncio.Event()
        self._is_lost = False
        self._is_stopping = False
        self._farewell = False

    def announce(self, subject: str, data: dict[str, Any]) -> None:
        """Publish an event, now or when the Hub is back."""
        if not self.backlog.keep(self._event(subject, data)):
            _log.debug("event.dropped subject=%s", subject)
        self._stirred.set()

    def set_hub(self, endpoint: str | None, token: str | None, life: int | None) -> None:
        """Where the Hub is, and who the Registry is there."""
        if (endpoint, token, life) != (self._endpoint, self._token, self._life):
            self._endpoint, self._token, self._life = endpoint, token, life
            self._stirred.set()

    def believe_connected(self, module_id: str) -> None:
        """A module is on the Hub, as far as is known: after a loss of the Hub it is waited for."""
        if module_id not in _NOT_WAITED_FOR:
            self.backlog.module_ready(module_id)

    def stop(self) -> None:
        """End `run` soon."""
        self._is_stopping = True
        self._stirred.set()

    async def run(self) -> None:
        """Be connected whenever that is possible, until `stop`."""
        pause = 0.0
        while not self._is_stopping:
            here = (self._endpoint or "", self._token or "")
            if not all(here) or here == self._refused:
                await self._stir(None)
                continue
            try:
                await self._converse(*here)
                pause = 0.0
            except PeerError as refused:
                # Final for this token: the Launcher will post another.
                _log.warning("hub.refused reason=%r", str(refused))
                self._refused = here
            except (Unavailable, RequestError) as failed:
                pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
                _log.debug("hub.unavailable reason=%r", str(failed))
                await self._stir(pause)

    async def _converse(self, endpoint: str, token: str) -> None:
        """One connection, from its opening to its end."""
        self._is_lost = False
        connection = await self._open(endpoint, token)
        try:
            await connection.subscribe(list(SUBSCRIPTIONS))
            await connection.publish_acked(self._event("module.ready", self._self()))
            self.is_connected = True
            if self.presences is not None:  # its greetings come before this acknowledgement
                self.presences.hub_told()
            self.backlog.connected(self._clock.monotonic())
            _log.info("hub.connected endpoint=%s", endpoint)
            await self._serve(connection, (endpoint, token))
        finally:
            self.is_connected = False
            self.backlog.lost()
            if self.presences is not None:
                self.presences.hub_lost()
            await connection.close()

    async def _open(self, endpoint: str, token: str) -> HubConnection:
        """Open the connection, unless something else is wanted meanwhile: while nobody serves the
        Hub's socket, a connection to it just waits."""
        # picows is needed when there is a Hub, which is after the port line: the start is shorter.
        from kite.sdk.connection import HubConnection  # noqa: PLC0415

        opening = asyncio.create_task(
            HubConnection.open(
                endpoint, token, on_event=self._heard, on_lost=self._lost, timeout=_OPEN_SECONDS
            )
        )
        opening.add_done_callback(lambda _opening: self._stirred.set())
        try:
            while not opening.done() and self._is_wanted(endpoint, token):
                await self._stir(None)
        finally:
            if not opening.done():
                opening.cancel()
                await asyncio.wait([opening])
        if opening.cancelled():
            raise Unavailable("going_away", what="the registry")
        return opening.result()

    def _is_wanted(self, endpoint: str, token: str) -> bool:
        """Whether a connection as this to there is still what is wanted."""
        return not self._is_stopping and (endpoint, token) == (self._endpoint, self._token)

    async def _serve(self, connection: HubConnection, here: tuple[str, str]) -> None:
        while not self._is_lost and self._is_wanted(*here):
            if self._farewell:
                self._farewell = False
                await self._say_farewell(connection)
            elif (event := self.backlog.first()) is not None:
                await self._publish(connection, event)
                self.backlog.gone(event)
            elif self.backlog.has_overflowed and self.backlog.is_open:
                await self._publish(connection, self._event("registry.resync", {}))
                self.backlog.overflow_told()
            else:
                deadline = self.backlog.next_deadline()
                now = self._clock.monotonic()
                await self._stir(None if deadline is None else max(deadline - now, 0.0))
                self.backlog.tick(self._clock.monotonic())

    async def _publish(self, connection: HubConnection, event: Event) -> None:
        """Publish one event; a refused one is named and left."""
        try:
            await connection.publish_acked(event)
        except RequestError as refused:
            _log.warning("event.refused subject=%s reason=%r", event.event, str(refused))

    async def _say_farewell(self, connection: HubConnection) -> None:
        estimate = {"estimated_cleanup": _ESTIMATED_CLEANUP}
        await self._publish(connection, self._event("module.shutdown.ack", self._self() | estimate))
        self._on_shutdown()
        await self._publish(connection, self._event("module.shutdown.ready", self._self()))

    def _heard(self, event: Event) -> None:
        data = event.data if isinstance(event.data, dict) else {}
        module_id = data.get("module_id")
        match event.event:
            case "hub.started" if isinstance(epoch := data.get("epoch"), str):
                self.backlog.hub_started(epoch)
            case "module.shutdown" if module_id == NAME:
                self._farewell = data.get("life") in (None, self._life)
            case "module.ready" if isinstance(module_id, str):
                self.believe_connected(module_id)
            case (
                "hub.client.connected"
                | "hub.client.disconnected"
                | "hub.client.silent"
                | "hub.client.responsive"
            ) if isinstance(module_id, str):
                self._tell_presence(module_id, data)
                return
            case "module.stopped" | "module.failed" if isinstance(module_id, str):
                self.backlog.module_ended(module_id)
        self._stirred.set()

    def _tell_presence(self, module_id: str, data: dict[str, Any]) -> None:
        life, within = data.get("life"), data.get("silent_within")
        answering, silent = data.get("answering"), data.get("silent")
        match answering, silent, within:
            case int(), int(), int() | float() if self.presences is not None:
                self.presences.hub_hears(
                    module_id,
                    life if isinstance(life, int) else None,
                    answering=answering,
                    silent=silent,
                    within=float(within),
                )

    def _lost(self, lost: Lost) -> None:
        if not self._is_stopping:
            _log.info("hub.lost code=%d reason=%r", lost.code, lost.reason)
        self._is_lost = True
        self._stirred.set()

    async def _stir(self, seconds: float | None) -> None:
        """Wait until something has happened, or for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return
        self._stirred.clear()

    def _self(self) -> dict[str, Any]:
        life = {} if self._life is None else {"life": self._life}
        return {"module_id": NAME, **life}

    def _event(self, subject: str, data: dict[str, Any]) -> Event:
        return Event(
            event=subject,
            data=data,
            event_id=secrets.token_hex(16),
            source=NAME,
            timestamp=rfc3339(self._clock.wall()),
        )
