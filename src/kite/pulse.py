"""What a process and all below it do at one moment, and what two moments say together."""

from __future__ import annotations

import msgspec

STARVED_SHARE = 0.5
FED_SHARE = 0.05
"""A tree that waited for a processor for more of the time than the one, and had one for less than the
other, was not given its chance. A twentieth of a processor is enough to answer a ping in seconds."""


_LOOPS = ("epoll", "ep_poll", "kqueue", "io_cqring_wait")


def is_loop(wait: str) -> bool:
    """Whether the place in the kernel where a thread waits is the one where event loops do."""
    return any(word in wait for word in _LOOPS)


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a module's process, the leader, and its descendants.

    Args:
        state: the leader's, as in `/proc/<pid>/stat`: `R`, `S`, `D`, `T` (stopped), `t` (traced) ….
        is_traced: whether somebody traces the leader: a debugger, say.
        started: when the leader did, in ticks since the boot: with the pid it names a process.
        wait: where in the kernel the leader's main thread waits; empty where that is not told.
        cpu: seconds of processor time that the tree has used, children it has waited for included.
        starved: seconds for which its threads were ready to run and waited for a processor.
        wants_cpu: whether a thread of it is running, or would if there were a processor.
        is_stuck: whether a thread of it waits for a disk or the like, and cannot be interrupted.
        processes, threads: how many it has.
    """

    state: str
    is_traced: bool = False
    started: int = 0
    wait: str = ""
    cpu: float = 0.0
    starved: float = 0.0
    wants_cpu: bool = False
    is_stuck: bool = False
    processes: int = 1
    threads: int = 1


def is_at_rest(pulse: Pulse) -> bool:
    """Whether the leader waits for events, as an event loop does that has nothing to do."""
    return pulse.state == "S" and is_loop(pulse.wait)


def is_starved(before: Pulse, after: Pulse, seconds: float) -> bool:
    """Whether the tree could have run in these seconds, and was not let. Threads that wait at once
    add up."""
    waited, used = after.starved - before.starved, after.cpu - before.cpu
    return waited > STARVED_SHARE * seconds and used < FED_SHARE * seconds
