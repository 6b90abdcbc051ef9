"""One look for many, with real processes."""

from __future__ import annotations

import asyncio

import pytest

from kite.launcher import platform_linux, tree
from kite.launcher.shared_look import SharedLook, next_look

from .conftest import Start, until


async def test_who_asks_in_one_turn_gets_one_look_and_who_asks_later_another() -> None:
    first, second = await asyncio.gather(next_look(), next_look())
    assert first is second
    assert await next_look() is not first


async def test_one_that_gives_up_does_not_take_the_look_from_the_other() -> None:
    impatient, patient = asyncio.ensure_future(next_look()), asyncio.ensure_future(next_look())
    await asyncio.sleep(0)
    impatient.cancel()
    assert isinstance(await patient, SharedLook)


async def test_what_lives_and_what_is_gone(start: Start) -> None:
    source = (
        "import os, time\nif os.fork() == 0: os.setsid(); print('up', flush=True)\ntime.sleep(600)"
    )
    two, one = start(python=source, module="two"), start("sleep", "600", module="one")
    await two.line("up")
    await until(lambda: len(tree.members(two.process.kin)) == 2)
    look = await next_look()
    assert len(look.living(two.process.kin)) == 2
    assert [each.pid for each in look.living(one.process.kin)] == [one.process.pid]
    assert not look.is_gone(two.process.kin)
    one.process.signal(9)
    await one.exit()
    look = await next_look()
    assert look.is_gone(one.process.kin), (
        "its leader is dead, and that nobody has reaped it is no life"
    )
    two.process.signal(9)
    await two.exit()
    assert not (await next_look()).is_gone(two.process.kin), "the other one has left the group"
    assert await tree.end_tree(two.process.kin) == []
    assert (await next_look()).is_gone(two.process.kin)


async def test_one_that_runs_away_between_the_two_looks_is_not_gone(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = start("sleep", "600")
    everybody = platform_linux.snapshot
    monkeypatch.setattr(
        platform_linux,
        "snapshot",
        lambda: {pid: each for pid, each in everybody().items() if pid != life.process.pid},
    )
    look = SharedLook()
    assert look.living(life.process.kin) == []
    assert not look.is_gone(life.process.kin)
