"""A hub and a registry within the process of a test: no socket, no port, the real frames.

They do what a module meets in ordinary life, durable subscriptions included: what modules publish is
one stream, from the beginning of the test. Permissions, limits, replays, resuming and slow consumers
are the real Hub's (`kite.testing.hub`).
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import UNSET

from kite.errors import RequestError, Unavailable
from kite.event_hub.core.envelope import Refused
from kite.sdk.connection import HubConnection, Lost
from kite.sdk.registry_client import RegistryClient
from kite.testing.loopback_durables import LoopbackDurables
from kite.wire.frame import (
    Ack,
    AckEvent,
    ClientFrame,
    Error,
    Event,
    NackEvent,
    Subscribe,
    TermEvent,
    Unsubscribe,
    encode,
)
from kite.wire.lookup import matching
from kite.wire.subject import matches

ENDPOINT = "ws://loopback/ws"
_decoder: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)


class LoopbackHub:
    """Carries events between the connections of one event loop.

    Attributes:
        events: all that has been published, in order.
        is_down: while true nobody can connect.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_down = False
        self._wires: dict[_Wire, dict[tuple[str, str | None], Subscribe]] = {}
        self._published = asyncio.Event()
        self._seen: set[tuple[Any, Any]] = set()
        self._durables = LoopbackDurables(self._bury)
        self._letters = 0
        self._numbers = itertools.count(1)

    async def connect(
        self,
        endpoint: str,  # noqa: ARG002  (as HubConnection.open)
        token: str,  # noqa: ARG002
        *,
        on_event: Callable[[Event], None],
        on_lost: Callable[[Lost], None] | None = None,
        timeout: float = 10.0,  # noqa: ARG002
        is_asked: bool = False,  # noqa: ARG002
    ) -> HubConnection:
        """What `HubConnection.open` does, without a network."""
        if self.is_down:
            raise Unavailable("not_ready", what="the event hub")
        connection = HubConnection(on_event, on_lost)
        wire = _Wire(self, connection, next(self._numbers))
        connection._goes_over(wire)
        self._wires[wire] = {}
        return connection

    def drop(self) -> None:
        """Break all connections, as when the Hub dies; what it knew of events is gone."""
        self._seen.clear()
        for wire in list(self._wires):
            wire.cut()

    async def heard(self, pattern: str, count: int, timeout: float) -> list[Event]:
        """Wait until so many events that match have been published; returns all of them.

        Raises:
            TimeoutError: with what had been published instead.
        """

        def found() -> list[Event]:
            return [event for event in self.events if matches(pattern, event.event)]

        try:
            async with asyncio.timeout(timeout):
                while len(found()) < count:
                    self._published.clear()
                    await self._published.wait()
        except TimeoutError:
            subjects = [event.event for event in self.events]
            raise TimeoutError(
                f"{count} x {pattern!r} within {timeout} s; got {subjects}"
            ) from None
        return found()

    def _parts_with(self, wire: _Wire) -> bool:
        """A connection ends; False when it had ended before."""
        if self._wires.pop(wire, None) is None:
            return False
        self._durables.leave(wire)
        return True

    def _received(self, wire: _Wire, text: bytes) -> None:
        frame: ClientFrame = _decoder.decode(text)
        match frame:
            case Subscribe(durable=str()):
                try:
                    wire.receive(self._durables.subscribe(wire, frame))
                except Refused as refused:
                    wire.receive(Error(code=refused.code, id=frame.id, params=refused.params))
            case Unsubscribe(durable=str(durable), id=name):
                self._durables.part(wire, durable, forget=frame.forget)
                wire.receive(Ack(id=name))
            case Subscribe(events=patterns, id=name):
                queue = None if frame.queue is UNSET else frame.queue
                for pattern in patterns:
                    self._wires[wire][pattern, queue] = frame
                wire.receive(Ack(id=name))
            case Unsubscribe(events=patterns, id=name):
                queue = None if frame.queue is UNSET else frame.queue
                for pattern in patterns:
                    self._wires[wire].pop((pattern, queue), None)
                wire.receive(Ack(id=name))
            case Event():
                self._route(wire, frame)
            case AckEvent() | NackEvent() | TermEvent():
                if (answer := self._durables.settle(wire, frame)) is not None:
                    wire.receive(answer)

    def _bury(self, subject: str, data: dict[str, Any]) -> None:
        self._letters += 1
        self._route(
            None,
            Event(event=subject, event_id=f"letter-{self._letters}", source="event_hub", data=data),
        )

    def _route(self, sender: _Wire | None, event: Event) -> None:
        key = (event.source, event.event_id)
        duplicate = key in self._seen
        self._seen.add(key)
        chosen = [] if duplicate else self._chosen(sender, event)
        for wire in chosen:
            wire.receive(event)
        if not duplicate:
            self.events.append(event)
            self._published.set()
            self._durables.published(event)
        if sender is None:
            return
        if event.reply_to is not UNSET and not chosen and not duplicate:
            sender.receive(
                Error(
                    code="no_responders", event_id=event.event_id, params={"subject": event.event}
                )
            )
        elif event.ack:
            sender.receive(Ack(event_id=event.event_id, delivered=len(chosen), duplicate=duplicate))

    def _chosen(self, sender: _Wire | None, event: Event) -> list[_Wire]:
        queues: dict[str, list[_Wire]] = {}
        chosen: dict[_Wire, None] = {}
        for wire, subscriptions in self._wires.items():
            for (pattern, queue), options in subscriptions.items():
                if not matches(pattern, event.event) or (wire is sender and not options.echo):
                    continue
                if queue is None:
                    chosen[wire] = None
                else:
                    queues.setdefault(queue, []).append(wire)
        for members in queues.values():
            chosen[random.choice(members)] = None  # noqa: S311  (any member will do)
        return list(chosen)


