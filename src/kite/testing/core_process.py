"""One life of a core module as a process of its own, started and ended as the Launcher does it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, Self

from kite.wire.boot import decode_core_line

# The child expects its listening socket as descriptor 3, where this process has something else.
_HAND_DOWN = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3, inheritable=True); "
    "os.execv(sys.executable, [sys.executable, '-m', sys.argv[2]])"
)


class CoreProcess:
    """Made with `start`.

    Attributes:
        process: the child.
        said: its first line on standard output, decoded.
    """

    def __init__(self, process: asyncio.subprocess.Process, errors: list[str]) -> None:
        self.process = process
        self.said: Any = None
        self._errors = errors
        self._reading = asyncio.create_task(self._read_errors())

    @classmethod
    async def start(
        cls,
        entry: str,
        *lines: bytes,
        environ: Mapping[str, str],
        errors: list[str],
        timeout: float,
        listening: socket.socket | None = None,
    ) -> Self:
        """Start it, write the lines to its standard input, and wait for its own first one.

        Args:
            entry: the Python module to run.
            environ: added to this process's environment without what belongs to another Kite.
            errors: what it says on standard error is added to these.
            timeout: seconds until its line.
            listening: a socket to hand down, for which `environ` has `LISTEN_FDS`.

        Raises:
            TimeoutError: it said nothing; it has been killed.
        """
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("KITE_", "LISTEN_"))}
        words, passed = ["-m", entry], []
        if listening is not None:
            passed = [listening.fileno()]
            words = ["-S", "-c", _HAND_DOWN, str(listening.fileno()), entry]
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**kept, **environ},
            pass_fds=passed,
            start_new_session=True,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        started = cls(child, errors)
        try:
            child.stdin.write(b"".join(lines))
            async with asyncio.timeout(timeout):
                started.said = decode_core_line(await child.stdout.readline())
        except BaseException:
            await started.end(signal.SIGKILL, timeout=timeout)
            raise
        return started

    async def end(self, how: signal.Signals | None = None, *, timeout: float) -> int:
        """Send it a signal, or end its standard input; returns the exit status.

        Nothing is left of it then, not even a descriptor.

        Raises:
            TimeoutError: it did not end in `timeout` seconds; it has been killed.
        """
        assert self.process.stdin is not None
        if how is None:
            self.process.stdin.close()
        elif self.process.returncode is None:
            self.process.send_signal(how)
        try:
            async with asyncio.timeout(timeout):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise
        finally:
            self.process.stdin.close()
            await self._reading
            self.process._transport.close()  # type: ignore[attr-defined]

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self._errors.append(line.decode(errors="replace").rstrip("\n"))
