"""One WebSocket: frames in, reassembled and checked; bytes out; and an end that reaches the peer.

picows parses frames, and hands them to a listener: the pure one below, or the compiled one, which
lets plain events pass by. It is handed this connection's `Way` in place of the real transport, so that
what it wants to send or close by itself (for broken framing) goes the same way as everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from kite.event_hub.conversation import Conversation
from kite.event_hub.core.attendance import Heard
from kite.event_hub.core.websocket import close, pong
from kite.event_hub.drain import Drain
from kite.event_hub.fragments import Fragments, TooBig
from kite.event_hub.intake import Intake
from kite.wire.loop_thread import LoopThread

_CONTINUATION = WSMsgType.CONTINUATION
_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY
_PING = WSMsgType.PING
_PONG = WSMsgType.PONG
_CLOSE = WSMsgType.CLOSE

_ANSWER = 1.0
"""Seconds the peer has to answer our close frame once it is with the socket."""

PROTOCOL_ERROR = 1002
UNSUPPORTED = 1003
INVALID_TEXT = 1007
TOO_BIG = 1009
INTERNAL_ERROR = 1011

_log = logging.getLogger("kite.event_hub")


def is_close_code(code: int) -> bool:
    """Whether a peer may close with it (RFC 6455, 7.4; 1004 to 1006 and 1015 are never sent)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


