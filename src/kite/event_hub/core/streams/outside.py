"""What those who read streams need of the Hub, and the frames with which they tell of gaps."""

from __future__ import annotations

from typing import Protocol

from msgspec import UNSET

from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.decisions import Missed
from kite.event_hub.core.streams.jobs import Pick, Read
from kite.event_hub.core.streams.replay import Replay
from kite.event_hub.core.websocket import text
from kite.wire.frame import Gap, encode


class Outside(Protocol):
    """The Hub."""

    def push(self, session: Session, chunk: bytes, events: int) -> None:
        """Queue frames for a connection."""
        ...

    def refuse(self, session: Session, refused: Refused) -> None:
        """Tell a connection what cannot be, after all."""
        ...

    def read(self, job: Read | Pick) -> None:
        """Hand a job to the disk."""
        ...

    def bury(self, name: str, data: dict[str, object]) -> None:
        """Publish a dead letter of the durable of this name."""
        ...

    def finished(self, replay: Replay, failure: str) -> None:
        """A replay has read everything, or can read no more."""
        ...


def gap(missed: Missed, stream: str, durable: str | None = None) -> bytes:
    """The frame that tells of events that a stream has not any more."""
    frame = Gap(
        stream=stream,
        first=missed.first,
        last=missed.last,
        missed=missed.last - missed.first + 1,
        durable=UNSET if durable is None else durable,
    )
    return text(encode(frame))
