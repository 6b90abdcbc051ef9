"""The template's own work: one order after the other, and for each a process.

A process is forked twice, so that the kernel gives it to the Launcher, which is a subreaper: its
exit is the Launcher's to read, as that of any other child.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import struct
import sys

from kite.launcher import platform_linux
from kite.launcher.warm.newborn import Likeness, Newborn
from kite.launcher.warm.order import (
    Born,
    Hello,
    Order,
    Rehearse,
    Stillborn,
    receive_request,
    send_answer,
)

ENTRY = "kite.launcher.warm.entry"
_SOCKET = 3
_NUMBER = struct.Struct("i")


def attend(sock: socket.socket, *, launcher: int, mark: int, hello: Hello | None) -> Newborn | None:
    """Be the template: carry out orders until the Launcher closes its end (None).

    Returns also in each process that was forked, with what that is to become.

    Args:
        launcher: its pid.
        mark: what a later Launcher knows this process by.
        hello: what to say first, if the Launcher waits for it.
    """
    platform_linux.die_with_parent(signal.SIGKILL)
    if os.getppid() != launcher:  # it went before the line above
        return None
    with contextlib.suppress(PermissionError):  # it leads one already
        os.setsid()
    os.chdir("/")
    _mark(mark)
    sock = _let_go_of_everything_but(sock)
    likeness = Likeness(_words(launcher))
    if hello is not None:
        send_answer(sock, hello)
    while (received := receive_request(sock)) is not None:
        order, descriptors = received
        if isinstance(order, Rehearse):
            from kite.launcher.warm.rehearsal import rehearse  # noqa: PLC0415  (few need it)

            rehearse()
            continue
        outcome = _bear(order, descriptors, likeness)
        if isinstance(outcome, Newborn):
            sock.detach()
            return outcome
        for descriptor in descriptors:
            os.close(descriptor)
        send_answer(sock, Born(pid=outcome) if outcome > 0 else Stillborn(error=-outcome))
    return None


def _let_go_of_everything_but(sock: socket.socket) -> socket.socket:
    """What the Launcher has open is not to be held open here, nor in any module."""
    os.dup2(sock.detach(), _SOCKET, inheritable=False)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(_SOCKET + 1, max(256, os.sysconf("SC_OPEN_MAX")))
    return socket.socket(fileno=_SOCKET)


def _words(launcher: int) -> tuple[bytes, ...]:
    """What people who look see the template as."""
    return os.fsencode(sys.executable), b"-m", ENTRY.encode(), str(launcher).encode()


def _mark(mark: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    with contextlib.suppress(OSError, ValueError):  # a lower hard limit: other signs must do
        resource.setrlimit(resource.RLIMIT_RTTIME, (mark, hard))


def _bear(order: Order, descriptors: list[int], likeness: Likeness) -> int | Newborn:
    """The pid of the process, or the negative number of the error; in itself the newborn."""
    read_end, write_end = os.pipe()
    try:
        between = os.fork()
    except OSError as error:
        os.close(read_end)
        os.close(write_end)
        return -(error.errno or 1)
    if between == 0:
        return _be_between(order, descriptors, likeness, write_end)
    os.close(write_end)
    try:
        # Its end comes without a word where nobody is left who could say one.
        told = os.read(read_end, _NUMBER.size)
        os.waitpid(between, 0)
    finally:
        os.close(read_end)
    return int(_NUMBER.unpack(told)[0]) if len(told) == _NUMBER.size else -1


def _be_between(
    order: Order, descriptors: list[int], likeness: Likeness, write_end: int
) -> Newborn:
    try:
        # Before the process is there, so that it has both from its first instruction on.
        _mark(order.mark)
        os.chdir(order.cwd)
        if os.fork():
            os._exit(0)
        os.setsid()
        os.write(write_end, _NUMBER.pack(os.getpid()))
    except OSError as error:
        os.write(write_end, _NUMBER.pack(-(error.errno or 1)))
        os._exit(1)
    return Newborn(order, descriptors, likeness)
