"""What the Launcher asks of the template, what that answers, and how both travel.

One message each way over a socket that keeps their bounds; the order carries descriptors: standard
input, output and error, the `go`, and the listening socket where there is one.
"""

from __future__ import annotations

import errno
import os
import socket

import msgspec

LONGEST = 1 << 20
"""Bytes; the kernel's own bound on what a socket takes at once is lower as a rule."""
_DESCRIPTORS = 5


class Order(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=True):
    """A process that is to be forked.

    Args:
        argv: interpreter, `-u` or `-m`, and the file or module.
        cwd: its working directory.
        folder: where it imports from first.
        env: its whole environment.
        mark: what its tree carries; it has it from its first instruction on.
        launcher: the pid of who is to be its parent.
        ignored: the signals that it ignores, as a child of the Launcher would.
        blocked: the signals that are blocked in it, likewise.
    """

    argv: tuple[bytes, ...]
    cwd: bytes
    folder: bytes
    env: dict[bytes, bytes]
    mark: int
    launcher: int
    ignored: tuple[int, ...] = ()
    blocked: tuple[int, ...] = ()


class Rehearse(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Many processes are to be forked: be as ready for it as can be. There is no answer."""


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A template's first word: it has imported everything.

    Args:
        modules: the top-level names that are imported in it.
    """

    modules: tuple[str, ...]


class Born(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The process is there, a child of the Launcher and leader of a session; it awaits its go."""

    pid: int


class Stillborn(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """There is no process.

    Args:
        error: the number of the operating system's error.
    """

    error: int


Request = Order | Rehearse
Answer = Hello | Born | Stillborn

_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(Request)
_answers = msgspec.msgpack.Decoder(Answer)


def pair() -> tuple[socket.socket, socket.socket]:
    """The Launcher's end and the template's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST)
    return ours, theirs


def send_request(sock: socket.socket, request: Request, descriptors: list[int]) -> None:
    """Ask for something; descriptors go with an order.

    Raises:
        OSError: nobody is there (`BrokenPipeError`), it is too long (`EMSGSIZE`), or the socket is
            full (`BlockingIOError`).
    """
    data = _encoder.encode(request)
    if len(data) > LONGEST:  # it would arrive cut off
        raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
    socket.send_fds(sock, [data], descriptors)


def receive_request(sock: socket.socket) -> tuple[Request, list[int]] | None:
    """What is asked for next, or None at the end."""
    data, descriptors, _, _ = socket.recv_fds(sock, LONGEST, _DESCRIPTORS)
    return (_requests.decode(data), descriptors) if data else None


def send_answer(sock: socket.socket, answer: Answer) -> None:
    """Send an answer."""
    sock.send(_encoder.encode(answer))


def receive_answer(sock: socket.socket) -> Answer | None:
    """The next answer, or None at the end.

    Raises:
        OSError, msgspec.DecodeError: there is none now, or it is none.
    """
    data = sock.recv(LONGEST)
    return _answers.decode(data) if data else None
