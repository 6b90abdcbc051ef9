"""Takes a pulse: reads `/proc`. Linux; elsewhere there is none to be read, and nobody is judged by it."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from pathlib import Path
from typing import Final

from kite.pulse import Pulse, is_loop
from kite.wire.loop_thread import LoopThread

_TICK: Final = os.sysconf("SC_CLK_TCK")
_MOST_THREADS: Final = 64
_PROC: Final = Path("/proc")

_PARENT, _SESSION, _UTIME, _CSTIME, _THREADS, _STARTED = 1, 3, 11, 14, 17, 19
"""Places in `/proc/<pid>/stat` behind the name."""


def loop_thread() -> LoopThread | None:
    """The thread that calls this; None where threads cannot be looked at."""
    namespace = _namespace()
    if namespace is None:
        return None
    return LoopThread(namespace=namespace, process=os.getpid(), thread=threading.get_native_id())


def is_at_rest(thread: LoopThread) -> bool:
    """Whether a thread waits for events at this moment, as an event loop does that has nothing to
    do. False also where that cannot be seen: one of another namespace, or one that is gone."""
    if thread.namespace != _namespace():
        return False
    return is_loop(_wait(f"/proc/{thread.process}/task/{thread.thread}/wchan"))


@functools.cache
def _namespace() -> int | None:
    """The namespace of process ids that this process is in."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116  (as below)
    except OSError:
        return None


def leader(pid: int, *, closely: bool = False) -> Pulse | None:
    """The leader alone, and only its state: cheap. None: there is no such process.

    Args:
        closely: also where its main thread waits.
    """
    fields = _stat(f"/proc/{pid}/stat")
    if fields is None:
        return None
    is_traced = fields[0] in "tT" and _tracer(pid)
    wait = _wait(f"/proc/{pid}/wchan") if closely else ""
    return Pulse(state=fields[0], is_traced=is_traced, started=int(fields[_STARTED]), wait=wait)


def whole(pid: int) -> Pulse | None:
    """The leader and everything that descends from it or shares its session."""
    own = _stat(f"/proc/{pid}/stat")
    if own is None:
        return None
    cpu = starved = 0.0
    threads = 0
    wants_cpu = is_stuck = False
    tree = _tree(pid)
    for member, fields in tree.items():
        ticks = sum(int(each) for each in fields[_UTIME : _UTIME + 2])
        if member == pid:  # of others it would be counted again in those who waited for them
            ticks += sum(int(each) for each in fields[_CSTIME - 1 : _CSTIME + 1])
        cpu += ticks / _TICK
        threads += int(fields[_THREADS])
        for task in _tasks(member):
            letter = (_stat(f"{task}/stat") or ["S"])[0]
            wants_cpu = wants_cpu or letter == "R"
            is_stuck = is_stuck or letter == "D"
            starved += _starved(task)
    return Pulse(
        state=own[0],
        is_traced=_tracer(pid),
        started=int(own[_STARTED]),
        wait=_wait(f"/proc/{pid}/wchan"),
        cpu=round(cpu, 3),
        starved=round(starved, 3),
        wants_cpu=wants_cpu,
        is_stuck=is_stuck,
        processes=len(tree),
        threads=threads,
    )


def portrait(pid: int) -> str:
    """What can be read of the tree's threads, for people: states, where they wait, and stacks of
    the kernel where the system shows them."""
    lines = []
    for member, fields in _tree(pid).items():
        command = _read(f"/proc/{member}/cmdline").replace("\0", " ").strip()[:200]
        lines += [f"process {member}, parent {fields[_PARENT]}: {command}"]
        lines += [
            f"  {line}"
            for line in _read(f"/proc/{member}/status").splitlines()
            if line.startswith(("State", "TracerPid", "VmRSS", "VmSwap", "Threads", "SigCgt"))
        ]
        for task in _tasks(member):
            letter = (_stat(f"{task}/stat") or ["?"])[0]
            name, wait = _read(f"{task}/comm").strip(), _wait(f"{task}/wchan") or "-"
            lines += [f"  thread {task.rpartition('/')[2]} {name}: {letter} {wait}"]
            lines += [f"    {line}" for line in _read(f"{task}/stack").splitlines()[:24]]
    return "\n".join(lines) + "\n"


def _tree(pid: int) -> dict[int, list[str]]:
    """The tree's processes, the leader first: those below it, and those of its session."""
    found: dict[int, list[str]] = {}
    for name in os.listdir(_PROC):  # noqa: PTH208  (a path object for each name doubles the time)
        if name.isdigit() and (fields := _stat(f"/proc/{name}/stat")) is not None:
            found[int(name)] = fields
    tree = {pid} & found.keys()
    tree |= {each for each, fields in found.items() if int(fields[_SESSION]) == pid}
    while more := {e for e, f in found.items() if int(f[_PARENT]) in tree} - tree:
        tree |= more
    return {each: found[each] for each in sorted(tree, key=lambda each: (each != pid, each))}


def _tasks(pid: int) -> list[str]:
    try:
        names = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  (as above)
    except OSError:
        return []
    return [f"/proc/{pid}/task/{name}" for name in names[:_MOST_THREADS]]


def _stat(path: str) -> list[str] | None:
    text = _read(path)
    fields = text[text.rfind(")") + 2 :].split()
    return fields if len(fields) > _STARTED else None


def _tracer(pid: int) -> bool:
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("TracerPid:"):
            return line.split()[1] != "0"
    return False


def _starved(task: str) -> float:
    """Seconds for which a thread was ready and waited; 0 where the kernel does not count."""
    words = _read(f"{task}/schedstat").split()
    return int(words[1]) / 1e9 if len(words) > 1 else 0.0


def _wait(path: str) -> str:
    """Where a thread waits: `0` is nowhere, or a secret."""
    found = _read(path).strip()
    return "" if found == "0" else found


def _read(path: str) -> str:
    """A file of `/proc`; empty where it is gone, or hidden."""
    with contextlib.suppress(OSError), open(path, "rb") as file:  # noqa: PTH123  (as above)
        return file.read().decode("utf-8", "replace")
    return ""
