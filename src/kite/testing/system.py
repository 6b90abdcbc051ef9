"""A whole Kite for a test: a project in a directory of its own, the real command line, the real processes.

    with System(tmp_path) as system:
        system.module("greeter", GREETER, runtime="python")
        system.up("--wait")
        assert system.request("greet", {"name": "Ada"}) == {"text": "hello, Ada"}

Home, workspace and temporary files lie below the directory as well, so that tests disturb neither
each other nor the Kite of whoever runs them. When the block ends everything is stopped, and
`LeftBehind` is raised if anything of it is still there: a process, a listening port, a file outside.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from kite.errors import KiteError
from kite.testing.census import Census, is_listening
from kite.testing.instance import PATIENCE, Answer, Instance, pause
from kite.testing.operator import Operator
from kite.testing.project import BARE_PYTHON, SLEEPER, Project

__all__ = [
    "BARE_PYTHON",
    "ECHO",
    "PATIENCE",
    "SLEEPER",
    "Answer",
    "LeftBehind",
    "Outcome",
    "System",
]

ECHO = """
import os
from kite import Module

module = Module()
name = os.environ["KITE_MODULE"]

@module.handle(f"{name}.echo")
async def echo(request):
    return {"data": request.data, "pid": os.getpid(), "life": module.life}

module.run()
"""
"""A module that answers requests on `<name>.echo` (`runtime="python"`)."""

_COMMAND = (sys.executable, "-P", "-m", "kite.cli.entry")
_VARIABLE = "SYSTEM_UNDER_TEST"


class LeftBehind(AssertionError):  # noqa: N818  (a fact more than a mistake)
    """Something of a system is still there after its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command line did, and how many seconds it took."""

    status: int
    out: str
    err: str
    seconds: float


class System(Project, Instance):
    """A project, its Kite, and everything that runs in it.

    Args:
        directory: an existing one; `project`, `home`, `workspace` and `tmp` are made below it.
        project: an existing project directory instead.
        config: `kite.yaml`, or None for none.
        extensions: whether the modules that come with Kite run as well.
        environ: further environment of all that is started.
        prefix: words before each `kite`, such as `("prlimit", "--nofile=64", "--")`.
        command: what `kite` is; by default this interpreter with the command line's module.

    Attributes:
        project, home, workspace, instance_dir: directories.
        census: the living processes of this system.
    """

    def __init__(
        self,
        directory: Path,
        *,
        project: Path | None = None,
        config: Mapping[str, Any] | None = None,
        extensions: bool = True,
        environ: Mapping[str, str] | None = None,
        prefix: Iterable[str] = (),
        command: Iterable[str] = _COMMAND,
    ) -> None:
        mark = secrets.token_hex(8)
        super().__init__(
            directory,
            project=project,
            extensions=extensions,
            environ={_VARIABLE: mark, **(environ or {})},
        )
        self.census = Census(_VARIABLE, mark)
        self._command = (*prefix, *command)
        self._ports: set[int] = set()
        self._started: list[subprocess.Popen[str]] = []
        if config is not None or not extensions:
            self.configure(**(config or {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.end()
        except LeftBehind:
            if error is None:
                raise

    # -- the command line ---------------------------------------------------------------------

    def kite(self, *words: str, status: int | None = 0, timeout: float = 60.0) -> Outcome:
        """`kite WORDS` to its end.

        Args:
            status: the exit status that it has to have; None: any.

        Raises:
            AssertionError: another status.
        """
        began = time.perf_counter()
        done = subprocess.run(
            [*self._command, *words],
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        seconds = time.perf_counter() - began
        outcome = Outcome(status=done.returncode, out=done.stdout, err=done.stderr, seconds=seconds)
        if status is not None and outcome.status != status:
            raise AssertionError(f"kite {' '.join(words)}: {outcome}\n{self.tell()}")
        return outcome

    def spawn(self, *words: str) -> subprocess.Popen[str]:
        """`kite WORDS` without waiting for it, in a session of its own; its streams are pipes."""
        self.remember_files()
        process = subprocess.Popen(
            [*self._command, *words],
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def up(self, *words: str, status: int | None = 0, timeout: float = 60.0) -> Outcome:
        """`kite up -d WORDS`."""
        self.remember_files()
        outcome = self.kite("up", "-d", *words, status=status, timeout=timeout)
        self.remember()
        return outcome

    def down(self, *, status: int | None = 0) -> Outcome:
        """`kite down`."""
        self.remember()
        return self.kite("down", status=status)

    # -- the Hub ------------------------------------------------------------------------------

    def request(self, subject: str, data: Any = None, *, timeout: float = 5.0) -> Any:
        """Ask a module as the operator; the data of its reply.

        Raises:
            RequestError: `no_responders`, `request_timeout`, or the code of an error reply.
            Unavailable: there is no Hub to be reached now.
        """
        return asyncio.run(self._request(subject, data, timeout))

    async def _request(self, subject: str, data: Any, timeout: float) -> Any:
        api = self.api
        async with Operator(api["ws_endpoint"], api["token"]) as operator:
            return await operator.request(subject, data, timeout)

    def wait_answer(self, subject: str, data: Any = None, *, timeout: float = PATIENCE) -> Any:
        """Ask until somebody answers."""

        def asked() -> list[Any]:
            try:
                return [self.request(subject, data, timeout=2.0)]
            except (KiteError, OSError):
                return []

        return self.wait(asked, timeout, f"an answer on {subject}")[0]

    def wait_nothing_left(self, *, timeout: float = PATIENCE) -> None:
        """Wait until no process of this system is alive."""
        began = time.monotonic()
        while left := self.census.look():
            waited = time.monotonic() - began
            if waited > timeout:
                raise LeftBehind(f"processes are left: {left}\n{self.tell()}")
            time.sleep(pause(waited))

    # -- faults -------------------------------------------------------------------------------

    def kill(self, name: str, how: int = signal.SIGKILL) -> int:
        """Send a signal to a module's process, core or not, or to `guard`; its pid."""
        pid = self.guard_pid if name == "guard" else self.pid(name)
        assert pid, f"{name} has no process"
        os.kill(pid, how)
        return pid

    # -- the end ------------------------------------------------------------------------------

    def remember(self) -> None:
        """Note what will have to be gone at the end: ports, and the marks of processes."""
        self.census.look()
        try:
            api = self.api
        except (OSError, ValueError):
            return
        self._ports |= {
            urlsplit(api["url"]).port or 0,
            api["registry_port"],
            urlsplit(api["ws_endpoint"]).port or 0,
        }

    def end(self) -> None:
        """Stop everything.

        Raises:
            LeftBehind: something is still there; processes have been killed.
        """
        self.remember()
        problems: list[str] = []
        if self.is_up:
            outcome = self.kite("down", status=None)
            if outcome.status:
                problems.append(f"kite down: {outcome}")
        for process in self._started:
            problems += self._end_started(process)
        try:
            self.wait_nothing_left(timeout=8.0)
        except LeftBehind as left:
            problems.append(str(left))
            for pid in self.census.look():
                os.kill(pid, signal.SIGKILL)
        problems += [f"port {port} still listens" for port in self._ports if is_listening(port)]
        problems += [f"{path} was not there before" for path in self.litter()]
        if problems:
            raise LeftBehind("\n".join(problems))

    def _end_started(self, process: subprocess.Popen[str]) -> list[str]:
        if process.poll() is None:
            process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return [f"{process.args!r} did not end"]
        return []
