"""One WebSocket to the Event Hub: frames out, events in, refusals to whom they belong.

There is no reconnection here and no policy: whoever owns a connection decides what happens when it
is lost. The SDK's session, the Launcher, the Registry and the command line each own theirs.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import msgspec
import picows
from msgspec import UNSET

from kite.errors import Unavailable
from kite.sdk.awaited import Awaited
from kite.sdk.compiled import listener, make_frames
from kite.sdk.core.subscriptions import Durable
from kite.sdk.handshake import shake_hands
from kite.sdk.listener import Listener
from kite.sdk.outgoing import encode_event, subscribe_frame
from kite.wire.frame import (
    Ack,
    Error,
    Event,
    Gap,
    HubFrame,
    Overflow,
    Resume,
    Unsubscribe,
    decode_hub_frame,
    encode,
)

if TYPE_CHECKING:
    from kite.sdk.compiled.frames import Frames

_CLOSE_TIMEOUT = 1.0
_GATHERED_BYTES = 64 << 10
"""What is sent within one turn of the loop is written at its end, or when it is so much."""

_LONE_AFTER = 50e-6
"""A frame so many seconds after the one before is written at once: somebody may wait for it."""

ABNORMAL = 1006


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection ended.

    Args:
        code: the close code of the Hub, or 1006 when there was none (the peer vanished).
        reason: the Hub's words; may be empty.
        unsent: bytes that had not left this process; the events in them are gone.
        error: the error frame the Hub sent before it closed (`slow_consumer`), if it did.
    """

    code: int = ABNORMAL
    reason: str = ""
    unsent: int = 0
    error: Error | None = None


