"""What real processes use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from kite.launcher import platform_linux
from kite.launcher import usage as usage_module
from kite.launcher.ceiling import Ceiling, Ceilings, memory_above, memory_of
from kite.launcher.tree import members
from kite.launcher.usage import Usage

from .conftest import Life, Start, until

SIZE = 32 << 20
BUSY_SECONDS = 0.2
# The kernel tells time in user and in system mode, each in whole ticks: up to one of each is not told.
TICK = 1 / os.sysconf("SC_CLK_TCK")
LEAST_TOLD = BUSY_SECONDS - 2 / os.sysconf("SC_CLK_TCK")
BIG = f"""
import os, sys, time
kept = bytearray({SIZE})
kept[::4096] = b"x" * len(kept[::4096])
if os.fork() == 0:
    kept[::4096] = b"y" * len(kept[::4096])
    print("child", flush=True)
    time.sleep(1000)
time.sleep(1000)
"""
BUSY = f"""
import time
began = time.process_time()
while time.process_time() - began < {BUSY_SECONDS}:
    pass
print("done", flush=True)
time.sleep(1000)
"""


@pytest.fixture
async def usage() -> AsyncIterator[Usage]:
    made = Usage()
    yield made
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_the_whole_tree_counts(start: Start, usage: Usage) -> None:
    """Memory by shares: what the child has not touched since the fork counts once."""
    life = start(python=BIG, module="big")
    usage.add(life.process.kin)
    await life.line("child")
    use = (await usage.look())["big"]
    assert use.processes == 2
    assert use.memory_bytes is not None
    assert 2 * SIZE < use.memory_bytes < 4 * SIZE


async def test_processor_time_survives_the_process(start: Start, usage: Usage) -> None:
    life = start(python=BUSY, module="busy")
    usage.add(life.process.kin)
    await life.line("done")
    alive = (await usage.look())["busy"]
    assert alive.cpu_seconds >= LEAST_TOLD
    assert alive.cpu_percent is not None
    assert alive.cpu_percent > 0
    life.process.signal(9)
    await life.exit()
    usage.remove(life.process.kin)
    gone = (await usage.look())["busy"]
    assert gone.cpu_seconds >= alive.cpu_seconds
    assert (gone.cpu_percent, gone.memory_bytes, gone.processes) == (None, None, 0)


async def test_a_life_that_nobody_looked_at_is_asked_at_its_end(start: Start, usage: Usage) -> None:
    life = start(python=BUSY, module="busy")
    usage.add(life.process.kin)
    await life.line("done")
    life.process.signal(9)
    await life.exit()
    usage.remove(life.process.kin)
    assert (await usage.look())["busy"].cpu_seconds >= LEAST_TOLD


async def test_the_launcher_is_a_module_too(start: Start, usage: Usage) -> None:
    """And what its modules have used is not its own."""
    for number in range(2):
        life = start(python=BUSY, module=f"busy{number}")
        usage.add(life.process.kin)
        await life.line("done")
        life.process.signal(9)
        await life.exit()
        usage.remove(life.process.kin)
        life.process.close()
    before = platform_linux.spent(os.getpid())
    launcher = (await usage.look())["launcher"]
    after = platform_linux.spent(os.getpid())
    assert before is not None
    assert after is not None
    assert launcher.processes >= 1
    assert before[0] - TICK <= launcher.cpu_seconds <= after[0] + TICK


async def test_those_who_ask_together_get_one_answer(
    start: Start, usage: Usage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_module, "_FRESH", 60.0)
    usage.add(start("sleep", "1000").process.kin)
    first, second = await asyncio.gather(usage.look(), usage.look())
    assert first is second
    assert await usage.look() is first, "it is fresh enough"
    usage.add(start("sleep", "1000", module="other").process.kin)
    assert "other" in await usage.look(), "something has changed"


async def test_what_has_not_grown_is_not_measured_again(
    start: Start, usage: Usage, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = start("sleep", "1000")
    usage.add(life.process.kin)
    before = (await usage.look())["m"].memory_bytes
    asked: list[int] = []
    monkeypatch.setattr(platform_linux, "proportional", asked.append)
    usage._looked_at = None
    assert (await usage.look())["m"].memory_bytes == before
    assert life.process.pid not in asked


async def test_the_memory_of_a_stranger_is_what_it_has_resident(
    start: Start, usage: Usage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as another user's process shows it."""
    life = start(python="import time; print('up', flush=True); time.sleep(1000)")
    await life.line("up")
    usage.add(life.process.kin)
    monkeypatch.setattr(platform_linux, "proportional", lambda _pid: None)
    spent = platform_linux.spent(life.process.pid)
    assert spent is not None
    assert (await usage.look())["m"].memory_bytes == pytest.approx(spent[2], rel=0.5)


def test_nobody_uses_nothing() -> None:
    assert platform_linux.spent(2**22 + 1) is None
    assert platform_linux.proportional(2**22 + 1) is None
    assert memory_of([2**22 + 1]) == 0


# -- ceilings ---------------------------------------------------------------------------------


def exceeding(life: Life, memory: int) -> tuple[Ceiling, list[int]]:
    told: list[int] = []
    return Ceiling(kin=life.process.kin, memory=memory, on_exceeded=told.append), told


async def test_a_tree_that_grows_above_its_ceiling_is_told_once(start: Start) -> None:
    big, small = start(python=BIG, module="big"), start("sleep", "1000", module="small")
    await big.line("child")
    ceilings = Ceilings(period=0.01)
    above, told = exceeding(big, 2 * SIZE)
    below, untold = exceeding(small, SIZE)
    ceilings.add(above)
    ceilings.add(below)
    await until(lambda: bool(told))
    looks = asyncio.get_running_loop().time() + 0.1
    await until(lambda: asyncio.get_running_loop().time() > looks)
    assert told == [told[0]]
    assert told[0] > 2 * SIZE
    assert abs(told[0] - memory_of(members(big.process.kin))) < SIZE
    assert untold == []
    ceilings.remove(small.process.kin)
    assert ceilings._timer is None, "nobody is measured where nobody has a ceiling"
    ceilings.remove(small.process.kin)


async def test_shares_are_asked_for_only_where_more_is_resident(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What processes share they use once."""
    life = start(python=BIG, module="big")
    await life.line("child")
    pids = members(life.process.kin)
    used = memory_of(pids)
    assert memory_above(SIZE, pids) == pytest.approx(used, rel=0.1)
    resident = sum(seen[2] for seen in map(platform_linux.spent, pids) if seen is not None)
    assert resident > used
    assert memory_above((resident + used) // 2, pids) is None
    monkeypatch.setattr(platform_linux, "proportional", lambda pid: pytest.fail(f"asked {pid}"))
    assert memory_above(resident + (1 << 20), pids) is None
