"""As much of HTTP/2 as prepared requests need: frames, and headers that no table knows. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE: Final = 4
LARGEST_WINDOW: Final = 2**31 - 1
FIRST_WINDOW: Final = 65_535
"""Of a connection, until its first WINDOW_UPDATE."""

_HEAD: Final = 9


class Frame(NamedTuple):
    """A frame without its length."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def head(size: int, kind: int, flags: int) -> bytes:
    """What stands before a frame's stream."""
    return size.to_bytes(3, "big") + bytes((kind, flags))


def frame(kind: int, payload: bytes, *, flags: int = 0, stream: int = 0) -> bytes:
    """A whole frame."""
    return head(len(payload), kind, flags) + stream.to_bytes(4, "big") + payload


def setting(number: int, value: int) -> bytes:
    """One entry of SETTINGS."""
    return number.to_bytes(2, "big") + value.to_bytes(4, "big")


def window_update(stream: int, more: int) -> bytes:
    """So many more bytes may come."""
    return frame(WINDOW_UPDATE, more.to_bytes(4, "big"), stream=stream)


def literal(name: str, value: str) -> bytes:
    """A header as HPACK has it that neither side keeps: each block stands for itself."""
    return b"\x00" + _text(name) + _text(value)


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) < 0x7F:
        return bytes((len(data),)) + data
    rest = len(data) - 0x7F
    out = bytearray(b"\x7f")
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out) + data


class Frames:
    """Finds the frames in what has come, cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now."""
        data = self._rest + data if self._rest else data
        found = []
        at = 0
        while at + _HEAD <= len(data):
            end = at + _HEAD + int.from_bytes(data[at : at + 3], "big")
            if end > len(data):
                break
            stream = int.from_bytes(data[at + 5 : at + 9], "big") & LARGEST_WINDOW
            found.append(Frame(data[at + 3], data[at + 4], stream, data[at + _HEAD : end]))
            at = end
        self._rest = data[at:]
        return found