class HubConnection:
    """One connection to the Event Hub, made with `open`.

    All methods are for the event loop's own thread. `on_event` is called for one event after the
    other in the order in which the Hub sent them, and must not block; `on_lost` is called once,
    at the end, whoever ended it (also after `close`), and never from within `open`.

    Attributes:
        on_error: called with an error frame that nobody waits for: the refusal of an event that
            was published without an acknowledgement. It carries the `event_id`.
        on_dropped: called when the Hub has dropped events of `drop_oldest` subscriptions.
        on_gap: called when a stream has not kept what a durable subscription was still to get.
        routes: subjects whose events go straight to a function, with their size in bytes, and not
            to `on_event`.
        frame_size: bytes of the frame whose event `on_event` is being called with.
        ignored: frames that were no frames of the Hub's (of a newer version, say).
        missed: events that the Hub dropped, as its `gap` frames told.
        is_writable: whether what is published goes out, instead of piling up in this process.
    """

    def __init__(
        self, on_event: Callable[[Event], None], on_lost: Callable[[Lost], None] | None
    ) -> None:
        self.on_error: Callable[[Error], None] | None = None
        self.on_gap: Callable[[Gap], None] | None = None
        self.on_dropped: Callable[[Gap], None] | None = None
        self.routes: dict[str, Callable[[Event, int], None]] = {}
        self._listener: Any = Listener(self)
        self.frame_size = 0
        self.ignored = 0
        self.missed = 0
        self.is_writable = False
        self._on_event = on_event
        self._on_lost = on_lost
        self._transport: Any = None
        self._frames: Frames | None = None
        self._is_gathering = False
        self._sent_at = 0.0
        self._next_id = 0
        # No address: processes that are forked from one template have the same.
        self._name = secrets.token_hex(6)
        self._awaited = Awaited()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = asyncio.Event()
        self._last_error: Error | None = None

    @classmethod
    async def open(
        cls,
        endpoint: str,
        token: str,
        *,
        on_event: Callable[[Event], None],
        on_lost: Callable[[Lost], None] | None = None,
        timeout: float = 10.0,
        is_asked: bool = False,
    ) -> Self:
        """Connect and show the token.

        Args:
            endpoint: `ws://127.0.0.1:<port>/ws`.
            token: 64 hex digits.
            timeout: seconds for the whole of it.
            is_asked: whether the Hub is to ask for a sign of life even where it can see that this
                thread waits for events.

        Raises:
            PeerError: `unauthorized` (401: final for this token), `permission_denied` or
                `bad_origin` (403), `handshake_failed` (another answer).
            Unavailable: `not_ready` (503: try again), `unreachable` (nobody answers, in time).
        """
        connection = cls(on_event, on_lost)
        pure: Listener = connection._listener
        connection._listener = called = connection._called(pure)
        transport = await shake_hands(pure, called, endpoint, token, timeout, is_asked=is_asked)
        if connection._ended.is_set():
            raise Unavailable("unreachable", url=endpoint, detail="the connection was closed")
        connection._goes_over(transport)
        connection._frames = make_frames()
        return connection

    @property
    def last_event(self) -> Event | None:
        """The last event that came, whoever got it."""
        last: Event | None = self._listener.last
        return last

    def _called(self, pure: Listener) -> picows.WSListener:
        """What picows calls; who looks at payloads in `_received` keeps to the pure one."""
        return listener(pure, self)

    def _goes_over(self, transport: Any) -> None:
        self._transport = transport
        self.is_writable = self._writable.is_set()

    @property
    def is_open(self) -> bool:
        """Whether events can be published."""
        return self._transport is not None and not self._ended.is_set()

    async def subscribe(
        self,
        patterns: Sequence[str],
        *,
        queue: str | None = None,
        echo: bool = True,
        observe: bool = False,
        durable: Durable | None = None,
        overflow: Overflow = "hold",
        resume: Resume | bool = False,
        timeout: float = 10.0,
    ) -> Ack:
        """Ask for everything that matches one of the patterns; returns when the Hub has agreed.

        After that nothing that matches is missed. It is granted whole or refused whole; subscribing
        to the same pattern and queue again replaces the options.

        Args:
            queue: name of a queue group: each event goes to one member of it.
            echo: whether one's own events come too.
            observe: a spectator counts neither as responder nor in `delivered`.
            durable: take part in this durable subscription of a stream.
            overflow: `drop_oldest`: never hold publishers; what is dropped comes to `on_dropped`.
            resume: how far an earlier connection had heard; True: say from where it may be resumed.
            timeout: seconds until the answer.

        Returns:
            What the Hub says: with `resume`, the `epoch` and `position` from where the subscription
            may be resumed, and whether it was (`resumed`).

        Raises:
            RequestError: the Hub's refusal: `permission_denied`, `invalid_pattern`,
                `stream_unknown`, ….
            Unavailable: `connection_lost`, `unreachable` (no answer in time).
        """
        name = self._new_id()
        frame = subscribe_frame(
            name,
            patterns,
            queue=queue,
            echo=echo,
            observe=observe,
            durable=durable,
            overflow=overflow,
            resume=resume,
        )
        return await self._ask(name, encode(frame), timeout)

    async def unsubscribe(
        self,
        patterns: Sequence[str],
        *,
        queue: str | None = None,
        durable: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        """Ask for no more of it; not an error where there was no such subscription.

        Args:
            durable: leave this durable subscription; its place is kept.

        Raises:
            RequestError, Unavailable: as `subscribe`.
        """
        name = self._new_id()
        frame = Unsubscribe(
            events=list(patterns),
            id=name,
            queue=UNSET if queue is None else queue,
            durable=UNSET if durable is None else durable,
        )
        await self._ask(name, encode(frame), timeout)

    def publish(self, event: Event) -> None:
        """Send an event and go on: at most once, and a refusal comes to `on_error`.

        Nothing is filled in: who calls gives `event_id`, `source` and `timestamp` (or leaves them
        to the Hub). Await `drained` now and then when publishing much.

        Raises:
            RequestError: `event_too_large`.
            Unavailable: `connection_lost`.
        """
        self.send(encode_event(event))

    def send(self, frame: bytes) -> None:
        """Send a frame that is encoded already (`encode_event`).

        Raises:
            Unavailable: `connection_lost`.
        """
        if self._transport is None or self._ended.is_set():
            raise Unavailable("connection_lost")
        gathered = self._frames
        if gathered is None:
            self._transport.send(picows.WSMsgType.TEXT, frame)
            return
        gathered.add(frame)
        if self._is_gathering:
            if gathered.size > _GATHERED_BYTES:
                self._write()
            return
        now = time.monotonic()
        if now - self._sent_at > _LONE_AFTER:
            self._write()
        else:
            self._is_gathering = True
            asyncio.get_running_loop().call_soon(self._write_gathered)
        self._sent_at = now

    async def publish_acked(self, event: Event, *, timeout: float = 10.0) -> Ack:
        """Send an event and wait until the Hub has accepted it.

        Returns:
            The acknowledgement: `delivered` is the number of connections the event was queued for;
            `duplicate` says that the Hub had accepted this `event_id` before.

        Raises:
            RequestError: the Hub's refusal, `event_too_large`.
            Unavailable: `connection_lost` or `unreachable` (no answer in time): it may or may not
                have been accepted; sending the same `event_id` again is safe.
        """
        if not isinstance(event.event_id, str):
            event = msgspec.structs.replace(event, event_id=f"ack-{self._name}-{self._new_id()}")
        if not event.ack:
            event = msgspec.structs.replace(event, ack=True)
        assert isinstance(event.event_id, str)
        return await self._ask(event.event_id, encode_event(event), timeout)

    async def drained(self) -> None:
        """Wait until the write buffer is below its limit (at once when it is, or when all is over)."""
        self._write_gathered()
        await self._writable.wait()

    def _write_gathered(self) -> None:
        """Everything that was sent in this turn of the loop goes out in one write."""
        self._is_gathering = False
        self._write()

    def _write(self) -> None:
        if self._frames is not None and self._frames.size and self.is_open:
            self._transport.underlying_transport.write(self._frames.take())

    async def close(self) -> None:
        """End the connection in an orderly way; returns when it is gone."""
        if self._transport is None or self._ended.is_set():
            return
        self._write_gathered()
        self._transport.send_close(picows.WSCloseCode.OK)
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._ended.wait()
        except TimeoutError:
            self._transport.disconnect(False)
            await self._ended.wait()

    def abort(self) -> None:
        """End the connection at once, without a word."""
        if self._transport is not None and not self._ended.is_set():
            self._transport.disconnect(False)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    async def _ask(self, name: str | int, frame: bytes, timeout: float) -> Ack:
        self.send(frame)
        return await self._awaited.answer(name, timeout)

    def _received(self, payload: Any) -> None:
        try:
            frame = decode_hub_frame(payload)
        except (msgspec.DecodeError, RecursionError):
            self.ignored += 1
            return
        if isinstance(frame, Event):
            self._listener.last = frame
            if (route := self.routes.get(frame.event)) is not None:
                route(frame, len(payload))
                return
        self._heard(frame, len(payload))

    def _heard(self, frame: HubFrame, size: int) -> None:
        """What came, where no route leads further."""
        if isinstance(frame, Event):
            self.frame_size = size
            self._on_event(frame)
            return
        if isinstance(frame, Gap):
            if frame.stream is UNSET:
                self.missed += frame.missed
                if self.on_dropped is not None:
                    self.on_dropped(frame)
            elif self.on_gap is not None:
                self.on_gap(frame)
            return
        is_awaited = self._awaited.settle(frame)
        if isinstance(frame, Error):
            self._last_error = frame
            if not is_awaited and self.on_error is not None:
                self.on_error(frame)

    def _writable_is(self, writable: bool) -> None:
        self.is_writable = writable and self.is_open
        if writable:
            self._writable.set()
        else:
            self._writable.clear()

    def _lost(self, transport: Any) -> None:
        if self._ended.is_set():
            return
        handshake = transport.close_handshake
        received = handshake.recv if handshake is not None else None
        last = self._last_error
        gathered = 0 if self._frames is None else self._frames.size
        lost = Lost(
            code=int(received.code) if received is not None else ABNORMAL,
            reason=(received.reason or "") if received is not None else "",
            unsent=transport.underlying_transport.get_write_buffer_size() + gathered,
            error=last if last is not None and last.code == "slow_consumer" else None,
        )
        self._ended.set()
        self.is_writable = False
        self._writable.set()
        self._awaited.lose()
        if self._on_lost is not None and self._transport is not None:
            self._on_lost(lost)
