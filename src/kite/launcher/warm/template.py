"""The Launcher's end of a template: how one comes to be, and how it is asked for a process."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from kite.launcher import adopted, platform_linux
from kite.launcher.core.warmth import Ground
from kite.launcher.warm.mother import ENTRY
from kite.launcher.warm.order import (
    Answer,
    Born,
    Hello,
    Order,
    Rehearse,
    Stillborn,
    pair,
    receive_answer,
    send_request,
)

ANSWERS_WITHIN = 0.4
"""Seconds in which a template answers, or counts as hung. It needs two or three milliseconds."""

LONGEST_REHEARSAL = 1.5
"""Seconds by which it may answer later after a rehearsal."""

ENDS_WITHIN = 1.0
"""Seconds until a killed template is dead; it is left to the guard after that."""


class Unanswered(Exception):  # noqa: N818  (a fact about the template)
    """The template is dead or hangs, and of no use any more; says which."""


class Refused(Exception):  # noqa: N818  (a fact about one order)
    """This process cannot be forked here; says why. The next one may."""


class Template:
    """A process of this Launcher that forks others.

    Args:
        sock: the Launcher's end.
        pid: of the template.
        ground: what it stands on; None until it has said so itself.

    Attributes:
        pidfd: readable when it has ended.
    """

    def __init__(self, sock: socket.socket, pid: int, ground: Ground | None) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.ground = ground
        self.sock = sock
        self._busy_until = 0.0
        adopted.own(pid)

    def hear(self) -> None:
        """Take its hello.

        Raises:
            Unanswered: it has something else to say, or nothing any more.
        """
        match _receive(self.sock):
            case Hello(modules=modules):
                self.ground = ground_of(frozenset(modules))
            case _:
                raise Unanswered("it has ended before it was up")

    def rehearse(self) -> None:
        """Let it be as ready for many orders as can be; until then it may be a little slower to
        answer. What is wrong with it is found at the next order."""
        with contextlib.suppress(OSError):
            send_request(self.sock, Rehearse(), [])
            self._busy_until = time.monotonic() + LONGEST_REHEARSAL

    def fork(self, order: Order, descriptors: list[int]) -> int:
        """A new process, which waits for its go; its pid. Bounded by `ANSWERS_WITHIN`.

        Raises:
            Refused: the order is too long, or the operating system has said no.
            Unanswered: the template is of no use any more.
        """
        try:
            send_request(self.sock, order, descriptors)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise Refused("its environment is too large") from None
            raise Unanswered(f"it takes no order: {error.strerror}") from error
        deadline = max(time.monotonic(), self._busy_until) + ANSWERS_WITHIN
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if not poll.poll(1000 * max(0.0, deadline - time.monotonic())):
            raise Unanswered(f"it has not answered in {ANSWERS_WITHIN} s")
        match _receive(self.sock):
            case Born(pid=pid):
                return pid
            case Stillborn(error=number):
                raise Refused(os.strerror(number))
            case _:
                raise Unanswered("it has ended")

    def end(self) -> None:
        """Kill it, and let go of it. There is nothing in it that could be lost."""
        self.sock.close()
        platform_linux.signal_pidfd(self.pidfd, signal.SIGKILL)
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        poll.poll(1000 * ENDS_WITHIN)  # at once, unless the kernel is stuck
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        os.close(self.pidfd)
        adopted.disown(self.pid)


def _receive(sock: socket.socket) -> Answer | None:
    try:
        return receive_answer(sock)
    except (OSError, msgspec.DecodeError):
        return None


def ground_of(modules: frozenset[str]) -> Ground:
    """That of a template of this process's."""
    return Ground(interpreter=sys.executable, environ=dict(os.environ), modules=modules)


def plant(mark: int, environ: Mapping[str, str]) -> Template:
    """A template in a new interpreter, which says hello when it has imported everything.

    Raises:
        OSError: there is no process to be had.
    """
    ours, theirs = pair()
    with theirs:
        words = [*platform_linux.parent_death_prefix(), sys.executable, "-P", "-m", ENTRY]
        given = [str(theirs.fileno()), str(os.getpid()), str(mark)]
        try:
            with platform_linux.marking(mark):
                child: subprocess.Popen[Any] = subprocess.Popen(
                    [*words, *given],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env=environ,
                    cwd="/",
                    start_new_session=True,
                    pass_fds=[theirs.fileno()],
                )
        except OSError:
            ours.close()
            raise
    child.returncode = 0  # its end is read by pidfd
    ours.setblocking(False)
    return Template(ours, child.pid, None)
