"""What a client's HTTP request asks for, and how it shows its token. Pure: text in, a claim out."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha1
from urllib.parse import parse_qs

from kite.errors import RequestError
from kite.event_hub.core import cloudevents
from kite.wire import loop_thread
from kite.wire.loop_thread import LoopThread

PROTOCOL = "kite.v1"
_PROTOCOLS = (PROTOCOL, cloudevents.SUBPROTOCOL)
_TOKEN_PROTOCOL = "kite.token."
_VERSION = "13"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The head of an HTTP request.

    Args:
        method: as sent.
        target: path and query, as sent. It may hold a token: never logged, never echoed.
        headers: lower-case names and values, in the order sent.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0][:_SHOWN]

    @property
    def query(self) -> str:
        """What follows the first question mark."""
        return self.target.partition("?")[2]

    def all(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name]

    def words(self, name: str) -> list[str]:
        """The comma-separated words of a header, over all its lines."""
        return [
            word.strip() for value in self.all(name) for word in value.split(",") if word.strip()
        ]

    @property
    def is_upgrade(self) -> bool:
        """Whether it asks for a WebSocket."""
        return "websocket" in map(str.lower, self.words("upgrade")) and "upgrade" in map(
            str.lower, self.words("connection")
        )

    def check_upgrade(self) -> str:
        """The key of a valid WebSocket handshake.

        Raises:
            RequestError: `upgrade_required` or `bad_request`.
        """
        if not self.is_upgrade:
            raise RequestError("upgrade_required", path=self.path)
        if self.all("sec-websocket-version") != [_VERSION]:
            raise RequestError("upgrade_required", path=self.path)
        keys = self.all("sec-websocket-key")
        try:
            if len(keys) == 1 and len(b64decode(keys[0], validate=True)) == _KEY_BYTES:
                return keys[0]
        except ValueError:
            pass
        raise RequestError("bad_request", detail="'Sec-WebSocket-Key' is not 16 bytes in base64")

    def bearer(self) -> str | None:
        """The token of an `Authorization` header."""
        for value in self.all("authorization"):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer" and token.strip():
                return token.strip()
        return None

    def token(self) -> str | None:
        """The token as any client may show it: header, query parameter, subprotocol."""
        if (token := self.bearer()) is not None:
            return token
        for token in parse_qs(self.query).get("token", []):
            return token
        for word in self.words("sec-websocket-protocol"):
            if word.startswith(_TOKEN_PROTOCOL):
                return word[len(_TOKEN_PROTOCOL) :]
        return None

    def answers_pings(self) -> bool:
        """Whether the client says that it does; others are believed when they have."""
        return "yes" in self.words("kite-answers-pings")

    def loop_thread(self) -> LoopThread | None:
        """The thread whose event loop reads from the connection, where the client names it."""
        return next(map(LoopThread.parse, self.all(loop_thread.HEADER.lower())), None)

    def subprotocol(self) -> str | None:
        """The subprotocol that the Hub selects: the first one offered that it speaks."""
        offered = self.words("sec-websocket-protocol")
        return next((word for word in offered if word in _PROTOCOLS), None)

    def patterns(self) -> list[str]:
        """What the query asks to be subscribed to: `events`, any number of times."""
        return parse_qs(self.query, keep_blank_values=True).get("events", [])


def switching_protocols(request: Request) -> bytes:
    """The answer that makes a WebSocket of the connection.

    Raises:
        RequestError: `upgrade_required` or `bad_request`.
    """
    accept = sha1(request.check_upgrade().encode() + _GUID, usedforsecurity=False).digest()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: upgrade",
        f"Sec-WebSocket-Accept: {b64encode(accept).decode()}",
    ]
    if protocol := request.subprotocol():
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
