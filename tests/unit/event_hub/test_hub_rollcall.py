"""The one timer of the roll call, on either loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kite.event_hub.client import Client
from kite.event_hub.rollcall import Rollcall

AT_ONCE = 0.0003
"""Seconds of silence at which the next look is due within a tick of uvloop's clock."""


def connected(number: int) -> Client:
    """What a roll call needs of a client."""
    identity = SimpleNamespace(digest=b"d", module="m", life=1)
    made = SimpleNamespace(session=SimpleNamespace(number=number), identity=identity)
    return cast("Client", SimpleNamespace(connection=None, is_leaving=False, **vars(made)))


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_a_look_that_is_due_at_once_is_taken_and_the_next(name: str) -> None:
    """uvloop's handle for it does not know its time; asked for that, the roll call was over."""
    run: Callable[[Any], object] = pytest.importorskip(name).run
    failures: list[dict[str, Any]] = []

    async def call() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        rollcall = Rollcall(AT_ONCE, lambda *_: None)
        for number in range(3):
            rollcall.add(connected(number))
        await asyncio.sleep(0.01)
        rollcall.add(connected(3))
        assert rollcall._timer is not None
        rollcall.stop()

    run(call())
    assert failures == []
