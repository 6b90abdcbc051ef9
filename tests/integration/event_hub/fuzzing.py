"""What hostile clients send: mutated frames in any framing, and good frames in odd framing."""

from __future__ import annotations

import json
import random
from pathlib import Path

from hub_socket import masked

VECTORS = Path(__file__).parents[3] / "protocol" / "vectors" / "frames.json"
WORDS = [
    "type", "event", "subscribe", "unsubscribe", "events", "id", "ack", "data", "queue", "echo", "event_id",
    "source", "reply_to", "headers", "a", "a.b", ">", "*", "_reply.fuzz.1", "module.ready", "", "observe",
    "timestamp", "overflow", "drop_oldest", "fuzz", "launcher",
]  # fmt: skip
SPLICES = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000", b"\\ud800", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\0",
    b"1e999", b"-", b"NaN", b" " * 300, b"[" * 70, b'{"a":' * 70, b'"type":"event",', b'"event":"module.ready",',
    b'"source":"launcher",', b'"ack":true,', b'"data":null,', "鸢".encode(),
]  # fmt: skip


def _seeds() -> list[bytes]:
    """Frames of the vectors, and one that passes on the compiled lane."""
    rows = json.loads(VECTORS.read_text(encoding="utf-8"))
    texts = [row["text"].replace("{self}", "fuzz") for row in [*rows["valid"], *rows["invalid"]]]
    return [text.encode() for text in texts if len(text) < 1000] + [
        plain("fuzz", "a.b", 0, {})
    ] * 20


def plain(source: str, subject: str, number: int, data: object) -> bytes:
    """An event such as passes on the compiled lane: compact, with everything in it."""
    fields = {
        "type": "event", "event": subject, "event_id": f"{source}-{number}", "source": source,
        "timestamp": "2026-01-01T00:00:00.000Z", "data": data,
    }  # fmt: skip
    return json.dumps(fields, separators=(",", ":")).encode()


def value(chance: random.Random, depth: int = 0) -> object:
    kind = chance.randrange(8 if depth < 4 else 5)
    if kind < 2:
        return chance.choice(WORDS)
    if kind < 5:
        return chance.choice([None, True, False, 0, -1, 1e300, 2**70, "\ud800", "\u0000", "鸢"])
    if kind < 7:
        return {chance.choice(WORDS): value(chance, depth + 1) for _ in range(chance.randrange(5))}
    return [value(chance, depth + 1) for _ in range(chance.randrange(5))]


def text(chance: random.Random) -> bytes:
    """A frame's text: made up, or a known one with bytes changed, cut out, doubled and put in."""
    if chance.random() < 0.3:
        found: object = value(chance)
        if chance.random() < 0.7:
            found = {
                "type": chance.choice(["event", "subscribe", "unsubscribe", "event"]),
                "event": chance.choice(WORDS), "events": [chance.choice(WORDS)], "id": chance.randrange(99),
                **(found if isinstance(found, dict) else {}),
            }  # fmt: skip
        data = bytearray(json.dumps(found).encode())
    else:
        data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2, 5])):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + chance.randrange(1, 9)]
            case 2:
                data[at:at] = data[at : at + chance.randrange(1, 40)]
            case 3:
                data[at:at] = chance.choice(SPLICES)
            case _:
                del data[at:]
    return bytes(data)


def whole(chance: random.Random, payload: bytes, between: bytes | None = None) -> bytes:
    """One message in valid framing: in any number of parts, with control frames between them.

    Args:
        between: what may stand between two parts; a ping or a pong where it is left out.
    """
    cuts = sorted(chance.choices(range(len(payload) + 1), k=chance.choice([0, 0, 1, 2, 7])))
    found = b""
    for place, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(payload)], strict=True)):
        if place and between is not None:
            found += between
        elif place and chance.random() < 0.3:
            found += masked(chance.randbytes(chance.randrange(126)), opcode=chance.choice([9, 10]))
        found += masked(payload[start:end], opcode=0 if place else 1, fin=place == len(cuts))
    return found


def garbage(chance: random.Random) -> bytes:
    """Mostly whole messages, so that the connection lives long enough to matter."""
    kind = chance.random()
    if kind < 0.9:
        return whole(chance, text(chance))
    if kind < 0.93:
        return masked(text(chance), opcode=chance.randrange(16), fin=chance.random() < 0.5)
    if kind < 0.95:
        data = bytearray(whole(chance, text(chance)))
        data[chance.randrange(min(len(data), 8))] = chance.randrange(256)
        return bytes(data)
    if kind < 0.96:
        return chance.randbytes(chance.randrange(200))
    return masked(chance.randbytes(chance.randrange(126)), opcode=9)


def pieces(chance: random.Random, data: bytes) -> list[bytes]:
    """The same bytes in writes of any size."""
    cuts = sorted(chance.choices(range(len(data) + 1), k=chance.choice([0, 1, 4])))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def half_a_request(chance: random.Random, port: int) -> bytes:
    """A handshake with bytes changed, up to somewhere."""
    data = bytearray(
        (
            f"GET /ws?token=x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ).encode()
    )
    for _ in range(chance.randrange(4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data[: chance.randrange(1, len(data) + 1)])


SEEDS = _seeds()
