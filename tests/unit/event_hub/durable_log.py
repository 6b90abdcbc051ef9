"""A durable subscription over a stream that is a dictionary."""

from __future__ import annotations

from dataclasses import dataclass

from kite.event_hub.core.streams.decisions import (
    Action,
    Bury,
    Deliver,
    Fetch,
    FetchAgain,
    Missed,
    Terms,
)
from kite.event_hub.core.streams.durable import Durable


@dataclass(eq=False)
class Reader:
    number: int = 1
    is_ready: bool = True


class Log:
    """A stream that is a dictionary, and does at once what a durable asks of it."""

    def __init__(self, durable: Durable[Reader]) -> None:
        self.durable = durable
        self.events: dict[int, bytes] = {}
        self.last = 0
        self.delivered: list[tuple[Reader, int, int]] = []
        self.dead: list[tuple[int, int, str]] = []
        self.missed: list[tuple[int, int]] = []

    def publish(self, *payloads: bytes) -> None:
        first = self.last + 1
        for payload in payloads:
            self.last += 1
            self.events[self.last] = payload
        self.durable.arrived(first, list(payloads))

    def work(self, now: float) -> None:
        todo: list[Action[Reader]] = self.durable.work(now)
        while todo:
            action = todo.pop(0)
            match action:
                case Deliver():
                    assert self.events.get(action.seq, action.payload) == action.payload
                    self.delivered.append((action.member, action.seq, action.attempt))
                case Bury():
                    self.dead.append((action.seq, action.attempts, action.reason))
                case Missed():
                    self.missed.append((action.first, action.last))
                case Fetch():
                    found = [pair for pair in sorted(self.events.items()) if pair[0] > action.after]
                    through = found[2][0] if len(found) > 3 else self.last
                    self.durable.fetched(found[:3], through)
                    todo += self.durable.work(now)
                case FetchAgain():
                    found = [(seq, self.events[seq]) for seq in action.seqs if seq in self.events]
                    self.durable.picked(action.seqs, found, max(action.seqs))
                    todo += self.durable.work(now)


def make(**terms: float) -> tuple[Log, Reader]:
    durable: Durable[Reader] = Durable(
        Terms(patterns=(">",), **terms),  # type: ignore[arg-type]
        lambda payload: payload != b"other",
        position=0,
        last=0,
    )
    reader = Reader()
    durable.join(reader)
    return Log(durable), reader
