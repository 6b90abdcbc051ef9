"""The operator's token is changed whole, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from kite.errors import Unavailable
from kite.launcher import operator_token
from kite.launcher.authority import OPERATOR, Authority
from kite.launcher.operator_token import OperatorToken


class Told:
    """A Registry's link that learns of a table, or never does."""

    def __init__(self, *, learns: bool) -> None:
        self.learns = learns

    async def acknowledged(self, _version: int) -> None:
        if not self.learns:
            await asyncio.Event().wait()


def refuse(_token: str) -> None:
    raise OSError("the disk is full")


async def test_it_is_written_when_it_is_known() -> None:
    authority, written = Authority(), []
    old = authority.operator_token
    await OperatorToken(authority, Told(learns=True), written.append).rotate()  # type: ignore[arg-type]
    assert written == [authority.operator_token]
    assert authority.find(old) is None


async def test_one_that_the_registry_does_not_learn_of_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`token_not_rotated`: the old one is still good, and no other is."""
    monkeypatch.setattr(operator_token, "TAKEN_WITHIN", 0.01)
    authority, written = Authority(), []
    old = authority.everybody()[OPERATOR]
    with pytest.raises(Unavailable) as late:
        await OperatorToken(authority, Told(learns=False), written.append).rotate()  # type: ignore[arg-type]
    assert late.value.code == "token_not_rotated"
    assert written == []
    assert authority.everybody()[OPERATOR] == old


async def test_one_that_cannot_be_written_is_taken_back() -> None:
    authority = Authority()
    old = authority.everybody()[OPERATOR]
    with pytest.raises(OSError, match="full"):
        await OperatorToken(authority, Told(learns=True), refuse).rotate()  # type: ignore[arg-type]
    assert authority.everybody()[OPERATOR] == old
