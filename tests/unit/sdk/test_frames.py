"""Gathered frames are what RFC 6455 says, read by somebody who knows nothing of how they are made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.protocol import SERVER, Protocol

from kite.sdk.compiled import make_frames

pytestmark = pytest.mark.skipif(
    make_frames() is None, reason="the SDK's frames are not compiled here"
)


def read(data: bytes) -> list[bytes]:
    """The payloads of a client's text frames."""
    server = Protocol(SERVER, max_size=None)
    server.receive_data(data)
    received = server.events_received()
    assert all(frame.opcode == 1 and frame.fin for frame in received)
    return [bytes(frame.data) for frame in received]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 125, 126, 127, 65535, 65536, 1 << 20])
def test_every_way_to_write_a_length(size: int) -> None:
    gathered = make_frames()
    assert gathered is not None
    payload = bytes(ord("a") + number % 26 for number in range(size))
    gathered.add(payload)
    assert gathered.size > size
    assert read(gathered.take()) == [payload]
    assert gathered.size == 0


@given(st.lists(st.text().map(str.encode), max_size=20))
def test_what_is_gathered_comes_out_in_order(payloads: list[bytes]) -> None:
    gathered = make_frames()
    assert gathered is not None
    for payload in payloads:
        gathered.add(payload)
    assert read(gathered.take()) == payloads
    assert gathered.take() == b""


def test_no_two_frames_are_masked_alike() -> None:
    gathered = make_frames()
    assert gathered is not None
    for _ in range(1000):
        gathered.add(b"")
    data = gathered.take()
    masks = {data[at + 2 : at + 6] for at in range(0, len(data), 6)}
    assert len(masks) == 1000
