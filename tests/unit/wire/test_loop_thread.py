"""How a client names the thread that reads from its connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.wire.loop_thread import LoopThread

ids = st.integers(0, 2**31 - 1)


@given(st.integers(0, 2**64 - 1), ids, ids)
def test_what_is_said_is_understood(namespace: int, process: int, thread: int) -> None:
    said = LoopThread(namespace=namespace, process=process, thread=thread)
    assert LoopThread.parse(str(said)) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1/2",
        "1/2/3/4",
        "1/2/x",
        "-1/2/3",
        "1/2/../3",
        "1/2/3 ",
        "1/2/\u0663",
        "1/2/99999999999",
    ],
)
def test_anything_else_is_nothing(text: str) -> None:
    assert LoopThread.parse(text) is None
