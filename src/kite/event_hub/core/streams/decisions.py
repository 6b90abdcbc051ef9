"""What a durable subscription decides: the whole vocabulary, and the terms it decides by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Member(Protocol):
    """A connection that takes part."""

    @property
    def number(self) -> int: ...

    @property
    def is_ready(self) -> bool:
        """Whether its outbox has room."""
        ...


M = TypeVar("M", bound=Member)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed.

    Args:
        patterns: of the events that are wanted.
        ack_wait: seconds until an event that was not settled is due again.
        max_deliver: attempts before it is a dead letter.
        max_in_flight: events that are delivered and not settled, of all members together.
    """

    patterns: tuple[str, ...]
    ack_wait: float = 30.0
    max_deliver: int = 5
    max_in_flight: int = 256


@dataclass(frozen=True, slots=True)
class Deliver(Generic[M]):
    """Send an event to a member."""

    member: M
    seq: int
    payload: bytes
    attempt: int


@dataclass(frozen=True, slots=True)
class Bury:
    """Publish a dead letter; the event is settled. No payload: the stream has it no more."""

    seq: int
    payload: bytes | None
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read what is behind a sequence number, and (first of all) was kept since an instant."""

    after: int
    since: float | None = None


@dataclass(frozen=True, slots=True)
class FetchAgain:
    """Read these again."""

    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Missed:
    """The stream has not these any more."""

    first: int
    last: int


Action = Deliver[M] | Bury | Fetch | FetchAgain | Missed
