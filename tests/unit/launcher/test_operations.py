"""Requests that somebody waits for."""

from __future__ import annotations

import asyncio

import pytest

from kite.errors import RequestError, Unavailable
from kite.launcher import operations
from kite.launcher.operations import Operations, outcome_of


async def test_each_is_answered_by_its_own_outcome() -> None:
    found = Operations()
    (first, one), (second, two) = found.open(), found.open()
    assert first != second
    found.settle(second, "superseded", {"module": "m"})
    assert two.done()
    assert not one.done()
    with pytest.raises(RequestError) as refused:
        two.result().check()
    assert (refused.value.code, refused.value.params) == ("superseded", {"module": "m"})
    found.settle(first, None, {})
    (await outcome_of(one, "m")).check()


async def test_whoever_has_gone_is_not_waited_for() -> None:
    found = Operations()
    op, future = found.open()
    future.cancel()
    found.settle(op, None, {})
    found.settle(op, None, {})
    found.settle(4711, "failed", {})


async def test_nothing_settled_in_time_says_so_and_the_operation_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "SETTLES_WITHIN", 0.01)
    found = Operations()
    op, future = found.open()
    with pytest.raises(Unavailable) as late:
        await outcome_of(future, "m")
    assert (late.value.code, late.value.status) == ("not_settled", 504)
    assert not future.cancelled()
    found.settle(op, None, {})
    (await outcome_of(future, "m")).check()


async def test_a_caller_that_leaves_takes_only_itself() -> None:
    found = Operations()
    _op, future = found.open()
    waiting = asyncio.create_task(outcome_of(future, "m"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert not future.cancelled()
