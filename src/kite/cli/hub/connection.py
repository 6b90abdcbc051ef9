"""The Event Hub, spoken to as the operator: for `events`, `pub`, `request` and `top`."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from kite.cli.control import Control
from kite.errors import KiteError, PeerError, Unavailable
from kite.sdk.connection import HubConnection, Lost
from kite.sdk.listener import Listener
from kite.wire.frame import Ack, Error, Event, Gap, Replay, Subscribe, encode

OPERATOR = "operator"
HUB_SECONDS = 20.0
"""How long an Event Hub that is being mended is waited for."""
RETRY_SECONDS = 0.25


class Seen(msgspec.Struct, frozen=True, kw_only=True, tag="event", tag_field="type", gc=False):
    """One event as it came: what a publisher chose freely is left undecoded.

    Attributes:
        event, source, timestamp, event_id, reply_to: as on the wire; empty when missing.
        data, headers, stream, seq: JSON; empty when missing.
    """

    event: str
    source: str = ""
    timestamp: str = ""
    event_id: str = ""
    reply_to: str = ""
    data: Raw = Raw()
    headers: Raw = Raw()
    stream: Raw = Raw()
    seq: Raw = Raw()


_decode = msgspec.json.Decoder(Seen | Ack | Error | Gap).decode


class OperatorConnection(HubConnection):
    """A connection that hands out events undecoded, so that they are shown as they were sent.

    Attributes:
        on_seen: called with each event and its frame, in order; must not block.
        on_missed: called with how many events are not coming: dropped by the Hub because too many
            waited here, or no longer kept by a stream.
    """

    on_seen: Callable[[Seen, bytes], None] | None = None
    on_missed: Callable[[int], None] | None = None

    async def watch(
        self,
        patterns: Sequence[str],
        *,
        queue: str | None = None,
        since: str | None = None,
        follow: bool = True,
    ) -> Ack:
        """Look on, without ever holding a publisher back: too much is dropped and told.

        Args:
            queue: take part in this queue group; without it one is a mere spectator.
            since: first what was kept from this instant on (RFC 3339); returns when that was read.
            follow: whether what comes afterwards is wanted too.

        Raises:
            RequestError: the Hub's refusal.
            Unavailable: `connection_lost`, `unreachable`.
        """
        name = self._new_id()
        frame = Subscribe(
            events=list(patterns),
            id=name,
            queue=UNSET if queue is None else queue,
            observe=queue is None,
            overflow="drop_oldest",
            replay=UNSET if since is None else Replay(since=since, follow=follow),
        )
        # History takes as long as there is much of it.
        return await self._ask(name, encode(frame), 10.0 if since is None else float("inf"))

    def _called(self, pure: Listener) -> Listener:
        """The pure listener, as the compiled one decodes events before anybody sees their frames."""
        return pure

    def _received(self, payload: Any) -> None:
        whole = bytes(payload)
        try:
            frame = _decode(whole)
        except (msgspec.DecodeError, RecursionError):
            self.ignored += 1
            return
        if isinstance(frame, Seen):
            if self.on_seen is not None:
                self.on_seen(frame, whole)
            return
        if isinstance(frame, Gap) and self.on_missed is not None:
            self.on_missed(frame.missed)
        self._heard(frame, len(whole))


async def connect(
    control: Control, *, on_lost: Callable[[], object] | None = None
) -> OperatorConnection:
    """A connection with the operator's token.

    A Hub that says 503 is asked again as `Retry-After` has it, for as long as Kite runs and at most
    20 s; one that is being restarted makes the connection wait by itself, as its socket stays.

    Raises:
        Unavailable: `not_ready` (status 4), or that Kite has ended (3).
    """
    endpoint = control.api.ws_endpoint or control.get("/launcher").json().get("ws_endpoint")
    if not endpoint:
        raise Unavailable("not_ready", what="event_hub")

    def lost(_how: Lost) -> None:
        if on_lost:
            on_lost()

    try:
        async with asyncio.timeout(HUB_SECONDS):
            while True:
                token = control.again().api.token
                try:
                    return await OperatorConnection.open(
                        endpoint,
                        token,
                        on_event=_nothing,
                        on_lost=lost,
                        timeout=HUB_SECONDS,
                    )
                except PeerError:
                    if control.again().api.token == token:
                        raise
                    # It was changed between the look and the knock.
                except Unavailable as later:
                    if later.code != "not_ready":
                        raise control.away(endpoint, str(later)) from None
                    control.get("/launcher")  # raises when Kite has ended
                    await asyncio.sleep(RETRY_SECONDS)
    except TimeoutError:
        raise Unavailable("not_ready", what="event_hub") from None


def _nothing(_event: Event) -> None:
    """Events go to `on_seen`."""


def new_id() -> str:
    """An event id that nobody else has."""
    return secrets.token_hex(12)


@contextlib.contextmanager
def interrupts(call: Callable[[], object]) -> Iterator[None]:
    """Call at Ctrl-C while the block runs. Where it is ignored, as under nohup, it stays so.

    For verbs that have something to say at their end; the others are ended by `KeyboardInterrupt`.
    """
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield
        return
    loop.add_signal_handler(signal.SIGINT, call)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


def run(work: Any) -> Any:
    """Run a coroutine to its end. A `KiteError` within a group of tasks comes out alone."""
    try:
        return asyncio.run(work)
    except* KiteError as group:
        problem: BaseException = group
        while isinstance(problem, BaseExceptionGroup):
            problem = problem.exceptions[0]
        raise problem from None
