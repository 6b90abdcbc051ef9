"""The Launcher's own connection to the Event Hub, in all of the Hub's lives.

Every event is kept until the Hub has acknowledged it: what was written to a Hub that was dead already
goes to the next one. While the Hub is away up to 1 000 events are kept. They are published in order
once every module that was connected has said `module.ready` again, at the latest 5 s after the Hub's
own; what is asked of a module (`module.shutdown`) never waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kite.clock import now_rfc3339
from kite.errors import KiteError, Unavailable
from kite.sdk.connection import HubConnection, Lost
from kite.wire.frame import Event

KEPT_EVENTS = 1000
RETURN_WITHIN = 5.0
ACKS_WITHIN = 30.0
DRAINS_WITHIN = 0.5
_RETRY_SECONDS = 0.05

HEARD = (
    "module.ready",
    "module.shutdown.ack",
    "module.shutdown.ready",
    "hub.client.connected",
    "hub.client.disconnected",
    "hub.client.silent",
    "hub.client.responsive",
    "watchdog.unhealthy",
    "watchdog.degraded",
    "watchdog.healthy",
)
"""What the Launcher subscribes to, in one frame: with its acknowledgement the Hub opens to all."""

_log = logging.getLogger("kite.launcher.hub")


class HubLink:
    """Publishes for the Launcher and hears what modules say to it.

    Args:
        on_event: called with each event of `HEARD`, in order.
        instance: goes into the ids of events, so that they are unique over Launchers.
        on_lost: called when the connection breaks that was there, as a rule because the Hub has died.
        watch: called with every event there is (for `kite up -v`), or None.
    """

    def __init__(
        self,
        *,
        on_event: Callable[[Event], None],
        on_lost: Callable[[], None],
        instance: str,
        watch: Callable[[Event], None] | None = None,
    ) -> None:
        self._on_event = on_event
        self._on_lost = on_lost
        self._watch = watch
        self._instance = instance
        self._published = 0
        self._connection: HubConnection | None = None
        self._kept: deque[Event] = deque()
        self._unacknowledged: dict[str, Event] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._lost_events = 0
        self._holding = True
        self._is_overdue = False
        self._awaited: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the Launcher can talk to the Hub now."""
        return self._connection is not None and self._connection.is_open

    async def connect(self, endpoint: str, token: str) -> None:
        """Connect and subscribe; keeps trying until it succeeds or is cancelled."""
        while True:
            try:
                self._connection = await self._open(endpoint, token)
            except KiteError as failure:
                # Not served yet, or refused by a life that is about to end: its exit cancels this.
                _log.debug("hub.not_connected error=%s", failure)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if self._is_overdue:
                self._flush()
            return

    async def _open(self, endpoint: str, token: str) -> HubConnection:
        connection: HubConnection | None = None

        def lost(how: Lost) -> None:
            if connection is not None and self._connection is connection:
                self._lost(how)  # else nobody relies on it yet, or any more

        connection = await HubConnection.open(
            endpoint, token, on_event=self._received, on_lost=lost
        )
        try:
            await connection.subscribe(HEARD)
            if self._watch is not None:
                await connection.subscribe([">"], observe=True)
            if not connection.is_open:
                raise Unavailable("not_ready", what="the event hub")
        except BaseException:
            await connection.close()
            raise
        return connection

    @property
    def awaited(self) -> frozenset[str]:
        """Modules that kept events wait for, or will when Hub and Registry are there."""
        return frozenset(self._awaited)

    def missed(self, modules: Iterable[str]) -> None:
        """The Hub has died, and these were connected to it."""
        self._awaited.update(modules)

    def release(self) -> None:
        """Hub and Registry are there: kept events go out when those who are missed are back."""
        if not self._awaited:
            self._flush()
            return
        self._timer = asyncio.get_running_loop().call_later(RETURN_WITHIN, self._flush)

    def wait_no_more(self, module: str) -> None:
        """A module has said `module.ready` again, or will not."""
        self._awaited.discard(module)
        if self._holding and self._timer is not None and not self._awaited:
            self._flush()

    def publish(self, subject: str, data: Mapping[str, Any], *, at_once: bool = False) -> None:
        """Publish, now or when the Hub is back; `at_once` events do not wait and may be lost."""
        event = self._event(subject, data)
        if self.is_connected and (at_once or not self._holding):
            self._send(event, is_kept=not at_once)
        elif not at_once:
            self._keep([event])

    async def drained(self) -> None:
        """Wait a moment until the Hub has what was published."""
        if self._deliveries and self.is_connected:
            await asyncio.wait(self._deliveries, timeout=DRAINS_WITHIN)

    async def close(self) -> None:
        """End the connection."""
        if self._timer is not None:
            self._timer.cancel()
        if self._connection is not None:
            connection = self._connection
            self._hold()
            await connection.close()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._awaited.clear()
        # The Hub's word that it is ready may come in one piece with the acknowledgement for which
        # `connect` is waiting: then the connection is there a moment later.
        self._is_overdue = not self.is_connected
        if self._is_overdue:
            return
        self._holding = False
        if self._lost_events:
            lost, self._lost_events = self._lost_events, 0
            self._send(self._event("launcher.resync", {"lost": lost}))
        while self._kept:
            self._send(self._kept.popleft())

    def _keep(self, events: list[Event]) -> None:
        self._kept.extend(events)
        while len(self._kept) > KEPT_EVENTS:
            self._kept.popleft()
            self._lost_events += 1

    def _send(self, event: Event, *, is_kept: bool = True) -> None:
        """Hand an event to the connection; tasks begin in the order in which they are made."""
        assert self._connection is not None
        assert isinstance(event.event_id, str)
        if is_kept:
            self._unacknowledged[event.event_id] = event
        delivery = self._deliver(self._connection, event, is_kept=is_kept)
        task = asyncio.get_running_loop().create_task(delivery, name=f"publish {event.event}")
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _deliver(self, connection: HubConnection, event: Event, *, is_kept: bool) -> None:
        assert isinstance(event.event_id, str)
        try:
            if is_kept:
                await connection.publish_acked(event, timeout=ACKS_WITHIN)
            else:
                connection.publish(event)
        except Unavailable as away:
            if connection.is_open:  # it only takes long, and may still come
                _log.warning("event.unacknowledged subject=%s reason=%s", event.event, away)
            return
        except KiteError as refusal:
            _log.error("event.refused subject=%s reason=%s", event.event, refusal)
        self._unacknowledged.pop(event.event_id, None)

    def _event(self, subject: str, data: Mapping[str, Any]) -> Event:
        self._published += 1
        return Event(
            event=subject,
            event_id=f"launcher-{self._instance}-{self._published}",
            source="launcher",
            timestamp=now_rfc3339(),
            data=dict(data),
        )

    def _received(self, event: Event) -> None:
        if event.event in HEARD:
            self._on_event(event)
        if self._watch is not None:
            self._watch(event)

    def _lost(self, lost: Lost) -> None:
        self._hold()
        _log.info("hub.lost code=%s reason=%s", lost.code, lost.reason)
        self._on_lost()

    def _hold(self) -> None:
        """There is no connection: what is published from now on is kept."""
        self._connection = None
        self._holding = True
        self._is_overdue = False
        later = list(self._kept)
        self._kept.clear()
        self._keep([*self._unacknowledged.values(), *later])
        self._unacknowledged.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