class _Wire:
    """What a `HubConnection` takes for its transport; frames cross it as bytes, in order."""

    close_handshake = None
    is_ready = True

    def __init__(self, hub: LoopbackHub, connection: HubConnection, number: int) -> None:
        self.number = number
        self._hub = hub
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._unsent = 0
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._task = self._loop.create_task(self._carry())
        self.underlying_transport = self

    def send(self, kind: object, frame: bytes) -> None:  # noqa: ARG002  (text is all there is)
        self._unsent += len(frame)
        self._outgoing.put_nowait(frame)

    def receive(self, frame: Event | Ack | Error) -> None:
        text = encode(frame)
        self._loop.call_soon(self._arrive, text)

    def send_close(self, code: object) -> None:  # noqa: ARG002
        self._outgoing.put_nowait(None)

    def cut(self) -> None:
        """The other end is gone, and it is noticed at once."""
        if self._hub._parts_with(self):
            self._task.cancel()
            self._connection._lost(self)

    def disconnect(self, graceful: bool = True) -> None:  # noqa: ARG002
        if self._hub._parts_with(self):
            self._task.cancel()
            self._loop.call_soon(self._connection._lost, self)

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def _arrive(self, text: bytes) -> None:
        if self in self._hub._wires:
            self._connection._received(text)

    async def _carry(self) -> None:
        while (frame := await self._outgoing.get()) is not None:
            self._unsent -= len(frame)
            self._hub._received(self, frame)
        if self._hub._parts_with(self):
            self._connection._lost(self)


class LoopbackRegistry(RegistryClient):
    """Keeps entries in memory and answers like the Registry.

    Attributes:
        entries: what is registered, by `module_id`.
        is_down: while true every call fails as when the Registry restarts.
        ttl: seconds that an entry is granted.
        changed: set whenever something is registered; a test may clear it.
    """

    can_be_followed = False

    def __init__(self, *, ttl: float = 30.0) -> None:
        super().__init__(0, "")
        self.entries: dict[str, dict[str, Any]] = {}
        self.is_down = False
        self.ttl = ttl
        self.changed = asyncio.Event()
        self._sessions = itertools.count(1)

    async def _call(self, method: str, path: str, body: Any = UNSET) -> Any:
        if self.is_down:
            raise Unavailable("unreachable", url=path, detail="the loopback registry is down")
        if path == "/get/event_hub.metadata.ws_endpoint":
            return ENDPOINT
        if method == "GET" and path.partition("?")[0] in ("/modules", "/lookup"):
            wanted = parse_qsl(urlsplit(path).query)
            return {"modules": matching(self.entries.values(), wanted)}
        if (method, path) == ("POST", "/modules"):
            return self._change(body)
        if path == "/tokens/session":
            return {
                "token": f"{next(self._sessions):064x}",
                "expires_at": "2100-01-01T00:00:00.000Z",
            }
        raise RequestError("not_found", path=path)

    def _change(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["module_id"]
        if body["action"] == "register":
            self.entries[name] = {key: value for key, value in body.items() if key != "action"}
            self.changed.set()
        elif name not in self.entries:
            raise RequestError("not_registered", module_id=name)
        return {"ok": True, "module_id": name, "ttl": self.ttl}
