"""One process of a module: spawned without a shell, watched through a pidfd, signalled by group.

The exit is noticed through the pidfd alone, so nobody who holds the pipes open can hide it. The
status is read without reaping: until `close` the dead leader keeps its pid, and with it the ids of
its group and session, from being given to a stranger while the rest of its tree is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kite.errors import ModuleError
from kite.launcher import adopted, platform_linux, program
from kite.launcher.kin import Kin

_SALT = secrets.randbits(39)
_PENDING_LIMIT = 1 << 20  # bytes that wait for a child that does not read

# The shell that hands over the socket knows its pid, which stays the program's through exec. The
# socket comes as its standard input, as no shell can name every descriptor; the real one, a pipe
# or /dev/null, is opened by its path in /dev/fd.
_HAND_OVER = 'LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec 3<&0 <"$0"; exec "$@"'

_spawned = 0
_files_before: tuple[int, int] | None = None


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


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: exactly one of the two is set, or none where the kernel did not say."""

    exit_code: int | None
    signal: int | None

    @property
    def signal_name(self) -> str | None:
        """`SIGKILL` and the like."""
        if self.signal is None:
            return None
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return f"SIG{self.signal}"

    def __str__(self) -> str:
        if self.signal is not None:
            return f"ended by {self.signal_name}"
        return f"exit status {self.exit_code}"


def prepare_launcher() -> None:
    """Once in the Launcher's main thread: orphans come to it, and it may open many files.

    Each child needs up to five descriptors here; the children get the former limit back, as
    programs that use `select` break above it.
    """
    global _files_before  # noqa: PLW0603  (a fact about this process)
    platform_linux.become_subreaper()
    if _files_before is None:
        _files_before = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (_files_before[1], _files_before[1]))


class Process:
    """One life's leading process, from the spawn to `close`.

    Attributes:
        pid, start_time: who it is (`start_time` in ticks since the boot).
        kin: how its whole tree is known; give it to `kite.launcher.tree`.
        spawned_at: the loop's time of the spawn, in seconds.
        stdout, stderr: read ends of its pipes, non-blocking; whoever captures them closes them.
        exit: how it ended, None while it lives.
        exited: the same, to wait for.
    """

    def __init__(
        self,
        kin: Kin,
        *,
        pidfd: int,
        stdin: int | None,
        stdout: int,
        stderr: int,
        on_exit: Callable[[Exit], None] | None,
    ) -> None:
        self.kin = kin
        self.pid = kin.pid
        self.start_time = kin.start_time
        self.stdout = stdout
        self.stderr = stderr
        self.exit: Exit | None = None
        self._loop = asyncio.get_running_loop()
        self.spawned_at = self._loop.time()
        self.exited: asyncio.Future[Exit] = self._loop.create_future()
        self._on_exit = on_exit
        self._stdin = stdin
        self._pending = b""
        self._pidfd: int | None = pidfd
        self._loop.add_reader(pidfd, self._notice_exit)
        adopted.own(self.pid)

    # -- standard input -----------------------------------------------------------------------

    def write_line(self, line: bytes) -> None:
        """Send a line. Never blocks: what the pipe does not take waits here until it does.

        A child that is gone or has closed its standard input is no error; its exit will be told.
        """
        if self._stdin is None:
            return
        if len(self._pending) + len(line) > _PENDING_LIMIT:
            raise ModuleError(
                "spawn_failed", program=self.kin.module, detail="it does not read its boot line"
            )
        was_waiting = bool(self._pending)
        self._pending += line
        if not was_waiting:
            self._write_pending()

    def close_stdin(self) -> None:
        """End the lifeline: the module is to go. What it has not taken by now it need not know."""
        self._drop_stdin()

    def _write_pending(self) -> None:
        if self._stdin is None:
            return
        try:
            while self._pending:
                written = os.write(self._stdin, self._pending)
                self._pending = self._pending[written:]
        except BlockingIOError:
            self._loop.add_writer(self._stdin, self._write_pending)
            return
        except OSError:  # nobody reads any more
            self._drop_stdin()
            return
        self._loop.remove_writer(self._stdin)

    def _drop_stdin(self) -> None:
        if self._stdin is not None:
            self._loop.remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = None
        self._pending = b""

    # -- signals and the end ------------------------------------------------------------------

    def signal(self, sig: int) -> bool:
        """Send a signal to the whole process group; False when there is nobody.

        Until `close` the group's id is this process's and nobody else's.
        """
        if self._pidfd is None:
            return False
        try:
            os.killpg(self.pid, sig)
        except OSError:
            return False
        return True

    def _notice_exit(self) -> None:
        assert self._pidfd is not None
        try:
            status = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # somebody else has reaped it: how it ended is not known
            self._end(Exit(None, None))
            return
        if status is None:
            return
        code = status.si_status
        self._end(Exit(code, None) if status.si_code == os.CLD_EXITED else Exit(None, code))

    def _end(self, how: Exit) -> None:
        assert self._pidfd is not None
        self._loop.remove_reader(self._pidfd)
        self.exit = how
        self._drop_stdin()
        if not self.exited.done():
            self.exited.set_result(how)
        if self._on_exit is not None:
            self._on_exit(how)

    def close(self) -> None:
        """Let go of the process, after its tree was ended: reap the leader, close the descriptors.

        One that still lives (a survivor) is left to the reaping of adopted children.
        """
        if self._pidfd is None:
            return
        self._drop_stdin()
        self._loop.remove_reader(self._pidfd)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        os.close(self._pidfd)
        self._pidfd = None
        adopted.disown(self.pid)
        if not self.exited.done():
            self.exited.cancel()

    def __repr__(self) -> str:
        return f"Process({self.kin.module!r}, pid={self.pid}, exit={self.exit})"


