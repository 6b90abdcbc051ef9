"""Who listens to a connection, and what they see of it."""

from __future__ import annotations

from typing import Any, Protocol

from kite.event_hub.core.session import Wire


class Line(Wire, Protocol):
    """A connection as far as who listens to it reaches.

    Attributes:
        listener: what picows calls; it may be given a lane.
    """

    listener: Any


class Conversation(Protocol):
    """Who listens to a connection: the Hub, or an echo in the tests of the protocol."""

    def opened(self, connection: Line) -> None:
        """The handshake is done."""
        ...

    def message(self, payload: bytes, *, is_text: bool) -> None:
        """A whole message; text is valid UTF-8."""
        ...

    def batch_ended(self) -> None:
        """All messages that had arrived together were handed over."""
        ...

    def push(self, data: bytes) -> None:
        """Queue a control frame behind what was queued before."""
        ...

    def answered(self) -> None:
        """A pong has come."""
        ...

    def writable(self) -> None:
        """The socket has taken everything that was written."""
        ...

    def leaving(self) -> None:
        """The connection ends: nothing more comes from it, and what waits need not be sent."""
        ...

    def flush(self) -> None:
        """Write what is queued."""
        ...

    def is_flushed(self) -> bool:
        """Whether nothing is queued."""
        ...

    def closed(self) -> None:
        """It is gone."""
        ...
