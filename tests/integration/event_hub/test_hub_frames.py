"""RFC 6455 on a raw socket, and frames that are no good: the connection stays where it can."""

from __future__ import annotations

import asyncio
import json

import pytest
from hub_socket import Closed, Connect, HubSocket, masked

from kite.testing.hub import HubProcess

MIB = 1 << 20


def event(size: int, **more: object) -> bytes:
    """An event of exactly so many bytes."""
    fields = {
        "type": "event", "event": "a", "event_id": "e1", "source": "writer",
        "timestamp": "2026-01-01T00:00:00Z", "ack": True, "data": "", **more,
    }  # fmt: skip
    bare = json.dumps(fields).encode()
    return json.dumps({**fields, "data": "x" * (size - len(bare))}).encode()


async def test_the_largest_frame_passes_and_one_byte_more_closes(connect: Connect) -> None:
    reader, writer = await connect("reader"), await connect("writer")
    await reader.subscribe("a")
    writer.send_bytes(masked(event(MIB), mask=b"\0\0\0\0"))
    assert (await writer.read())["delivered"] == 1
    _, payload = await reader.frame()
    assert len(payload) == MIB
    writer.send_bytes(masked(event(MIB + 1), mask=b"\0\0\0\0"))
    assert (await writer.closed()).code == 1009


async def test_what_becomes_too_large_by_what_the_hub_adds_is_refused(connect: Connect) -> None:
    writer = await connect("writer")
    bare = {"type": "event", "event": "a", "data": ""}
    frame = json.dumps({**bare, "data": "x" * (MIB - len(json.dumps(bare)))})
    assert len(frame) == MIB
    writer.send(frame)
    assert (await writer.read())["code"] == "event_too_large"


async def test_a_huge_announced_length_closes_without_waiting_for_it(connect: Connect) -> None:
    writer = await connect("writer")
    writer.send_bytes(b"\x81\xff" + (1 << 40).to_bytes(8, "big") + b"\0\0\0\0")
    assert (await writer.closed()).code == 1009


async def test_fragments_are_put_together_with_pings_between(connect: Connect) -> None:
    writer = await connect("writer")
    await writer.subscribe("a")
    whole = json.dumps({"type": "event", "event": "a", "data": "鸢"}, ensure_ascii=False).encode()
    split = whole.index("鸢".encode()) + 1  # within a character
    writer.send_bytes(masked(whole[:split], fin=False))
    writer.send_bytes(masked(b"hello", opcode=9))
    assert await writer.frame() == (10, b"hello")
    writer.send_bytes(masked(b"", opcode=0, fin=False))
    writer.send_bytes(masked(whole[split:], opcode=0))
    assert (await writer.read())["data"] == "鸢"


async def test_fragments_together_are_bounded(connect: Connect) -> None:
    writer = await connect("writer")
    piece = masked(b"x" * 300_000, fin=False, mask=b"\0\0\0\0")
    writer.send_bytes(piece)
    more = masked(b"x" * 300_000, opcode=0, fin=False, mask=b"\0\0\0\0")
    for _ in range(5):
        writer.send_bytes(more)
    assert (await writer.closed()).code == 1009


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (masked(b"x", opcode=2), 1003),
        (masked(b"x", opcode=3), 1002),
        (masked(b"x", opcode=0), 1002),
        (masked(b"a", fin=False) + masked(b"b"), 1002),
        (masked(b"x", opcode=9, fin=False), 1002),
        (masked(b"x" * 126, opcode=9), 1002),
        (bytes([0x81 | 0x40]) + masked(b"{}")[1:], 1002),
        (b"\x81\x02{}", 1002),  # not masked
        (masked(b'{"type":"event","event":"a","data":"\xff"}'), 1007),
        (masked(b"\xed\xa0\x80"), 1007),
        (masked(b"\xc3", fin=False) + masked(b"(", opcode=0), 1007),
        (masked(b"\x00", opcode=8), 1002),
        (masked(b"\x03\xed", opcode=8), 1002),  # 1005 is not for the wire
        (masked(b"\x03\xe8\xff", opcode=8), 1007),
    ],
    ids=[
        "binary",
        "reserved opcode",
        "continuation of nothing",
        "message within a message",
        "fragmented ping",
        "long ping",
        "reserved bit",
        "not masked",
        "invalid byte",
        "surrogate",
        "invalid over two frames",
        "close of one byte",
        "close code not for the wire",
        "close reason invalid",
    ],  # the masks are random, and names must be the same in every worker
)
async def test_broken_framing_closes_with_its_code_and_nobody_elses_connection(
    connect: Connect, hub: HubProcess, data: bytes, code: int
) -> None:
    other = await connect("other")
    client = await connect("client")
    client.send_bytes(data)
    assert (await client.closed()).code == code
    assert (await other.publish("a"))["type"] == "ack"


