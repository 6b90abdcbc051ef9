"""Clients that ask again as soon as they are answered."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.registry.connection import Connection, Operation, Request

PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was done.

    Args:
        seconds: from the first question to the last answer.
        took: of each operation, in seconds.
    """

    seconds: float
    took: Sequence[float]

    @property
    def rate(self) -> float:
        """Operations a second."""
        return len(self.took) / self.seconds


class Lane:
    """One client with what it has to do."""

    def __init__(self, connection: Connection, operations: Iterable[Operation]) -> None:
        self.connection = connection
        self.took: list[float] = []
        self._operations = iter(operations)
        self._requests: Iterator[Request] = iter(())
        self._began = 0.0

    def begin(self) -> bool:
        """Ask the first thing of the next operation; False where there is none."""
        operation = next(self._operations, None)
        if operation is None:
            return False
        self._requests = iter(operation)
        self._began = time.perf_counter()
        self.connection.write(next(self._requests))
        return True

    def read(self) -> bool:
        """Something has come; whether the operation is over."""
        if self.connection.read() is None:
            return False
        request = next(self._requests, None)
        if request is not None:
            self.connection.write(request)
            return False
        self.took.append(time.perf_counter() - self._began)
        return True


def closed_loop(lanes: Sequence[Lane], seconds: float = PATIENCE) -> Load:
    """Keep all clients busy for so long, or until they have done everything.

    Raises:
        TimeoutError: nobody was answered.
    """
    began = time.perf_counter()
    deadline = began + seconds
    with selectors.DefaultSelector() as selector:
        for lane in lanes:
            if lane.begin():
                selector.register(lane.connection.socket, selectors.EVENT_READ, lane)
        while selector.get_map():
            ready = selector.select(PATIENCE)
            if not ready:
                raise TimeoutError("no answer came")
            for key, _ in ready:
                lane = key.data
                if not lane.read():
                    continue
                if time.perf_counter() >= deadline or not lane.begin():
                    selector.unregister(key.fileobj)
    ended = time.perf_counter()
    return Load(seconds=ended - began, took=[each for lane in lanes for each in lane.took])
