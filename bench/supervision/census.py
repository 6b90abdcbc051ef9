"""Who is alive, seen from outside through /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

PATIENCE = 60.0


def pids() -> set[int]:
    """Of all processes."""
    return {int(name) for name in os.listdir("/proc") if name[0] in "123456789"}  # noqa: PTH208


def number_of(pid: int) -> int | None:
    """The number of a program's process; None for any other process, and for a zombie."""
    words = _read(pid, "cmdline").split(b"\0")
    if len(words) == 3 and words[0].rpartition(b"/")[2] == b"sleep" and words[1].isdigit():
        return int(words[1])
    return None


def programs(numbers: Iterable[int]) -> dict[int, int]:
    """The living processes that have one of these numbers: pid by number."""
    wanted = set(numbers)
    found = {number_of(pid): pid for pid in pids()}
    return {number: pid for number, pid in found.items() if number in wanted}


def own(entry: bytes) -> set[int]:
    """The living processes that were started with this entry (`NAME=value`) of the environment
    and are no programs."""
    found = (pid for pid in pids() if entry in _read(pid, "environ").split(b"\0"))
    return {pid for pid in found if number_of(pid) is None and _read(pid, "cmdline")}


class Arrivals:
    """Processes of programs that come into being after this was made.

    Args:
        numbers: which to look for.
        pause: seconds between two looks: what a measurement may be too long by, with the time
            that a look takes (about 0.2 ms for a hundred processes).
    """

    def __init__(self, numbers: Iterable[int], *, pause: float = 0.0002) -> None:
        self._missing = set(numbers)
        self._pause = pause
        self._old = pids()

    def wait(self, timeout: float = PATIENCE) -> float:
        """Until all of them are there; the time of the monotonic clock at which they were seen.

        Raises:
            TimeoutError: some are not.
        """
        deadline = time.monotonic() + timeout
        while self._missing:
            for pid in pids() - self._old:
                # What is no program yet may become one by exec: it is looked at again.
                if (number := number_of(pid)) in self._missing:
                    self._missing.discard(number)
                    self._old.add(pid)
            if self._missing:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{len(self._missing)} programs did not come")
                time.sleep(self._pause)
        return time.monotonic()


def wait_for(fact: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
    """Until something is so.

    Raises:
        TimeoutError: it did not become so.
    """
    deadline = time.monotonic() + timeout
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout:g} s: {what}")
        time.sleep(0.02)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