def spawn(spec: Spawn, *, on_exit: Callable[[Exit], None] | None = None) -> Process:
    """Start a process, in the main thread and with a running loop. Takes two or three ms.

    Args:
        on_exit: called from the loop as soon as the process has ended, once.

    Raises:
        ModuleError: `program_not_found`, `not_executable`, `bad_interpreter`, `folder_not_found`,
            or `spawn_failed` for what only the kernel could know.
    """
    global _spawned  # noqa: PLW0603  (marks are numbered through)
    path = program.resolve(spec.argv, cwd=spec.cwd, env=spec.env)
    _spawned += 1
    mark = platform_linux.new_mark(_SALT, _spawned)
    try:
        popen, stdin, pidfd = _fork(spec, str(path), mark)
    except (OSError, ValueError) as error:  # a null byte in a word is a ValueError
        raise ModuleError("spawn_failed", program=spec.argv[0], detail=_detail(error)) from error
    assert popen.stdout is not None
    assert popen.stderr is not None
    seen = platform_linux.stat(popen.pid)
    kin = Kin(
        pid=popen.pid,
        start_time=seen.start_time if seen else 0,
        mark=mark,
        instance=spec.instance,
        module=spec.module,
    )
    process = Process(
        kin,
        pidfd=pidfd,
        stdin=stdin,
        stdout=_detach(popen.stdout.fileno(), popen.stdout.close),
        stderr=_detach(popen.stderr.fileno(), popen.stderr.close),
        on_exit=on_exit,
    )
    _limit(popen.pid, spec.limits)
    return process


def _fork(spec: Spawn, path: str, mark: int) -> tuple[subprocess.Popen[bytes], int | None, int]:
    """The process, the write end of its standard input (None for /dev/null), its pidfd."""
    with contextlib.ExitStack() as until_forked, contextlib.ExitStack() as on_failure:
        child_stdin, parent_stdin = _standard_input(spec.stdin)
        until_forked.callback(os.close, child_stdin)
        if parent_stdin is not None:
            on_failure.callback(os.close, parent_stdin)
        words = (path, *spec.argv[1:])
        inherited: tuple[int, ...] = ()
        if spec.listener is not None:
            words = ("/bin/sh", "-c", _HAND_OVER, f"/dev/fd/{child_stdin}", *words)
            inherited = (child_stdin,)
        with platform_linux.marking(mark):
            popen = subprocess.Popen(  # its pipes are taken over, so it is no context here
                (*platform_linux.parent_death_prefix(), *words),
                stdin=child_stdin if spec.listener is None else spec.listener.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=spec.cwd,
                env=spec.env,
                start_new_session=True,
                pass_fds=inherited,
                bufsize=0,
            )
        # Our waitid reads the status, by pidfd: subprocess is told that there is nothing to reap.
        popen.returncode = 0
        pidfd = os.pidfd_open(popen.pid)
        on_failure.pop_all()
        return popen, parent_stdin, pidfd


def _standard_input(is_pipe: bool) -> tuple[int, int | None]:
    if not is_pipe:
        return os.open(os.devnull, os.O_RDONLY), None
    child, parent = os.pipe()
    os.set_blocking(parent, False)
    return child, parent


def _detach(descriptor: int, close: Callable[[], None]) -> int:
    """A descriptor of our own in place of a file object's, non-blocking."""
    mine = os.dup(descriptor)
    close()
    os.set_blocking(mine, False)
    return mine


def _limit(pid: int, limits: Limits) -> None:
    # The child is still on its way through setpriv, so these stand before the program runs.
    wanted: list[tuple[int, tuple[int, int]]] = []
    if limits.files is not None:
        wanted.append((resource.RLIMIT_NOFILE, (limits.files, limits.files)))
    elif _files_before is not None:
        wanted.append((resource.RLIMIT_NOFILE, _files_before))
    if limits.memory is not None:
        # Writable memory, not address space, which V8 and Go reserve by the gigabyte.
        wanted.append((resource.RLIMIT_DATA, (limits.memory, limits.memory)))
    for kind, values in wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, kind, values)


def _detail(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    text = os.strerror(error.errno) if error.errno else str(error)
    return f"{text}: {error.filename}" if error.filename else text