async def test_the_close_handshake_returns_the_code(connect: Connect) -> None:
    client = await connect("client")
    await client.subscribe("a")
    client.send({"type": "event", "event": "b", "event_id": "1", "ack": True})
    client.send_bytes(masked((3001).to_bytes(2, "big") + b"bye", opcode=8))
    assert (await client.read())["event_id"] == "1"
    assert (await client.closed()).code == 3001
    async with asyncio.timeout(5):
        assert await client.reader.read() == b""


@pytest.mark.parametrize(
    ("text", "code", "mark"),
    [
        ("", "malformed_json", {}),
        ("not json", "malformed_json", {}),
        ('{"type":"event","event":"a"', "malformed_json", {}),
        ('{"type":"event","event":"a","data":01,"event_id":"e"}', "malformed_json", {}),
        ("[]", "malformed_frame", {}),
        ("{}", "malformed_frame", {}),
        ('{"event":"a","event_id":"e"}', "malformed_frame", {"event_id": "e"}),
        ('{"type":"noise","id":7}', "unknown_type", {"id": 7}),
        ('{"type":"event","event":"a","event":"a","event_id":"e"}', "duplicate_key", {"event_id": "e"}),
        ('{"type":"event","event":"a","event_id":"e","data":' + "[" * 64 + "]" * 64 + "}", "too_deep", {"event_id": "e"}),
        ("[" * 100_000, "too_deep", {}),
        ('{"type":"subscribe","events":["a"],"id":"i","events":["a"]}', "duplicate_key", {"id": "i"}),
        ('{"type":"subscribe","events":["a..b"],"id":"i"}', "invalid_pattern", {"id": "i"}),
    ],
)  # fmt: skip
async def test_a_frame_that_is_no_good_is_answered_and_the_connection_stays(
    connect: Connect, text: str, code: str, mark: dict[str, object]
) -> None:
    client = await connect("client")
    client.send(text)
    error = await client.read()
    assert {key: error.get(key) for key in ("type", "code", *mark)} == {
        "type": "error", "code": code, **mark,
    }  # fmt: skip
    assert error["message"]
    assert (await client.publish("a"))["type"] == "ack"


async def test_who_vanishes_disturbs_nobody(connect: Connect) -> None:
    reader, writer = await connect("reader"), await connect("writer")
    await reader.subscribe("a")
    reader.writer.transport.abort()
    for _ in range(50):
        await writer.publish("a", "x" * 10_000)
    assert (await writer.publish("a"))["delivered"] == 0


async def test_bytes_one_at_a_time_are_as_good_as_all_at_once(connect: Connect) -> None:
    client = await connect("client")
    for byte in masked(b'{"type":"event","event":"a","event_id":"slow","ack":true}'):
        client.send_bytes(bytes([byte]))
        await asyncio.sleep(0)
    assert (await client.read())["event_id"] == "slow"


async def test_a_silent_client_is_left_alone_and_pings_are_answered(connect: Connect) -> None:
    client: HubSocket = await connect("client")
    client.send_bytes(masked(b"", opcode=9) + masked(b"x" * 125, opcode=9) + masked(b"", opcode=10))
    assert [await client.frame(), await client.frame()] == [(10, b""), (10, b"x" * 125)]
    with pytest.raises(TimeoutError):
        await client.frame(timeout=0.3)
    assert Closed
