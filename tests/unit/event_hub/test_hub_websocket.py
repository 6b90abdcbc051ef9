"""Frames as a server writes them, read back by the `websockets` library."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Close, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from kite.event_hub.core.websocket import close, pong, text, whole_frames


def read(data: bytes) -> list[object]:
    client = ClientProtocol(parse_uri("ws://x/"), state=State.OPEN)
    client.receive_data(data)
    return client.events_received()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 1 << 20])
def test_a_text_of_any_size(size: int) -> None:
    [frame] = read(text(b"x" * size))
    assert (frame.opcode, frame.fin, frame.data) == (Opcode.TEXT, True, b"x" * size)


def test_pong() -> None:
    [frame] = read(pong(b"abc"))
    assert (frame.opcode, frame.data) == (Opcode.PONG, b"abc")


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (4401, "the token is dead")])
def test_close(code: int, reason: str) -> None:
    [frame] = read(close(code, reason))
    assert Close.parse(frame.data) == Close(code, reason)


def test_close_without_a_code() -> None:
    [frame] = read(close(None))
    assert frame.data == b""


def test_a_long_reason_is_cut_between_characters() -> None:
    [frame] = read(close(1002, "鸢" * 100))
    assert Close.parse(frame.data).reason == "鸢" * 41


@pytest.mark.parametrize("sizes", [[0, 1, 200, 3], [70_000, 5], []])
def test_whole_frames_before_an_offset(sizes: list[int]) -> None:
    frames = [text(b"y" * size) for size in sizes]
    data = b"".join(frames)
    ends = [sum(map(len, frames[: n + 1])) for n in range(len(frames))]
    for end in {0, 1, *ends, *(e - 1 for e in ends), *(e + 1 for e in ends)}:
        assert whole_frames(data, end) == sum(e <= end for e in ends)
