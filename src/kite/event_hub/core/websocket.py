"""RFC 6455 frames from a server: unmasked, so the same bytes go to every subscriber."""

from __future__ import annotations

from collections.abc import Iterator

_FIN_TEXT = 0x81
_FIN_CLOSE = 0x88
_FIN_PING = 0x89
_FIN_PONG = 0x8A
_MAX_REASON = 123
_SMALL = 2048

_headers: dict[int, bytes] = {}


def text_header(size: int) -> bytes:
    """The header of a whole text message of `size` bytes."""
    header = _headers.get(size)
    if header is None:
        header = _header(_FIN_TEXT, size)
        if size < _SMALL:
            _headers[size] = header
    return header


def text(payload: bytes) -> bytes:
    """A whole text message."""
    return text_header(len(payload)) + payload


def ping() -> bytes:
    """A question whether the peer is there, without payload."""
    return _header(_FIN_PING, 0)


def pong(payload: bytes) -> bytes:
    """The answer to a ping, which has at most 125 bytes."""
    return _header(_FIN_PONG, len(payload)) + payload


def close(code: int | None, reason: str = "") -> bytes:
    """A close frame; None is one without a code, in answer to one without."""
    if code is None:
        return _header(_FIN_CLOSE, 0)
    words = reason.encode()[:_MAX_REASON].decode(errors="ignore").encode()
    return _header(_FIN_CLOSE, 2 + len(words)) + code.to_bytes(2, "big") + words


def whole_frames(data: bytes | memoryview, end: int) -> int:
    """How many of a run of server frames lie wholly before the offset `end`."""
    count = position = 0
    while position < len(data):
        position = _end_of_frame(data, position)
        if position > end:
            break
        count += 1
    return count


def leading_frames(data: bytes | memoryview, least: int) -> tuple[int, int]:
    """The first frames of a run that together have at least `least` bytes: bytes, frames."""
    count = position = 0
    while position < least and position < len(data):
        position = _end_of_frame(data, position)
        count += 1
    return position, count


def frames(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each of a run of server frames begins, where its payload does, and where both end."""
    position = 0
    while position < len(data):
        payload, end = _payload_of_frame(data, position)
        yield position, payload, end
        position = end


def _end_of_frame(data: bytes | memoryview, position: int) -> int:
    return _payload_of_frame(data, position)[1]


def _payload_of_frame(data: bytes | memoryview, position: int) -> tuple[int, int]:
    size = data[position + 1]
    position += 2
    if size == 126:
        size = int.from_bytes(data[position : position + 2], "big")
        position += 2
    elif size == 127:
        size = int.from_bytes(data[position : position + 8], "big")
        position += 8
    return position, position + size


def _header(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")
