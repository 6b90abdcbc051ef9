"""What `/proc` tells of real processes that stand still in different ways."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kite import pulse_reader
from kite.pulse import Pulse, is_at_rest
from kite.wire.loop_thread import LoopThread

DEADLINE = 20.0


@contextmanager
def running(code: str) -> Iterator[int]:
    """A Python program in a session of its own that has said `up`."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"up\n"
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def seen(pid: int, is_so: Callable[[Pulse], bool]) -> Pulse:
    """The first pulse of which it is so."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        pulse = pulse_reader.whole(pid)
        assert pulse is not None
        if is_so(pulse):
            return pulse
    raise AssertionError(pulse)


UP = "print('up', flush=True)\n"
LOCKED = f"import threading\nlock = threading.Lock()\nlock.acquire()\n{UP}lock.acquire()"


def test_a_lock() -> None:
    with running(LOCKED) as pid:
        first = seen(pid, lambda pulse: pulse.state == "S")
        assert not first.wants_cpu
        second = pulse_reader.whole(pid)
        assert second is not None
        assert second.cpu == first.cpu
        assert (second.processes, second.threads, second.is_traced) == (1, 1, False)
        assert "lock" in pulse_reader.portrait(pid)


def test_stopped_and_gone() -> None:
    with running(LOCKED) as pid:
        os.kill(pid, signal.SIGSTOP)
        assert seen(pid, lambda pulse: pulse.state == "T").state == "T"
        found = pulse_reader.leader(pid)
        assert found is not None
        assert (found.state, found.is_traced) == ("T", False)
    assert pulse_reader.leader(pid) is None
    assert pulse_reader.whole(pid) is None
    assert pulse_reader.portrait(pid) == "\n"


def test_a_child_that_computes_counts_for_the_tree() -> None:
    code = f"import subprocess, sys\n{UP}subprocess.run([sys.executable, '-S', '-c', 'while True: pass'])"
    with running(code) as pid:
        first = seen(pid, lambda pulse: pulse.processes == 2 and pulse.wants_cpu)
        assert seen(pid, lambda pulse: pulse.cpu >= first.cpu + 0.05).state == "S"


def at_rest(pid: int, *, is_so: bool) -> None:
    """Wait until the main thread is (or is not) seen to be at rest."""
    here = pulse_reader.loop_thread()
    assert here is not None
    thread = LoopThread(namespace=here.namespace, process=pid, thread=pid)
    deadline = time.monotonic() + DEADLINE
    while pulse_reader.is_at_rest(thread) is not is_so:
        assert time.monotonic() < deadline
    elsewhere = LoopThread(namespace=here.namespace + 1, process=pid, thread=pid)
    assert not pulse_reader.is_at_rest(elsewhere)


def test_an_event_loop_is_at_rest_until_it_is_stopped() -> None:
    code = "import asyncio; print('up', flush=True); asyncio.run(asyncio.sleep(1000))"
    with running(code) as pid:
        at_rest(pid, is_so=True)
        os.kill(pid, signal.SIGSTOP)
        at_rest(pid, is_so=False)
        os.kill(pid, signal.SIGCONT)
        at_rest(pid, is_so=True)
    at_rest(pid, is_so=False)


def test_who_sleeps_blocks_or_computes_is_not_at_rest() -> None:
    for does in (
        "import time; time.sleep(1000)",
        "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
        "import os; os.read(os.pipe()[0], 1)",
        "while True: pass",
    ):
        with running(f"print('up', flush=True)\n{does}") as pid:
            at_rest(pid, is_so=False)
            pulse = pulse_reader.leader(pid, closely=True)
            assert pulse is not None
            assert not is_at_rest(pulse)
