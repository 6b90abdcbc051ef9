"""The stream that is written without waiting."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from kite.launcher.screen import Screen


@pytest.fixture
def pipe() -> object:
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    yield reader, stream
    stream.close()
    os.close(reader)


def drain(reader: int) -> bytes:
    os.set_blocking(reader, False)
    data = b""
    while True:
        try:
            more = os.read(reader, 1 << 16)
        except BlockingIOError:
            return data
        if not more:
            return data
        data += more


def test_a_reader_that_does_not_read_loses_lines_and_they_are_counted(pipe) -> None:
    reader, stream = pipe
    screen = Screen(stream, limit=10_000)
    line = "x" * 99 + "\n"
    for _number in range(2000):
        screen.write(line, lines=1)
    assert screen.is_congested
    written = drain(reader)
    screen.flush()
    written += drain(reader)
    assert screen.dropped == 2000 - len(written) // 100
    assert screen.dropped > 0
    assert len(written) % 100 == 0, "a line was torn"
    screen.close()


def test_what_matters_is_kept_whatever_the_limit(pipe) -> None:
    reader, stream = pipe
    screen = Screen(stream, limit=10)
    for _number in range(2000):
        screen.write("y" * 99 + "\n", lines=1)
    screen.write("the end\n")
    data = b""
    while screen.is_congested:
        data += drain(reader)
        screen.flush()
    assert (data + drain(reader)).endswith(b"the end\n")
    screen.close()


async def test_the_loop_writes_on_when_the_reader_comes_back(pipe) -> None:
    reader, stream = pipe
    screen = Screen(stream, limit=1 << 20)
    for _number in range(3000):
        screen.write("z" * 99 + "\n", lines=1)
    assert screen.is_congested
    data = b""
    async with asyncio.timeout(10):
        while len(data) < 300_000:
            data += drain(reader)
            await asyncio.sleep(0)
    assert not screen.is_congested
    screen.close()


def test_the_streams_own_descriptor_stays_blocking(pipe) -> None:
    _reader, stream = pipe
    screen = Screen(stream)
    screen.write("a\n")
    assert os.get_blocking(stream.fileno())
    screen.close()


def test_a_reader_that_left_is_forgotten() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        screen = Screen(stream)
        os.close(reader)
        screen.write("nobody hears this\n")
        screen.write("nor this\n")
        assert not screen.is_congested
        screen.close()


def test_a_file_takes_everything(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="utf-8") as stream:
        screen = Screen(stream, limit=10)
        for number in range(1000):
            screen.write(f"{number} 文\n", lines=1)
        screen.close()
    assert (tmp_path / "out").read_text(encoding="utf-8").splitlines()[-1] == "999 文"
    assert screen.dropped == 0