class Listener(WSListener):
    """What picows calls."""

    lane: Any = None

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def on_ws_connected(self, transport: WSTransport) -> None:  # noqa: ARG002
        self._connection.opened()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002
        self._connection.received(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        self._connection.lost()

    def pause_writing(self) -> None:
        """Known already: `Connection.write` has told."""

    def resume_writing(self) -> None:
        self._connection.resume_writing()


class Connection:
    """The shell around one socket.

    Args:
        tcp: the transport.
        conversation: who listens.
        max_bytes: of a message, reassembled.
        farewell: seconds for the peer to read that it is to go.
        allow_binary: whether binary messages are handed over; else they close with 1003.
        listener: makes what picows calls.

    Attributes:
        listener: for picows.
        intake: its input, once it is past the door.
        answers_pings: whether the client has said that it does.
        loop: the thread whose event loop reads from it, where the client has said.
    """

    def __init__(
        self,
        tcp: asyncio.Transport,
        conversation: Conversation,
        *,
        max_bytes: int,
        farewell: float,
        allow_binary: bool = False,
        listener: Callable[[Connection], Any] = Listener,
    ) -> None:
        self.listener = listener(self)
        self.intake: Intake | None = None
        self.answers_pings = False
        self.loop: LoopThread | None = None
        self._tcp = tcp
        self._conversation = conversation
        self._farewell = farewell
        self._allow_binary = allow_binary
        self._fragments = Fragments(max_bytes)
        self._is_closing = False  # our close frame is queued
        self._is_drained = False  # the input means nothing any more
        self._ends_when_flushed = False
        self._is_open = False
        self._is_gone = False
        self._is_held = False
        self._is_waiting_for_close = False
        self._timer: asyncio.TimerHandle | None = None
        # With no room at all in the transport's buffer, one write at a time is outstanding and
        # everything else waits in the outbox, where it is counted.
        tcp.set_write_buffer_limits(high=0)

    def interpose(self, between: Callable[[Any], Conversation]) -> None:
        """Put something between this connection and who listens, before it is open."""
        self._conversation = between(self._conversation)

    # ── the listener ────────────────────────────────────────────────────────────────────────

    def opened(self) -> None:
        """The handshake is done. A new parser on the same connection says so again."""
        if not self._is_open:
            self._is_open = True
            self._conversation.opened(self)

    def batch_ended(self) -> None:
        """The last frame of those that had arrived together has passed on the lane."""
        self._conversation.batch_ended()

    def received(self, frame: WSFrame) -> None:
        """A frame that did not pass on a lane."""
        if self._is_closing:
            if frame.msg_type == _CLOSE:
                self._end()
            elif frame.last_in_buffer:
                self._conversation.batch_ended()  # what was heard before the end counts
            return
        try:
            if frame.msg_type == _TEXT and frame.fin and not self._fragments.is_open:
                payload = frame.get_payload_as_bytes()
                if not payload.isascii():
                    payload.decode()
                if frame.rsv1 or frame.rsv2 or frame.rsv3:
                    self.fail(PROTOCOL_ERROR, "a reserved bit is set")
                else:
                    self._conversation.message(payload, is_text=True)
            else:
                self._other(frame)
            if frame.last_in_buffer:
                self._conversation.batch_ended()
        except UnicodeDecodeError:
            self.fail(INVALID_TEXT, "the text is not valid UTF-8")
        except Exception:  # noqa: BLE001 (a session's edge: nothing a client sends ends the Hub)
            _log.exception("connection.failed")
            self.fail(INTERNAL_ERROR, "internal error")

    def resume_writing(self) -> None:
        """The socket has taken everything that was written."""
        if not self._is_gone:
            self._conversation.writable()
            self._end_if_flushed()

    # ── frames ──────────────────────────────────────────────────────────────────────────────

    def _other(self, frame: WSFrame) -> None:
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.fail(PROTOCOL_ERROR, "a reserved bit is set")
        elif kind == _PING:
            self._conversation.push(pong(frame.get_payload_as_bytes()))
        elif kind == _PONG:
            self._conversation.answered()
        elif kind == _CLOSE:
            self._answer_close(frame)
        elif kind == _CONTINUATION:
            if self._fragments.is_open:
                self._add(frame)
            else:
                self.fail(PROTOCOL_ERROR, "a continuation of nothing")
        elif kind in (_TEXT, _BINARY):
            if self._fragments.is_open:
                self.fail(PROTOCOL_ERROR, "a message began within another")
            elif kind == _BINARY and not self._allow_binary:
                self.fail(UNSUPPORTED, "frames are text")
            else:
                self._fragments.begin(is_text=kind == _TEXT)
                self._add(frame)

    def _add(self, frame: WSFrame) -> None:
        try:
            whole = self._fragments.add(frame.get_payload_as_bytes(), is_last=frame.fin)
        except TooBig:
            self.fail(TOO_BIG, "the message is too big")
            return
        if whole is not None:
            self._conversation.message(whole, is_text=self._fragments.are_text)

    def _answer_close(self, frame: WSFrame) -> None:
        code = (
            None
            if frame.payload_size < 2
            else int.from_bytes(frame.get_payload_as_bytes()[:2], "big")
        )
        if code is not None and not is_close_code(code):
            self.fail(PROTOCOL_ERROR, f"{code} is no code to close with")
            return
        self._conversation.batch_ended()
        self._conversation.leaving()
        self._begin_closing(close(code))
        self._end()

    @property
    def unfinished(self) -> int:
        """Bytes of a fragmented message that have come so far."""
        return self._fragments.size

    def heard(self) -> Heard:
        """What has come since this was last asked."""
        intake = self.intake
        if intake is None or self._is_held or self._is_closing:
            return Heard.UNKNOWN
        was_quiet, intake.is_quiet = intake.is_quiet, True
        return Heard.NOTHING if was_quiet else Heard.SOMETHING

    # ── the way out ─────────────────────────────────────────────────────────────────────────

    def write(self, data: bytes | memoryview) -> int:
        """Send; returns how many bytes the socket has not taken yet."""
        tcp = self._tcp
        if tcp.is_closing():
            return len(data)
        tcp.write(data)
        return tcp.get_write_buffer_size()

    def unsent(self) -> int:
        """Bytes that were written and the socket has not taken."""
        return self._tcp.get_write_buffer_size()

    def pause(self) -> None:
        """Read no more for now."""
        if not self._is_held and not self._tcp.is_closing():
            self._is_held = True
            self._tcp.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._is_held:
            self._is_held = False
            if not self._tcp.is_closing():
                self._tcp.resume_reading()

    def finish(self, code: int, reason: str) -> None:
        """Send a close frame behind what is queued; wait for the peer's, for a while."""
        self._begin_closing(close(code, reason))

    def fail(self, code: int, reason: str) -> None:
        """The peer broke the protocol: close, and throw away what it still sends."""
        if not self._is_closing:
            self._drain()
            self._break_off(close(code, reason))

    def sent_by_parser(self, frame: bytes) -> None:
        """A close frame for broken framing: what comes from here on means nothing.

        The parser looks one frame ahead: only after this does it hand over the last whole frame.
        """
        if not self._is_closing and not self._is_drained:
            self._drain()
            asyncio.get_running_loop().call_soon(self._break_off, frame)

    def abort(self) -> None:
        """End without ceremony."""
        self._tcp.abort()

    def lost(self) -> None:
        """The socket is gone."""
        if not self._is_gone:
            self._is_gone = self._is_closing = True
            self.intake = None  # each knows the other: it would wait for the collector
            if self._timer is not None:
                self._timer.cancel()
            self._fragments.clear()
            self._conversation.closed()

    def _drain(self) -> None:
        # Closing a socket that has unread input resets the connection, and the peer would never
        # see why: so what it still sends is read and thrown away until it goes, or time is up.
        if not self._is_drained:
            self._is_drained = True
            self.intake = None  # which holds what it has read
            self._tcp.set_protocol(
                Drain(asyncio.get_running_loop(), self._tcp, self.lost, self.resume_writing)
            )

    def _break_off(self, frame: bytes) -> None:
        if not self._is_closing:
            self._conversation.batch_ended()  # what was heard before the end counts
            self._conversation.leaving()
            self._begin_closing(frame)

    def _begin_closing(self, frame: bytes) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._fragments.clear()
        self.resume()
        self._timer = asyncio.get_running_loop().call_later(self._farewell, self.abort)
        self._conversation.push(frame)
        self._conversation.flush()
        self._end_if_flushed()

    def _end(self) -> None:
        self._ends_when_flushed = True
        self._end_if_flushed()

    def _end_if_flushed(self) -> None:
        """Once the socket has our close frame, the peer's is waited for only a moment."""
        if not self._is_closing or self._is_gone or not self._conversation.is_flushed():
            return
        if self._ends_when_flushed:
            self._tcp.close()
        elif self._timer is not None and not self._is_waiting_for_close:
            self._is_waiting_for_close = True
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(_ANSWER, self._tcp.close)
            if self._is_drained and not self._tcp.is_closing():
                # Its close frame would not be seen: it need not wait either. asyncio's own
                # transport raises where the peer has gone in this very moment.
                with contextlib.suppress(OSError):
                    self._tcp.write_eof()
