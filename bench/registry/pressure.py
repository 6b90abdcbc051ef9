"""Work beside what is measured, by processes of their own: changes at a steady rate, and changes as fast as they are taken."""

from __future__ import annotations

import multiprocessing
import selectors
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event
from typing import Any

from bench.registry.connection import Connection, Request
from bench.registry.load import PATIENCE, Lane, closed_loop
from bench.registry.peers import Peer

_fork = multiprocessing.get_context("fork")
_CLIENTS = 32
"""Of the steady rate: many more than those who ask as fast as they can, so that it is kept."""


class Pressure:
    """Changes of some modules at a steady rate; asked for what it did when it is over.

    Attributes:
        written: how many changes were answered.
        seconds: for which it went on.
    """

    def __init__(self) -> None:
        self.written = 0
        self.seconds = 0.0

    @property
    def rate(self) -> float:
        """Changes a second that there really were."""
        return self.written / self.seconds if self.seconds else 0.0


@contextmanager
def pressure(peer: Peer, modules: Sequence[str], rate: int) -> Iterator[Pressure]:
    """Change these modules so often a second while the block lasts; slower where the server is."""
    told = Pressure()
    ours, theirs = _fork.Pipe()
    stop = _fork.Event()
    process = _fork.Process(target=_press, args=(peer, modules, rate, stop, theirs))
    process.start()
    try:
        _hear(ours)
        yield told
        stop.set()
        told.written, told.seconds = _hear(ours)
    finally:
        process.terminate()
        process.join()


@contextmanager
def changing(peer: Peer, modules: Sequence[str], times: int) -> Iterator[None]:
    """Change each of these so many times, by a client for each, as fast as they are taken.

    Raises (at the end):
        RuntimeError: a change was refused, or they took too long.
    """
    ours, theirs = _fork.Pipe()
    process = _fork.Process(target=_change, args=(peer, modules, times, theirs))
    process.start()
    try:
        _hear(ours)
        yield
        _hear(ours)
    finally:
        process.terminate()
        process.join()


def _hear(pipe: Pipe) -> Any:
    if not pipe.poll(PATIENCE):
        raise RuntimeError("a client process said nothing")
    said = pipe.recv()
    if isinstance(said, Exception):
        raise RuntimeError(f"a client process failed: {said!r}") from said
    return said


def _change(peer: Peer, modules: Sequence[str], times: int, told: Pipe) -> None:
    try:
        lanes = [
            Lane(
                peer.connect(),
                [(peer.change(module_id, count),) for count in range(1, times + 1)],
            )
            for module_id in modules
        ]
        told.send("ready")
        told.send(closed_loop(lanes, 10 * PATIENCE).seconds)
    except Exception as failure:  # noqa: BLE001  (said where somebody waits)
        told.send(RuntimeError(repr(failure)))


def _press(peer: Peer, modules: Sequence[str], rate: int, stop: Event, told: Pipe) -> None:
    try:
        told.send("ready")
        told.send(_steady(peer, modules, rate, stop))
    except Exception as failure:  # noqa: BLE001
        told.send(RuntimeError(repr(failure)))


def _steady(peer: Peer, modules: Sequence[str], rate: int, stop: Event) -> tuple[int, float]:
    """Each change when it is due, by whichever client is free."""
    free: list[Connection] = [peer.connect() for _ in range(_CLIENTS)]
    requests = _requests(peer, modules)
    begun = answered = 0
    with selectors.DefaultSelector() as selector:
        for connection in free:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        began = time.monotonic()
        while not stop.is_set():
            due = int((time.monotonic() - began) * rate)
            while free and begun < due:
                free.pop().write(next(requests))
                begun += 1
            until_next = max(began + (begun + 1) / rate - time.monotonic(), 0.0)
            for key, _ in selector.select(until_next if free else PATIENCE):
                connection = key.data
                if connection.read() is not None:
                    answered += 1
                    free.append(connection)
    return answered, time.monotonic() - began


def _requests(peer: Peer, modules: Sequence[str]) -> Iterator[Request]:
    count = 0
    while True:
        count += 1
        for module_id in modules:
            yield peer.change(module_id, count)
