"""What goes to the disk in one transaction, and what has become of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from kite.event_hub.core.envelope import Incoming
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.jobs import Append
from kite.wire.frame import Ack


class Item(msgspec.Struct, frozen=True, gc=False):  # made in C, and part of no cycle
    """An event on its way.

    Args:
        session: who published it; None is the Hub.
        subject: its subject.
        payload: its bytes; empty for a repeat, which is only acknowledged.
        event_id: its id.
        ack: whether its publisher wants to know.
        frame: the event as it was read; None for the Hub's own.
        stream: the (first) stream that keeps it; empty where none does.
        place: its place among what goes to that stream.
        is_told: the Hub's own, that was passed on when the disk refused it: it is kept later.
    """

    session: Session | None
    subject: str
    payload: bytes
    event_id: str
    ack: bool
    frame: Incoming | None
    stream: str
    place: int
    is_told: bool = False


class Portion:
    """What goes into one stream.

    Attributes:
        payloads: the events' bytes, in order.
        sources: the modules they come from.
    """

    __slots__ = ("_speaker", "payloads", "sources")

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.sources: set[str] = set()
        self._speaker: object = self

    def add(self, session: Session | None, payload: bytes) -> int:
        """An event of a connection, or (None) of the Hub; returns its place."""
        if session is not self._speaker:
            self._speaker = session
            self.sources.add("event_hub" if session is None else session.name)
        payloads = self.payloads
        payloads.append(payload)
        return len(payloads) - 1


class Confirm(NamedTuple):
    """A word to a connection that its settlement is on the disk."""

    session: Session
    ack: Ack


class Batch(NamedTuple):
    """What has become of a transaction.

    Args:
        items: in the order in which they were published.
        confirms: settlements that were written with it.
        firsts: the sequence number of the first event, by stream.
        appends: what was written.
        failure: why it was not.
    """

    items: Sequence[Item]
    confirms: Sequence[Confirm]
    firsts: Mapping[str, int]
    appends: tuple[Append, ...]
    failure: str
