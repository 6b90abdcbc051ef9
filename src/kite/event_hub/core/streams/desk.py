"""One durable subscription at the stream it reads, and as it lies in the file."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.decisions import Bury, Deliver, Terms
from kite.event_hub.core.streams.durable import Durable
from kite.event_hub.core.streams.stream import Stream, marked
from kite.event_hub.core.websocket import text

Name = tuple[str, str]
"""A durable subscription belongs to a module, and has a name there."""


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A durable subscription as it lies in the file.

    Args:
        open: attempts by sequence number.
        dead: of these, why they were given up; their dead letters are not published yet.
        since: where it begins, while that has not been looked up.
    """

    stream: str
    patterns: tuple[str, ...]
    position: int
    ack_wait: float
    max_deliver: int
    max_in_flight: int
    open: dict[int, int] = {}
    dead: dict[int, str] = {}
    since: float | None = None


decode_state = msgspec.json.Decoder(State).decode
"""A state from the file. Raises `msgspec.DecodeError`."""


@dataclass(slots=True, eq=False)
class Desk:
    """One durable subscription and the stream it reads."""

    name: Name
    stream: Stream
    durable: Durable[Session]

    @classmethod
    def restored(cls, name: Name, stream: Stream, state: State) -> Desk:
        """As an earlier life of the Hub left it."""
        last = stream.extent.last
        terms = Terms(
            patterns=state.patterns,
            ack_wait=state.ack_wait,
            max_deliver=state.max_deliver,
            max_in_flight=state.max_in_flight,
        )
        durable: Durable[Session] = Durable(
            terms,
            stream.filter(terms.patterns),
            # A file that lost its end gives these numbers again: what gets them is new.
            position=min(state.position, last),
            last=last,
            since=state.since,
            open={seq: attempts for seq, attempts in state.open.items() if seq <= last},
            dead=state.dead,
        )
        return cls(name, stream, durable)

    def state(self) -> bytes:
        """As it is written."""
        durable, terms = self.durable, self.durable.terms
        return msgspec.json.encode(
            State(
                stream=self.stream.name,
                patterns=terms.patterns,
                position=durable.position,
                ack_wait=terms.ack_wait,
                max_deliver=terms.max_deliver,
                max_in_flight=terms.max_in_flight,
                open=durable.open(),
                dead=durable.dead(),
                since=durable.since,
            )
        )

    def copy(self, deliver: Deliver[Session]) -> bytes:
        """The event as a member gets it."""
        mark = b'"stream":%b,"seq":%d,"durable":%b,"attempt":%d,' % (
            self.stream.json_name,
            deliver.seq,
            msgspec.json.encode(self.name[1]),
            deliver.attempt,
        )
        return text(marked(deliver.payload, mark))

    def letter(self, bury: Bury) -> dict[str, object]:
        """The data of a dead letter."""
        module, name = self.name
        return {
            "module_id": module,
            "durable": name,
            "stream": self.stream.name,
            "seq": bury.seq,
            "attempts": bury.attempts,
            "reason": bury.reason,
            "event": None if bury.payload is None else msgspec.Raw(bury.payload),
        }
