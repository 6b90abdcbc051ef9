"""Durable subscriptions of a loopback hub: it keeps what modules publish in memory, as one stream,
and what becomes of each event is decided by the real Hub's own core."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, assert_never

import msgspec
from msgspec import UNSET

from kite.event_hub.core.streams.decisions import Action, Bury, Deliver, Fetch, FetchAgain, Missed
from kite.event_hub.core.streams.durable import Durable
from kite.event_hub.core.streams.jobs import Extent
from kite.event_hub.core.streams.requests import durable_name, start_of, terms_of
from kite.event_hub.core.streams.stream import Stream
from kite.event_hub.limits import StreamConfig
from kite.wire.frame import (
    Ack,
    AckEvent,
    Error,
    Event,
    NackEvent,
    Settlement,
    Subscribe,
    TermEvent,
    encode,
)
from kite.wire.subject import is_reserved

STREAM = "loopback"
"""The name of the stream, where a module names none."""

_decode = msgspec.json.Decoder(Event).decode


class Wire(Protocol):
    """One end of a loopback connection."""

    @property
    def number(self) -> int: ...
    @property
    def is_ready(self) -> bool: ...
    def receive(self, frame: Event | Ack | Error) -> None:
        """Hand a frame to the connection."""
        ...


class LoopbackDurables:
    """All durable subscriptions of one hub.

    Args:
        bury: publishes a dead letter: its subject and its data.
    """

    def __init__(self, bury: Callable[[str, dict[str, Any]], None]) -> None:
        self._bury = bury
        self._kept: list[bytes] = []
        self._kept_at: list[float] = []
        self._all: dict[str, tuple[Stream, Durable[Wire]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def published(self, event: Event) -> None:
        """An event is kept, but for answers and words about modules' lives."""
        if is_reserved(event.event) or event.event.startswith("_"):
            return
        self._kept.append(encode(msgspec.structs.replace(event, ack=False)))
        self._kept_at.append(_seconds(event))
        for _, durable in self._all.values():
            durable.arrived(len(self._kept), self._kept[-1:])
        self._work()

    def subscribe(self, wire: Wire, frame: Subscribe) -> Ack:
        """Take part in a durable subscription.

        Raises:
            Refused: as the Hub does.
        """
        name, terms = durable_name(frame), terms_of(frame)
        if name in self._all:
            stream, durable = self._all[name]
            durable.agree(terms, stream.filter(terms.patterns))
        else:
            extent = Extent(last=len(self._kept))
            label = STREAM if frame.stream is UNSET else frame.stream
            stream = Stream(label, StreamConfig(subjects=[">"]), extent)
            position, since = start_of(frame, stream)
            durable = Durable(
                terms,
                stream.filter(terms.patterns),
                position=position,
                last=extent.last,
                since=since,
            )
            self._all[name] = stream, durable
        durable.join(wire)
        asyncio.get_running_loop().call_soon(self._work)  # behind the ack
        return Ack(id=frame.id, stream=stream.name, seq=durable.position)

    def part(self, wire: Wire, name: str, *, forget: bool) -> None:
        """Take part no longer, or end the durable."""
        if name in self._all:
            self._all[name][1].retire(wire)
            if forget:
                del self._all[name]

    def leave(self, wire: Wire) -> None:
        """A connection is gone."""
        for _, durable in self._all.values():
            durable.leave(wire)
        self._work()

    def settle(self, wire: Wire, frame: Settlement) -> Ack | Error | None:
        """Something has become of an event; returns the answer where one is wanted."""
        if frame.durable not in self._all:
            return Error(code="durable_unknown", id=frame.id, params={"durable": frame.durable})
        durable, now = self._all[frame.durable][1], asyncio.get_running_loop().time()
        match frame:
            case AckEvent():
                durable.settle(frame.seq)
            case NackEvent():
                durable.refuse(frame.seq, now, by=wire, delay=frame.delay, reason=frame.reason)
            case TermEvent():
                durable.give_up(frame.seq, frame.reason)
        self._work()
        return None if frame.id is UNSET else Ack(id=frame.id, seq=frame.seq)

    def _work(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        deadline = math.inf
        for name, (stream, durable) in list(self._all.items()):
            todo = durable.work(loop.time())
            while todo:
                for action in todo:
                    self._perform(name, stream, durable, action)
                todo = durable.work(loop.time())
            deadline = min(deadline, durable.next_deadline() or math.inf)
        if deadline < math.inf:
            self._timer = loop.call_at(deadline, self._work)

    def _perform(
        self, name: str, stream: Stream, durable: Durable[Wire], action: Action[Wire]
    ) -> None:
        match action:
            case Deliver():
                event = msgspec.structs.replace(
                    _decode(action.payload),
                    stream=stream.name,
                    seq=action.seq,
                    durable=name,
                    attempt=action.attempt,
                )
                action.member.receive(event)
            case Fetch(after, since):
                records = [
                    (seq, payload)
                    for seq, (payload, at) in enumerate(
                        zip(self._kept, self._kept_at, strict=True), 1
                    )
                    if seq > after and (since is None or at >= since)
                ]
                durable.fetched(records, len(self._kept))
            case FetchAgain(seqs):
                durable.picked(seqs, [(seq, self._kept[seq - 1]) for seq in seqs], seqs[-1])
            case Bury():
                letter = {
                    "durable": name,
                    "stream": stream.name,
                    "seq": action.seq,
                    "attempts": action.attempts,
                    "reason": action.reason,
                    "event": msgspec.json.decode(action.payload or b"null"),
                }
                self._bury(f"_dead.{name}", letter)
            case Missed():
                raise AssertionError("everything is kept")
            case _:
                assert_never(action)


def _seconds(event: Event) -> float:
    if event.timestamp is UNSET:
        return 0.0
    return datetime.fromisoformat(event.timestamp).timestamp()
