"""As much of protobuf's wire format as etcd's messages need. Pure."""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _BYTES = 0, 2


def varint(number: int) -> bytes:
    """A number, seven bits a byte, the least first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def number_field(tag: int, number: int) -> bytes:
    """An integer or a boolean."""
    return varint(tag << 3 | _VARINT) + varint(number)


def bytes_field(tag: int, value: bytes) -> bytes:
    """Bytes, a text, or a message within."""
    return varint(tag << 3 | _BYTES) + varint(len(value)) + value


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message with their tags, in order.

    Raises:
        ValueError: it has a field of another kind than the two above, or ends in the middle.
    """
    at = 0
    while at < len(message):
        key, at = _varint_at(message, at)
        value, at = _varint_at(message, at)
        match key & 7:
            case 0:
                yield key >> 3, value
            case 2:
                if at + value > len(message):
                    raise ValueError("the message ends within a field")
                yield key >> 3, message[at : at + value]
                at += value
            case kind:
                raise ValueError(f"field {key >> 3} is of kind {kind}")


def _varint_at(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(message):
            raise ValueError("the message ends within a number")
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
