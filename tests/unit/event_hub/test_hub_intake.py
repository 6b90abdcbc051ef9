"""The intake against a parser that grows as picows does: it always knows how much is unfinished."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kite.event_hub.intake import Intake, Intakes

FIRST = 16_128


class FakeParser:
    """Messages of given lengths; its buffer doubles at nine tenths, and keeps what is not whole."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths
        self.size = FIRST
        self.kept = 0

    def get_buffer(self, _: int) -> memoryview:
        return memoryview(bytearray(self.size - self.kept))

    def buffer_updated(self, nbytes: int) -> None:
        self.kept += nbytes
        if 100 * self.kept // self.size > 90 or self.size - self.kept <= 256:
            self.size *= 2
        while self.lengths and self.kept >= self.lengths[0]:
            self.kept -= self.lengths.pop(0)


class FakeOwner:
    unfinished = 0
    failed: tuple[int, str] | None = None

    def fail(self, code: int, reason: str) -> None:
        self.failed = (code, reason)


class FakeTcp:
    protocol: Any = None

    def get_protocol(self) -> Any:
        return self.protocol


class Line:
    """One connection with its intake."""

    def __init__(self, intakes: Intakes, *lengths: int) -> None:
        self.lengths = list(lengths)
        self.parsers: list[FakeParser] = []
        self.owner, self.tcp = FakeOwner(), FakeTcp()
        self.intake = Intake(self.tcp, self.owner, self.make, intakes)  # type: ignore[arg-type]
        self.tcp.protocol = self.intake

    def make(self) -> FakeParser:
        self.parsers.append(FakeParser(self.lengths))
        return self.parsers[-1]

    def read(self, most: int) -> int:
        """The socket has so many bytes; returns how many were read at once."""
        size = min(most, len(self.intake.get_buffer(-1)))
        self.intake.buffer_updated(size)
        return size


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 200_000), min_size=1, max_size=8),
    st.lists(st.sampled_from([1, 700, FIRST // 2, FIRST, 40_000, 1 << 20]), max_size=60),
)
def test_it_knows_what_the_parser_keeps(lengths: list[int], reads: list[int]) -> None:
    async def check() -> None:
        intakes = Intakes(asyncio.get_running_loop(), 1 << 30)
        line = Line(intakes, *lengths)
        left = sum(lengths)
        for most in reads:
            if left:
                left -= line.read(min(most, left))
                parser = line.parsers[-1]
                assert (line.intake._pending, line.intake._size) == (parser.kept, parser.size)
                assert intakes.held == (parser.size if parser.size > 65_536 else 0)
        intakes.stop()

    asyncio.run(check())


async def test_a_long_read_does_not_make_the_buffer_grow_without_end() -> None:
    intakes = Intakes(asyncio.get_running_loop(), 1 << 30)
    line = Line(intakes, *[300] * 100_000)
    for _ in range(100):
        line.read(1 << 30)
    assert intakes.held < 1 << 20
    intakes.stop()


async def test_beyond_the_bound_the_oldest_unfinished_message_goes() -> None:
    intakes = Intakes(asyncio.get_running_loop(), 2 << 20)
    lines = [Line(intakes, 1 << 20) for _ in range(6)]
    for line in lines:
        for _ in range(60):
            if line.owner.failed is None:
                line.read(8000)
        await asyncio.sleep(0.001)
    failed = [line.owner.failed is not None for line in lines]
    assert failed == sorted(failed, reverse=True)
    assert any(failed)
    assert not all(failed)
    assert intakes.held <= 2 << 20
    assert lines[0].owner.failed == (1013, "too many unfinished messages")
    intakes.stop()


async def test_big_buffers_without_a_message_go_before_anybody_does() -> None:
    intakes = Intakes(asyncio.get_running_loop(), 2 << 20)
    lines = [Line(intakes, 500_000) for _ in range(20)]
    for line in lines:
        left = 500_000
        while left:
            left -= line.read(left)
    assert not any(line.owner.failed for line in lines)
    assert intakes.held <= 2 << 20
    assert max(len(line.parsers) for line in lines) == 2
    intakes.stop()


@pytest.mark.parametrize("unfinished", [0, 5])
async def test_an_idle_buffer_is_taken_back_between_messages_alone(
    unfinished: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kite.event_hub.intake._IDLE", 0.02)
    intakes = Intakes(asyncio.get_running_loop(), 1 << 30)
    line = Line(intakes, 500_000, 500_000)
    left = 500_000
    while left:
        left -= line.read(left)
    line.owner.unfinished = unfinished
    if not unfinished:
        async with asyncio.timeout(10):
            while intakes.held:  # noqa: ASYNC110  (a timer of the intake's own)
                await asyncio.sleep(0.01)
        assert len(line.parsers) == 2
    else:
        await asyncio.sleep(0.2)
        assert len(line.parsers) == 1
    intakes.stop()


async def test_one_that_is_gone_is_forgotten() -> None:
    intakes = Intakes(asyncio.get_running_loop(), 1 << 30)
    line = Line(intakes, 500_000)
    line.read(100_000)
    line.parsers[-1].connection_lost = lambda _: None  # type: ignore[attr-defined]
    line.intake.connection_lost(None)
    assert intakes.held == 0
    intakes.stop()


async def test_small_buffers_do_not_count() -> None:
    """However many connections there are: their number has a bound of its own."""
    intakes = Intakes(asyncio.get_running_loop(), 1 << 20)
    lines = [Line(intakes, 300_000) for _ in range(200)]
    for line in lines[:-1]:
        line.read(10_000)
    left = 300_000
    while left:
        left -= lines[-1].read(left)
    assert not any(line.owner.failed for line in lines)
    intakes.stop()


async def test_who_puts_a_message_together_from_fragments_has_begun_it_too() -> None:
    intakes = Intakes(asyncio.get_running_loop(), 1 << 20)
    fragments, whole = Line(intakes, *[1000] * 1000), Line(intakes, 1 << 20)
    fragments.owner.unfinished = 600_000
    fragments.read(1000)
    await asyncio.sleep(0.001)
    for _ in range(60):
        whole.read(8000)
    assert fragments.owner.failed is not None
    assert whole.owner.failed is None
    intakes.stop()


async def test_input_that_is_thrown_away_elsewhere_is_not_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kite.event_hub.intake._IDLE", 0.02)
    intakes = Intakes(asyncio.get_running_loop(), 1 << 30)
    line = Line(intakes, 500_000)
    for _ in range(20):
        line.read(8000)
    line.tcp.protocol = None
    async with asyncio.timeout(10):
        while intakes.held:  # noqa: ASYNC110  (a timer of the intake's own)
            await asyncio.sleep(0.01)
    assert len(line.parsers) == 1
    intakes.stop()
