"""One process of a module: spawned without a shell, watched through a pidfd, signalled by group.

The exit is noticed through the pidfd alone, so nobody who holds the pipes open can hide it. The
status is read without reaping: until `close` the dead leader keeps its pid, and with it the ids of
its group and session, from being given to a stranger while the rest of its tree is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from kite.errors import ModuleError
from kite.launcher import adopted, file_limit, forking
from kite.launcher.forking import Limits, Spawn
from kite.launcher.kin import Kin

__all__ = ["Exit", "Limits", "Process", "Spawn", "prepare_launcher", "spawn"]

_PENDING_LIMIT = 1 << 20  # bytes that wait for a child that does not read


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
    """Once in the Launcher's main thread: orphans come to it, and it may open many files."""
    adopted.adopt()
    file_limit.raise_file_limit()


class Process:
    """One life's leading process, from the spawn to `close`.

    Attributes:
        pid, start_time: who it is (`start_time` in ticks since the boot).
        kin: how its whole tree is known; give it to `kite.launcher.tree`.
        spawned_at: the loop's time of the spawn, in seconds.
        stdout, stderr: read ends of its pipes, non-blocking; whoever captures them closes them.
        exit: how it ended, None while it lives.
        exited: the same, to wait for.
        is_warm: whether it was forked from a warm template.
        cold_because: why it was not, where it was to be.
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
        self.is_warm = False
        self.cold_because = ""
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
    forked = forking.fork(spec)
    kin = Kin(
        pid=forked.pid,
        start_time=forked.start_time,
        mark=forked.mark,
        instance=spec.instance,
        module=spec.module,
    )
    process = Process(
        kin,
        pidfd=forked.pidfd,
        stdin=forked.stdin,
        stdout=forked.stdout,
        stderr=forked.stderr,
        on_exit=on_exit,
    )
    process.is_warm, process.cold_because = forked.is_warm, forked.cold_because
    return process
