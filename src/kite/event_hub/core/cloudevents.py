"""Between a client that speaks CloudEvents and the Hub, which goes on seeing Kite's own frames."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

import msgspec
from msgspec import UNSET

from kite.errors import RequestError
from kite.event_hub.core.envelope import Refused
from kite.event_hub.core.shape import repeated_key
from kite.event_hub.core.websocket import leading_frames, text
from kite.wire.attributes import text_of
from kite.wire.cloudevents import (
    Fields,
    event_id_of,
    from_cloudevent,
    id_of,
    members_of,
    to_cloudevent,
)
from kite.wire.frame import Subscribe, encode
from kite.wire.limits import MAX_FRAME_BYTES

SUBPROTOCOL: Final = "cloudevents.json"
FROM_URL: Final = "events"
"""The `id` of the subscription that stands in the address."""

_FIN_TEXT = 0x81
_encode = msgspec.json.Encoder().encode
_OF_KITE: Final = frozenset({"event", "subscribe", "unsubscribe", "ack", "nack", "term"})


@dataclass(frozen=True, slots=True)
class Spoken:
    """A run of frames in the client's words.

    Args:
        data: what goes out.
        size: bytes of the Hub's own words.
        ends: where each frame ends in the Hub's words, and in the client's.
    """

    data: bytes
    size: int
    ends: tuple[tuple[int, int], ...]

    def left(self, unsent: int) -> int:
        """Bytes of the frames, in the Hub's words, of which something was not sent."""
        if not unsent:
            return 0
        sent = len(self.data) - unsent
        done = [end for end, own in takewhile(lambda ends: ends[1] <= sent, self.ends)]
        return self.size - (done[-1] if done else 0)

    def share(self, unsent: int) -> int:
        """The same to the byte, for who measures how fast it goes: about."""
        return self.size * unsent // len(self.data) if unsent else 0


class Interpreter:
    """For one connection.

    Args:
        module: whose it is.
        patterns: what the address asks for.
    """

    def __init__(self, module: str, patterns: list[str]) -> None:
        self._module = module
        self._patterns = patterns
        self._awaits_own = bool(patterns)

    def greeting(self) -> bytes | None:
        """What the client has said by its address. Its ack is kept from it: a client that knows
        CloudEvents alone could make nothing of it."""
        if not self._patterns:
            return None
        return encode(Subscribe(events=self._patterns, id=FROM_URL))

    def hear(self, payload: bytes) -> bytes:
        """What a client says, as the Hub is to hear it.

        A CloudEvent becomes an event. What is no JSON object, is too deep or names a key twice is
        left as it is: the Hub knows how to refuse it. So is what has no `specversion`.

        Raises:
            Refused: with what is wrong with the CloudEvent.
        """
        try:
            members = members_of(payload)
        except (msgspec.DecodeError, RecursionError):
            return payload
        if "specversion" not in members and _text(members, "type") in _OF_KITE:
            return _resuming(members) if members.get("resume", b"")[:1] == b"{" else payload
        if "specversion" not in members and not members.keys() & {"id", "source"}:
            return payload
        if _is_long(members, payload) and repeated_key(payload):
            return payload
        try:
            frame = from_cloudevent(members, self._module)
        except RequestError as wrong:
            mark: Any = _text(members, "id") or UNSET
            raise Refused(wrong.code, event_id=mark, **wrong.params) from None
        if len(frame) > MAX_FRAME_BYTES:
            subject, size = _text(members, "type") or "", len(frame)
            mark = _text(members, "id") or UNSET
            raise Refused(
                "event_too_large", event_id=mark, subject=subject, size=size, limit=MAX_FRAME_BYTES
            )
        return frame

    def say(self, run: bytes | memoryview) -> Spoken:
        """A run of the Hub's frames as the client is to get them."""
        said: list[bytes] = []
        ends: list[tuple[int, int]] = []
        start = own = 0
        while start < len(run):
            size, _ = leading_frames(run[start:], 1)
            frame = bytes(run[start : start + size])
            if frame[0] == _FIN_TEXT:
                frame = self._say_one(frame)
            said.append(frame)
            start += size
            own += len(frame)
            ends.append((start, own))
        return Spoken(b"".join(said), len(run), tuple(ends))

    def _say_one(self, frame: bytes) -> bytes:
        head = {126: 4, 127: 10}.get(frame[1], 2)
        members = members_of(frame[head:])
        match _text(members, "type"):
            case "event":
                return text(to_cloudevent(members))
            case "ack" if self._awaits_own and _text(members, "id") == FROM_URL:
                self._awaits_own = False
                return b""
        if (event_id := _text(members, "event_id")) is None:
            return frame
        # The client knows the event by its CloudEvents id.
        return text(_object(members | {"event_id": _encode(id_of(event_id))}))


def _resuming(members: Fields) -> bytes:
    """A subscription that goes on after a CloudEvent, which the client knows by its own words."""
    resume = members_of(members["resume"])
    told, name = _text(resume, "source"), _text(resume, "event_id")
    if told is not None and name is not None:
        source = text_of(resume.pop("kitesource", None)) or told
        known = event_id_of(name, told, source)
        resume |= {"source": _encode(source), "event_id": _encode(known)}
    return _object(members | {"resume": _object(resume)})


def _text(members: Fields, name: str) -> str | None:
    return text_of(members.get(name))


def _object(members: Fields) -> bytes:
    return b"{%b}" % b",".join([b"%b:%b" % (_encode(name), raw) for name, raw in members.items()])


def _is_long(members: Fields, payload: bytes) -> bool:
    """Whether it is longer than its pieces, with 4 bytes around each, make it."""
    size = sum(map(len, members)) + sum(map(len, members.values()))
    return len(payload) != size + 4 * len(members) + 1
