"""What the benchmark needs of a supervisor: to start it, to stop it, and to clean up behind it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from bench.supervision import census
from bench.supervision.programs import Program

PATIENCE = 60.0
_VARIABLE = "BENCH_SUPERVISOR"


class Missing(Exception):  # noqa: N818  (a fact, not a failure)
    """The peer is not installed; says how to install it."""


class Peer(ABC):
    """One supervisor and its programs in a directory of their own.

    Whatever was started within the block is gone after it: by the supervisor's own end where it
    still lives, by SIGKILL where that leaves something.

    Args:
        programs: what it supervises; all of them start with it.

    Attributes:
        name: as the table shows it.
        settings: what is not its default, and what one should know of its defaults.
        tick: seconds between two looks of a supervisor that polls; 0 for one that is told.
    """

    name: ClassVar[str]
    settings: ClassVar[str]
    tick: ClassVar[float] = 0.0

    def __init__(self, programs: Sequence[Program]) -> None:
        self.programs = programs
        self.numbers = [number for program in programs for number in program.numbers]
        self.directory = Path(tempfile.mkdtemp(prefix="kite-bench-"))
        self._mark = secrets.token_hex(8)
        self.environ: Mapping[str, str] = {**os.environ, _VARIABLE: self._mark}
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @abstractmethod
    def find(cls) -> None:
        """Install it where that can be done for this user alone.

        Raises:
            Missing: it cannot be had; says what to do.
        """

    @abstractmethod
    def launch(self) -> None:
        """Write what it needs and start it; nothing is waited for."""

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process is not None
        return self._process.pid

    @abstractmethod
    def stop(self, name: str) -> int:
        """Stop a program as its users do, waiting for it; the command's status."""

    @abstractmethod
    def start_all(self) -> None:
        """Start all programs, which are stopped."""

    @abstractmethod
    def stop_all(self) -> None:
        """Stop all programs; the supervisor stays."""

    @abstractmethod
    def end(self) -> None:
        """End the supervisor and its programs, where they still live."""

    def own(self) -> set[int]:
        """The supervisor's processes that live."""
        return census.own(f"{_VARIABLE}={self._mark}".encode()) - {os.getpid()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                self.end()
        finally:
            self._clear()

    def _clear(self) -> None:
        """Kill what is left; supervisors before what they would start again."""
        for _ in range(3):
            for pid in (*self.own(), *census.programs(self.numbers).values()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(PATIENCE)
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- for those who come after -------------------------------------------------------------

    def _spawn(self, *words: str) -> None:
        """Start the supervisor in the foreground, in a group of its own."""
        with (self.directory / "supervisor.log").open("wb") as log:
            self._process = subprocess.Popen(
                words,
                env=self.environ,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _run(self, *words: str) -> int:
        """A command to its end; its status."""
        return subprocess.run(
            words,
            env=self.environ,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        ).returncode

    def _end_by(self, sig: int) -> None:
        """Send the supervisor a signal, and wait until it has left."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(sig)
            self._process.wait(PATIENCE)


def program(name: str, how: str) -> str:
    """Where a program of the system is.

    Raises:
        Missing: nowhere; `how` says how to install it.
    """
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"{name} is not installed; {how}")
    return path
