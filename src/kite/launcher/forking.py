"""From the description of a process to the process: pipes, marks, limits, one fork.

A Python module is forked from a warm template where there is one (`warm.nursery`), everything else
from the Launcher itself (`cold`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import secrets
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kite.errors import ModuleError
from kite.launcher import cold, platform_linux, program
from kite.launcher.cgroup import Group
from kite.launcher.file_limit import at_most

if TYPE_CHECKING:
    from kite.launcher.warm.nursery import Nursery

_SALT = secrets.randbits(39)

_spawned = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process may use. `files`: open descriptors; `memory`: bytes of writable memory."""

    files: int | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """Everything about a process before it exists.

    Args:
        argv: the command; a first word with a slash is relative to `cwd`, else it is looked for
            on the `PATH` of `env`.
        env: the whole environment.
        stdin: True for a pipe that stays open (boot line and lifeline), False for `/dev/null`.
        listener: a listening socket that the process finds as descriptor 3, with `LISTEN_FDS=1`
            and `LISTEN_PID`.
        nursery: forks it from a warm template where that makes no difference; None: never.
        group: the control group it begins in.
    """

    instance: str
    module: str
    life: int
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    stdin: bool = True
    listener: socket.socket | None = None
    limits: Limits = Limits()
    nursery: Nursery | None = None
    group: Group | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """A new process and this side's ends of its pipes, which are non-blocking; `stdin` is None
    for `/dev/null`. `cold_because` says why it is not warm, where it was to be."""

    pid: int
    start_time: int
    mark: int
    pidfd: int
    stdin: int | None
    stdout: int
    stderr: int
    is_warm: bool = False
    cold_because: str = ""


def template_mark() -> int:
    """The mark of this Launcher's templates, which is nobody's who is started."""
    return platform_linux.new_mark(_SALT, 0)


def fork(spec: Spawn) -> Forked:
    """Start the process.

    Raises:
        ModuleError: `program_not_found`, `not_executable`, `bad_interpreter`, `folder_not_found`,
            or `spawn_failed` for what only the kernel could know.
    """
    global _spawned  # noqa: PLW0603  (marks are numbered through)
    path = program.resolve(spec.argv, cwd=spec.cwd, env=spec.env)
    _spawned += 1
    mark = platform_linux.new_mark(_SALT, _spawned)
    try:
        return _fork(spec, str(path), mark)
    except (OSError, ValueError) as error:  # a null byte in a word is a ValueError
        raise ModuleError("spawn_failed", program=spec.argv[0], detail=_detail(error)) from error


def _fork(spec: Spawn, path: str, mark: int) -> Forked:
    with contextlib.ExitStack() as childs_ends, contextlib.ExitStack() as on_failure:
        stdin, write_end = _input(spec.stdin, childs_ends, on_failure)
        stdout, out_end = _output(childs_ends, on_failure)
        stderr, err_end = _output(childs_ends, on_failure)
        streams = (stdin, stdout, stderr)
        pid, cold_because, go = _fork_warm(spec, mark, streams, childs_ends)
        is_warm = pid is not None
        if pid is None:
            pid = cold.start(spec, path, mark, streams, err_end)
        on_failure.callback(_abandon, pid)
        pidfd = os.pidfd_open(pid)
        seen = platform_linux.stat(pid)
        if is_warm:
            _let_go(pid, go, spec)
        on_failure.pop_all()
        return Forked(
            pid=pid,
            start_time=seen.start_time if seen else 0,
            mark=mark,
            pidfd=pidfd,
            stdin=write_end,
            stdout=out_end,
            stderr=err_end,
            is_warm=is_warm,
            cold_because=cold_because,
        )


def _fork_warm(
    spec: Spawn, mark: int, streams: tuple[int, int, int], childs_ends: contextlib.ExitStack
) -> tuple[int | None, str, int]:
    """The pid of a process that waits for its go, and where to write that; or no pid, and why."""
    if spec.nursery is None:
        return None, "", -1
    if replace(spec.limits, files=None) != Limits():
        return None, "its memory is limited", -1
    go_end, go = os.pipe()
    childs_ends.callback(os.close, go_end)
    childs_ends.callback(os.close, go)  # without a word, the process ends
    listener = () if spec.listener is None else (spec.listener.fileno(),)
    pid, cold_because = spec.nursery.fork(spec, mark, [*streams, go_end, *listener])
    return pid, cold_because, go


def _let_go(pid: int, go: int, spec: Spawn) -> None:
    if spec.limits.files is not None:
        value = at_most(resource.RLIMIT_NOFILE, spec.limits.files)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (value, value))
    with contextlib.suppress(BrokenPipeError):  # it is dead already, which its pidfd will tell
        os.write(go, b"!" + (b"" if spec.group is None else os.fsencode(spec.group.door)))


def _input(
    is_pipe: bool, childs_ends: contextlib.ExitStack, on_failure: contextlib.ExitStack
) -> tuple[int, int | None]:
    if not is_pipe:
        null = os.open(os.devnull, os.O_RDONLY)
        childs_ends.callback(os.close, null)
        return null, None
    read_end, write_end = os.pipe()
    childs_ends.callback(os.close, read_end)
    on_failure.callback(os.close, write_end)
    os.set_blocking(write_end, False)
    return read_end, write_end


def _output(childs_ends: contextlib.ExitStack, on_failure: contextlib.ExitStack) -> tuple[int, int]:
    read_end, write_end = os.pipe()
    childs_ends.callback(os.close, write_end)
    on_failure.callback(os.close, read_end)
    os.set_blocking(read_end, False)
    return write_end, read_end


def _abandon(pid: int) -> None:
    """A child that cannot be watched must not run."""
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _detail(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    text = os.strerror(error.errno)
    # E2BIG and the like name the wrapper, which is not what the reader has written.
    return f"{text}: {error.filename}" if error.filename and error.errno != errno.E2BIG else text
