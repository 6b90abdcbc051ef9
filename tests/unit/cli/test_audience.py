"""Noticing that nobody reads what is written, without writing."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
from pathlib import Path

import pytest

from kite.cli.audience import has_left, when_left
from kite.cli.inotify import Inotify


def test_a_pipe_whose_reader_has_left() -> None:
    """Also while the pipe holds what was never read."""
    reader, writer = os.pipe()
    os.write(writer, b"unread")
    assert not has_left(writer)
    os.close(reader)
    assert has_left(writer)
    os.close(writer)


def test_a_terminal_that_was_closed() -> None:
    """As a window is."""
    screen, terminal = pty.openpty()
    os.write(screen, b"typed\n")
    assert not has_left(terminal)
    os.close(screen)
    assert has_left(terminal)
    os.close(terminal)


def test_a_file_is_never_left(tmp_path: Path) -> None:
    """`kite logs -f > file` has no reader, and needs none."""
    with (tmp_path / "out").open("wb") as file:
        assert not has_left(file.fileno())


async def test_an_event_loop_is_told() -> None:
    """Once, although the descriptor stays as it is."""
    reader, writer = os.pipe()
    left = asyncio.Event()
    when_left(writer, left.set)
    await asyncio.sleep(0)
    assert not left.is_set()
    os.close(reader)
    await asyncio.wait_for(left.wait(), 10)
    os.close(writer)


async def test_somebody_who_sends_has_not_left() -> None:
    """A socket is ready for reading then, which is not what was asked."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        called = asyncio.Event()
        when_left(mine.fileno(), called.set)
        theirs.send(b"hello")
        for _turn in range(3):
            await asyncio.sleep(0)
        assert not called.is_set()


async def test_what_a_loop_cannot_watch_is_left_alone(tmp_path: Path) -> None:
    """A file, and a terminal on which somebody types."""
    with (tmp_path / "out").open("wb") as file:
        when_left(file.fileno(), lambda: pytest.fail("nobody has left"))


def test_waiting_for_files_ends_with_the_reader(tmp_path: Path) -> None:
    """In one wait with the changes; without a reader's end it waits for its time."""
    reader, writer = os.pipe()
    with Inotify([tmp_path]) as watch:
        assert watch.wait(0, audience=writer) == []
        os.close(reader)
        with pytest.raises(BrokenPipeError):
            watch.wait(audience=writer)
    os.close(writer)
