"""One client of the Hub: its connection on one side, its session with the switch on the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kite.event_hub.connection import Connection
from kite.event_hub.conversation import Line
from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.rights import Identity
from kite.event_hub.core.session import Session
from kite.event_hub.core.switch import Switch

if TYPE_CHECKING:
    from kite.event_hub.service import Hub


class Client:
    """What a connection of the Hub talks to.

    Attributes:
        session: set from the moment the handshake is done.
        identity: who it speaks for, with the rights of now.
    """

    def __init__(self, hub: Hub, identity: Identity) -> None:
        self._hub = hub
        self._switch: Switch = hub.switch
        self.identity = identity
        self.connection: Connection | None = None
        self._time = asyncio.get_running_loop().time
        self._is_in_batch = False
        self.session: Session | None = None

    def opened(self, connection: Line) -> None:
        """The handshake is done."""
        self.session = self._switch.open(self.identity, connection, self._time())
        connection.listener.lane = self.session.lane
        self._hub.opened(self)

    def message(self, payload: bytes, *, is_text: bool) -> None:  # noqa: ARG002
        """A whole message."""
        self._switch.receive(self._speaking(), payload)

    def refuse(self, refused: Refused) -> None:
        """A whole message that is wrong in itself."""
        self._switch.refuse(self._speaking(), refused)

    def _speaking(self) -> Session:
        """The session, in a batch."""
        session = self.session
        assert session is not None
        if not self._is_in_batch:
            self._is_in_batch = True
            self._switch.begin(session, self._time())
        return session

    def batch_ended(self) -> None:
        """All messages that had arrived together were handed over."""
        if self._is_in_batch:
            self._is_in_batch = False
            assert self.session is not None
            self._switch.end(self.session)

    def push(self, data: bytes) -> None:
        """Queue a control frame."""
        if self.session is not None:
            self._switch.push_control(self.session, data)

    def answered(self) -> None:
        """A pong has come."""
        self._hub.rollcall.answered(self)

    def writable(self) -> None:
        """The socket has taken everything that was written."""
        if self.session is not None:
            self._switch.writable(self.session, self._time())

    def leaving(self) -> None:
        """Nothing more comes from it, and what waits need not be sent."""
        if self.session is not None:
            self._switch.leave(self.session)
            self.session.outbox.discard()

    def flush(self) -> None:
        """Write what is queued."""
        if self.session is not None:
            self.session.outbox.flush()

    def is_flushed(self) -> bool:
        """Whether nothing is queued."""
        return self.session is None or self.session.outbox.is_empty

    @property
    def is_leaving(self) -> bool:
        """Whether it was told to go."""
        return self.session is not None and self.session.is_leaving

    def change_identity(self, identity: Identity) -> None:
        """The Registry's table has come anew."""
        if identity is not self.identity:
            self.identity = identity
            if self.session is not None:
                self._switch.change_identity(self.session, identity)

    def dismiss(self, code: int, reason: str) -> None:
        """Tell it to go, now."""
        if self.session is not None:
            self._switch.dismiss(self.session, code, reason)

    def abort(self) -> None:
        """End without ceremony."""
        if self.connection is not None:
            self.connection.abort()

    def closed(self) -> None:
        """It is gone."""
        if self.session is not None:
            self._switch.close(self.session)
        self._hub.closed(self)
