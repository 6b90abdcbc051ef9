"""How a connection ends whose peer breaks RFC 6455, to the letter: what was heard before counts."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from hub_forms import in_both_forms
from hub_socket import Closed, Connect, masked

from kite.testing.hub import HubProcess

CLOSE_WAIT = 8
"""Linux: the peer has ended its side, and takes what still comes."""

BROKEN = {
    "reserved opcode": masked(b"x", opcode=3, mask=b"\1\2\3\4"),
    "reserved bit": bytes([0xC1]) + masked(b"{}", mask=b"\1\2\3\4")[1:],
    "not masked": b"\x81\x02{}",
    "fragmented ping": masked(b"x", opcode=9, fin=False, mask=b"\1\2\3\4"),
    "invalid text": masked(b"\xff", mask=b"\1\2\3\4"),
    "huge length": b"\x81\xff" + (1 << 40).to_bytes(8, "big") + b"\0\0\0\0",
}


def numbered(count: int, first: int) -> bytes:
    """Plain events with everything in them, such as pass on the compiled lane."""
    fields = {
        "type": "event",
        "event": "a",
        "source": "writer",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    return b"".join(
        masked(
            json.dumps({**fields, "event_id": f"e{n}", "data": n}, separators=(",", ":")).encode()
        )
        for n in range(first, first + count)
    )


@in_both_forms
@pytest.mark.parametrize("what", BROKEN)
async def test_events_that_arrive_together_with_a_broken_frame_behind_them_count(
    hub: HubProcess, connect: Connect, what: str
) -> None:
    reader = await connect("reader")
    await reader.subscribe("a")
    first = 0
    for count in (1, 2, 5):
        writer = await connect("writer")
        writer.send_bytes(numbered(count, first) + BROKEN[what] + numbered(1, first + 100))
        assert (await writer.closed()).code in (1002, 1007, 1009)
        heard = [(await reader.read())["data"] for _ in range(count)]
        assert heard == list(range(first, first + count))
        first += count
    other = await connect("writer")
    other.send({"type": "event", "event": "a", "data": "last"})
    assert (await reader.read())["data"] == "last"


@in_both_forms
async def test_a_second_close_frame_changes_nothing(hub: HubProcess, connect: Connect) -> None:
    client = await connect("client")
    client.send_bytes(masked((3001).to_bytes(2, "big"), opcode=8) + masked(b"", opcode=8))
    assert (await client.closed()).code == 3001


async def test_codes_that_one_may_close_with_come_back_and_others_are_1002(
    hub: HubProcess, connect: Connect
) -> None:
    good = [1000, 1001, 1002, 1003, 1007, 1009, 1011, 3000, 3999, 4000, 4999]
    bad = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
    for code in good + bad:
        client = await connect("client")
        client.send_bytes(masked(code.to_bytes(2, "big"), opcode=8))
        assert (await client.closed()).code == (code if code in good else 1002)


async def test_the_hub_ends_its_side_with_the_close_frame_and_still_reads(
    hub: HubProcess, connect: Connect
) -> None:
    """Who waits for the server to end the connection need not, and no reset eats the reason."""
    for broken in BROKEN.values():
        client = await connect("client")
        client.send_bytes(broken)
        with pytest.raises(Closed) as closed:
            await client.read()
        async with asyncio.timeout(10):
            assert await client.reader.read() == b""
        sock = client.writer.get_extra_info("socket")
        client.send_bytes(masked(closed.value.code.to_bytes(2, "big"), opcode=8))
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == CLOSE_WAIT
