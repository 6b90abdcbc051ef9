"""A tiny parent of the Launcher that leaves nothing behind when the Launcher is killed.

The guard forks before anything heavy is imported, waits in the kernel, and knows every descendant,
as orphans below the Launcher become its children. When the Launcher is gone, for whatever reason,
what is left has a moment to see the end of its lifeline, and is then killed.

    shell ── guard ── Launcher ── modules …

It imports a few modules of the standard library and three small files beside it: its memory is what
a bare interpreter needs.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import time

from kite.launcher import platform_linux
from kite.launcher.descent import descendants
from kite.launcher.freezing import Identity, freeze
from kite.launcher.platform_linux import Stat

_GRACE = 0.8  # seconds from the Launcher's end to the first SIGKILL
_BOUND = 5.0  # seconds after which what cannot be killed is left
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# A terminal sends these to the whole foreground group, so the Launcher has them already; a person
# who types kill -INT means the one process they know of. The signal's origin tells them apart.
_FROM_KEYS = (signal.SIGINT, signal.SIGQUIT)
_SI_KERNEL = 0x80
_TERMINAL = 3  # the descriptor under which the guard keeps standard error, if that is a terminal


def protect() -> None:
    """Fork; return in the child, which is to become the Launcher. The parent never returns: it
    ends with the Launcher's exit status, 128 + n after signal n.

    Call it before threads, event loops and heavy imports. Should the guard be killed, the Launcher
    gets SIGTERM and stops everything in good order.
    """
    guard = os.getpid()
    platform_linux.become_subreaper()
    terminal = Terminal() if os.isatty(2) else None  # as it is before the Launcher reads keys
    # No signal may fall between the fork and the handlers that pass it on.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_PASSED_ON, *_FROM_KEYS, signal.SIGCHLD})
    launcher = os.fork()
    if launcher == 0:
        platform_linux.die_with_parent(signal.SIGTERM)
        if os.getppid() != guard:  # the guard went before the line above
            os.kill(os.getpid(), signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    status = 1
    try:
        status = _guard(launcher, before, terminal)
    finally:
        os._exit(status)


def _guard(launcher: int, mask: set[int], terminal: Terminal | None) -> int:
    _let_go_of_everything(terminal)
    # A pidfd cannot be confused with a later process of the same number.
    pidfd = os.pidfd_open(launcher)

    # What is ignored here is ignored in the Launcher, too (nohup): it stays so.
    heard = {n for n in (*_PASSED_ON, *_FROM_KEYS) if signal.getsignal(n) is not signal.SIG_IGN}
    signal.pthread_sigmask(signal.SIG_SETMASK, {*mask, *heard, signal.SIGCHLD})
    status = _wait_for(launcher, pidfd, heard)
    left = end_descendants(_GRACE, _BOUND)
    _leave_control_group()
    if status >= 0:
        return status
    # The other signals are how people ask it to end.
    if terminal is not None and -status not in (*_PASSED_ON, *_FROM_KEYS):
        terminal.tell(launcher, -status, left)
    return 128 - status


def _leave_control_group() -> None:
    """Whoever is in a group of ours is one of ours."""
    with contextlib.suppress(OSError):
        with open("/proc/self/cgroup", "rb") as file:  # noqa: PTH123
            if b"/kite-" not in file.read():
                return
        from kite.launcher import cgroup  # noqa: PLC0415  (few runs have any)

        cgroup.leave()


class Terminal:
    """The terminal on standard error, to leave it well and with a word if the Launcher cannot."""

    def __init__(self) -> None:
        self._modes = termios.tcgetattr(2)

    def tell(self, launcher: int, number: int, left: list[int]) -> None:
        """Say by which signal the Launcher was killed, and which processes could not be ended.

        In English in any language: a catalogue would cost the guard more than all the rest.
        """
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        ended = "its processes have been ended"
        if left:
            ended = f"these of its processes could not be ended: {', '.join(map(str, left))}"
        # Either fails where the terminal is gone, and with it whoever would read this.
        with contextlib.suppress(OSError, termios.error):
            if os.tcgetpgrp(_TERMINAL) == os.getpgrp():  # else it is somebody else's by now
                termios.tcsetattr(_TERMINAL, termios.TCSADRAIN, self._modes)
        with contextlib.suppress(OSError):
            text = f"kite: the launcher (pid {launcher}) was killed by {name}; {ended}\n"
            os.write(_TERMINAL, text.encode())


def _let_go_of_everything(terminal: Terminal | None) -> None:
    """Descriptors that the guard holds would keep a pipe open that others read to its end.

    Nobody reads a terminal to its end, so that may stay.
    """
    keep = _TERMINAL
    if terminal is not None:
        os.dup2(2, _TERMINAL)
        keep += 1
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(keep, max(256, os.sysconf("SC_OPEN_MAX")))


def _wait_for(launcher: int, pidfd: int, heard: set[signal.Signals]) -> int:
    """Reap orphans and pass signals on until the Launcher ends; its exit status,
    -n after signal n."""
    while True:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == launcher:
                return os.waitstatus_to_exitcode(status)
            if pid == 0:
                break
        told = signal.sigwaitinfo({*heard, signal.SIGCHLD})
        number = told.si_signo
        if number in heard and not (number in _FROM_KEYS and told.si_code == _SI_KERNEL):
            platform_linux.signal_pidfd(pidfd, number)


def end_descendants(grace: float, bound: float) -> list[int]:
    """Give every descendant of this process `grace` seconds to go, then kill; those left after
    `bound` seconds. Waits on pidfds, and reaps."""
    started = time.monotonic()
    _wait_for_ends([p for p in _descendants().values() if p.is_alive], started + grace)
    seen: set[Identity] = set()
    while True:
        alive = freeze(_descendants, seen)
        if not alive or time.monotonic() > started + bound:
            _reap()
            return [process.pid for process in alive]
        for process in alive:
            platform_linux.signal_exactly(process.pid, process.start_time, signal.SIGKILL)
        _wait_for_ends(alive, started + bound)


def _descendants() -> dict[int, Stat]:
    processes = platform_linux.snapshot()
    me = os.getpid()
    return {pid: processes[pid] for pid in descendants(processes, [me]) if pid != me}


def _wait_for_ends(processes: list[Stat], deadline: float) -> None:
    poll = select.poll()
    watched: set[int] = set()
    for process in processes:
        pidfd = platform_linux.open_exactly(process.pid, process.start_time)
        if pidfd is not None:
            watched.add(pidfd)
            poll.register(pidfd, select.POLLIN)
    while watched:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        for pidfd, _ in poll.poll(left * 1000):
            poll.unregister(pidfd)
            watched.discard(pidfd)
            os.close(pidfd)
    for pidfd in watched:
        os.close(pidfd)
    _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
