"""Load from plain sockets: one process writes prepared bytes, another reads and counts."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench.hub.peers.peer import Counter

_SLICE = 1 << 18
_ROOM = 1 << 20
PATIENCE = 120.0

_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One subscriber's connection, and how many bytes must come."""

    connection: socket.socket
    expected: int
    counter: Counter


def run(writers: Sequence[tuple[socket.socket, bytes]], readers: Sequence[Reader]) -> float:
    """Write everything, and wait until everything has been read.

    Returns:
        Seconds from the first byte written to the last byte read.

    Raises:
        RuntimeError: something was lost, or came in excess.
    """
    ours, theirs = _fork.Pipe()
    reading = _fork.Process(target=_read, args=(readers, theirs))
    reading.start()
    ours.recv()
    began_ours, began_theirs = _fork.Pipe()
    writing = _fork.Process(target=_write, args=(writers, began_theirs))
    writing.start()
    try:
        if not ours.poll(PATIENCE):
            raise RuntimeError("the messages did not all arrive in time")
        ended = ours.recv()
        if isinstance(ended, str):
            raise RuntimeError(ended)
        return float(ended) - float(began_ours.recv())
    finally:
        for process in (reading, writing):
            process.terminate()
            process.join()


def _write(writers: Sequence[tuple[socket.socket, bytes]], began: Connection) -> None:
    """Keep every socket full; what the server says to a publisher is read and thrown away."""
    selector = selectors.DefaultSelector()
    left = {}
    for connection, data in writers:
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        left[connection] = memoryview(data)
    began.send(time.monotonic())
    rubbish = bytearray(1 << 16)
    while left:
        for key, events in selector.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if events & selectors.EVENT_READ and not connection.recv_into(rubbish):
                selector.unregister(connection)
                left.pop(connection, None)
                continue
            if events & selectors.EVENT_WRITE and (data := left.get(connection)):
                try:
                    left[connection] = data = data[connection.send(data[:_SLICE]) :]
                except BlockingIOError:
                    continue
                if not data:
                    del left[connection]
                    selector.modify(connection, selectors.EVENT_READ)
    while selector.get_map():
        for key, _ in selector.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if not connection.recv_into(rubbish):
                selector.unregister(connection)


def _read(readers: Sequence[Reader], ready: Connection) -> None:
    selector = selectors.DefaultSelector()
    for reader in readers:
        reader.connection.setblocking(False)
        selector.register(reader.connection, selectors.EVENT_READ, reader)
    room = bytearray(_ROOM)
    view = memoryview(room)
    missing = len(readers)
    ready.send("ready")
    while missing:
        for key, _ in selector.select():
            reader: Reader = key.data
            count = reader.connection.recv_into(room)
            if not count:
                ready.send("the server closed a subscriber's connection")
                return
            reader.counter.feed(view[:count])
            if reader.counter.total >= reader.expected:
                if reader.counter.total > reader.expected:
                    ready.send(f"{reader.counter.total} bytes came, not {reader.expected}")
                    return
                missing -= 1
    ready.send(time.monotonic())
