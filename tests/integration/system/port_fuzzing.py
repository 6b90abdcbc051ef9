"""What hostile programs send to a port: bytes, broken requests, requests without an end, and silence."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

SPLICES = [
    b"\r\n", b"\r\n\r\n", b"\n", b"\0", b"\xff\xfe", b" ", b":", b"%00", b"%zz", b"//[", b"?", b"#", b"HTTP/9.9",
    b"Content-Length: 99999999999999999999\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Host: evil\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"{" * 200,
    b"[" * 5000, b'"\\ud800"', b"1e999", "鸢".encode(), b"X: " + b"y" * 9000 + b"\r\n", b"\x16\x03\x01\x02\x00\x01",
]  # fmt: skip
MOST_SENT = 12 << 20
"""Bytes of one request without an end."""

ANSWER = 20.0
"""Seconds after which an answer is not waited for any more; nobody says that there is one."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One port, a token that is good there, and requests that are.

    Args:
        seeds: whole requests.
        websocket: the handshake of one that is let in, where there are any.
    """

    name: str
    port: int
    seeds: tuple[bytes, ...]
    websocket: bytes | None = None


def request(port: int, token: str, line: str, body: bytes | None = None, *more: str) -> bytes:
    """A request as a good client writes it."""
    lines = [f"{line} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {token}", *more]
    if body is not None and not more:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def handshake(port: int, token: str) -> bytes:
    key = base64.b64encode(b"0123456789abcdef").decode()
    more = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}")
    return request(port, token, "GET /ws", None, *more, "Sec-WebSocket-Version: 13")


def chunked(port: int, token: str, line: str, *chunks: bytes) -> bytes:
    head = request(port, token, line, None, "Transfer-Encoding: chunked")
    body = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in chunks)
    return head + body + b"0\r\n\r\n"


def targets(api: dict[str, object], hub_port: int, launcher_port: int) -> list[Target]:
    """The three ports of a Kite. Nothing here ends it, or concerns any module but `victim`."""
    token, registry = str(api["token"]), int(str(api["registry_port"]))
    body = json.dumps(
        {"action": "register", "module_id": "victim", "metadata": {"a": [1]}}
    ).encode()
    one = "/launcher/modules/victim"
    return [
        Target(
            name="registry",
            port=registry,
            seeds=(
                *(
                    request(registry, token, f"GET {path}")
                    for path in ("/health", "/modules", "/lookup?name=*", "/get/echo.life",
                                 "/watch?since=0", "/tokens/digests?wait=9", "/metrics")
                ),
                request(registry, token, "POST /modules", body),
                request(registry, token, "POST /tokens", b'{"victim": null}'),
                chunked(registry, token, "POST /modules", body[:9], body[9:]),
            ),
        ),
        Target(
            name="launcher",
            port=launcher_port,
            seeds=(
                *(
                    request(launcher_port, token, f"GET {path}")
                    for path in ("/health", "/launcher", one, f"{one}/explain", "/metrics",
                                 "/launcher/settled?wait=0.1")
                ),
                request(launcher_port, token, f"POST {one}/restart", b'{"reason": "fuzz"}'),
                request(launcher_port, token, f"POST {one}/watch", b'{"delay": 1}'),
                request(launcher_port, token, f"PUT {one}/state", b'{"state": "manual"}'),
                chunked(launcher_port, token, f"POST {one}/stop", b'{"reason":', b' "x"}'),
            ),
        ),
        Target(
            name="event_hub",
            port=hub_port,
            seeds=(
                request(hub_port, token, "GET /health"),
                request(hub_port, token, "GET /metrics"),
                request(hub_port, token, "POST /ws", b"x" * 300),
                handshake(hub_port, token),
            ),
            websocket=handshake(hub_port, token),
        ),
    ]  # fmt: skip


def mutated(chance: random.Random, data: bytes) -> bytes:
    """A request with bytes changed, cut out, doubled and put in."""
    made = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 3, 8])):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(5):
            case 0:
                made[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del made[at : at + chance.randrange(1, 30)]
            case 2:
                made[at:at] = made[at : at + chance.randrange(1, 60)]
            case 3:
                made[at:at] = chance.choice(SPLICES)
            case _:
                made[at : at + 4] = chance.randbytes(4)
    return bytes(made)


@dataclass
class Attack:
    """Everything at once, the same for the same seed.

    Attributes:
        done: how often each kind was done on each port.
        heard: how often each status was answered.
    """

    seed: int
    rounds: int
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    heard: Counter[str] = field(default_factory=Counter)

    async def run(self, found: list[Target]) -> None:
        """All kinds on all ports, a few at a time."""
        places = asyncio.Semaphore(24)

        async def one(kind: Kind, target: Target, number: int) -> None:
            async with places:
                chance = random.Random(f"{self.seed} {kind.__name__} {target.name} {number}")
                with contextlib.suppress(OSError):  # whoever is refused is reset at times
                    await kind(self, chance, target)
                self.done[kind.__name__, target.name] += 1

        async with asyncio.TaskGroup() as tasks:
            for number in range(self.rounds):
                for target in found:
                    for kind, weight in KINDS.items():
                        for part in range(weight):
                            tasks.create_task(one(kind, target, number * weight + part))

    async def _say(self, target: Target, *pieces: bytes, ends: bool = True) -> None:
        """Send it, hear what is said, for a moment or to its end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if ends:
                writer.write_eof()
            await self._hear(reader, ANSWER if ends else 0.05)
        finally:
            writer.transport.abort()

    async def _hear(self, reader: asyncio.StreamReader, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if (line := await reader.read(64)).startswith(b"HTTP/1.1 "):
                    self.heard[line[9:12].decode()] += 1
                while await reader.read(1 << 16):
                    pass


Kind = Callable[[Attack, random.Random, Target], Awaitable[None]]


async def noise(attack: Attack, chance: random.Random, target: Target) -> None:
    """Bytes that are nothing."""
    await attack._say(target, chance.randbytes(chance.choice([1, 7, 300, 5000])))


async def mutations(attack: Attack, chance: random.Random, target: Target) -> None:
    """A request with mistakes; half of the clients wait for what it is worth."""
    data = mutated(chance, chance.choice(target.seeds))
    await attack._say(target, data, ends=chance.random() < 0.5)


async def halves(attack: Attack, chance: random.Random, target: Target) -> None:
    """A request up to somewhere, and then nobody."""
    data = chance.choice(target.seeds)
    await attack._say(target, data[: chance.randrange(1, len(data))], ends=chance.random() < 0.5)


async def dribble(attack: Attack, chance: random.Random, target: Target) -> None:
    """A request byte by byte."""
    data = chance.choice(target.seeds)[:400]
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    try:
        for place in range(len(data)):
            writer.write(data[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0.001)
        await attack._hear(reader, 0.1)
    finally:
        writer.transport.abort()


async def crowd(attack: Attack, chance: random.Random, target: Target) -> None:
    """Many who come, say little or nothing, and go without a word."""
    opened = await asyncio.gather(
        *(asyncio.open_connection("127.0.0.1", target.port) for _ in range(60)),
        return_exceptions=True,
    )
    for each in opened:
        if not isinstance(each, BaseException):
            if chance.random() < 0.5:
                each[1].write(chance.choice([b"G", b"GET / HT", b"\r\n", b"\0"]))
            each[1].transport.abort()


async def long_heads(attack: Attack, chance: random.Random, target: Target) -> None:
    """Headers without an end."""
    head = b"GET /health HTTP/1.1\r\n"
    line = chance.choice([b"X: " + b"y" * 8000 + b"\r\n", b"y" * 8000, b"X: y\r\n" * 1300])
    await attack._say(target, head, *[line] * chance.choice([9, 40, 300]), ends=False)


async def long_bodies(attack: Attack, chance: random.Random, target: Target) -> None:
    """A body without an end."""
    seed = next(each for each in target.seeds if each.startswith(b"POST"))
    head = seed.partition(b"\r\n\r\n")[0]
    lines = [each for each in head.split(b"\r\n") if not each.startswith(b"Content-Length")]
    head = b"\r\n".join([*lines, b"Transfer-Encoding: chunked"]) + b"\r\n\r\n"
    chunk = b"20000\r\n" + chance.randbytes(0x20000) + b"\r\n"
    await attack._say(target, head, *[chunk] * (MOST_SENT // len(chunk)), ends=False)


async def pipelines(attack: Attack, chance: random.Random, target: Target) -> None:
    """Good requests, bad ones and noise, in one piece."""
    parts = []
    for _ in range(chance.choice([3, 30])):
        seed = chance.choice(target.seeds)
        parts.append(chance.choice([seed, mutated(chance, seed), chance.randbytes(40)]))
    await attack._say(target, b"".join(parts))


async def frames(attack: Attack, chance: random.Random, target: Target) -> None:
    """Bytes behind a handshake: in frames and in none, binary, without an end, and lies about lengths."""
    if target.websocket is None:
        return
    parts = [target.websocket]
    for _ in range(chance.choice([1, 5, 20])):
        payload = chance.randbytes(chance.choice([0, 5, 125]))
        first = chance.choice([0x82, 0x81, 0x02, 0x00, 0x80, 0x89, 0x8A, 0x88, 0xF1, 0x83])
        framed = bytes([first, 0x80 | len(payload)]) + b"\0\0\0\0" + payload
        lie = bytes([0x82, 0xFF]) + chance.choice([1 << 62, 1 << 40, 1 << 21, 9]).to_bytes(8, "big")
        parts.append(chance.choice([framed, framed, framed, lie, chance.randbytes(60)]))
    endless = bytes([0x01, 0xFE, 0xFF, 0xFF]) + b"\0\0\0\0" + b"x" * 0xFFFF
    if chance.random() < 0.3:
        parts += [endless, *[bytes([0x00]) + endless[1:]] * 40]
    await attack._say(target, *parts, ends=chance.random() < 0.5)


KINDS: dict[Kind, int] = {
    noise: 4,
    mutations: 12,
    halves: 4,
    dribble: 1,
    crowd: 1,
    long_heads: 1,
    long_bodies: 1,
    pipelines: 3,
    frames: 6,
}
"""Each with how often it is done in a round."""
