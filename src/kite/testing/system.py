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
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import yaml

from kite.errors import KiteError
from kite.testing.census import Census, is_alive, is_listening, parent_of
from kite.testing.operator import Operator

PATIENCE = 20.0
"""Seconds that a fact may take before a test gives up: a bound, no expectation."""

BARE_PYTHON = (sys.executable, "-S", "-E")
"""An interpreter that starts fast and has nothing but the standard library."""

SLEEPER = ("sh", "-c", "echo up; exec sleep 1000")
"""The smallest module: with `ready: {log: up}` it is ready within milliseconds."""

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

_EXTENSIONS = Path(__file__).resolve().parents[1] / "extensions"
_GRANULARITY = 0.02
_VARIABLE = "SYSTEM_UNDER_TEST"
_T = TypeVar("_T")


class LeftBehind(AssertionError):  # noqa: N818  (a fact more than a mistake)
    """Something of a system is still there after its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command line did."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API (or the Registry) answered; `body` is its JSON, or None."""

    status: int
    body: Any


class System:
    """A project, its Kite, and everything that runs in it.

    Args:
        directory: an existing one; `project`, `home`, `workspace` and `tmp` are made below it.
        config: `kite.yaml`, or None for none.
        extensions: whether the modules that come with Kite run as well.
        environ: further environment of all that is started.
        prefix: words before each `kite`, such as `("prlimit", "--nofile=64", "--")`.

    Attributes:
        project, home, workspace, instance_dir: directories.
        census: the living processes of this system.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: Mapping[str, Any] | None = None,
        extensions: bool = True,
        environ: Mapping[str, str] | None = None,
        prefix: Iterable[str] = (),
    ) -> None:
        directory = directory.resolve()
        self.project = directory / "project"
        self.home = directory / "home"
        self.workspace = directory / "workspace"
        self.instance_dir = self.workspace / "project"
        self._tmp = directory / "tmp"
        for folder in (self.project, self.home, self._tmp):
            folder.mkdir(exist_ok=True)
        mark = secrets.token_hex(8)
        self.census = Census(_VARIABLE, mark)
        kept = {
            n: v for n, v in os.environ.items() if not n.startswith(("KITE_", "LISTEN_", "LC_"))
        }
        self.environ = {
            **kept,
            "HOME": str(self.home),
            "TMPDIR": str(self._tmp),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "KITE_WORKSPACE": str(self.workspace),
            _VARIABLE: mark,
            **(environ or {}),
        }
        self._prefix = tuple(prefix)
        self._ports: set[int] = set()
        self._started: list[subprocess.Popen[str]] = []
        self._before: set[Path] | None = None
        self._expected: set[Path] = set()
        self._extensions = extensions
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

    # -- what is written ----------------------------------------------------------------------

    def configure(self, **keys: Any) -> None:
        """Write `kite.yaml`."""
        if not self._extensions:
            off = {
                path.parent.name: {"state": "disabled"} for path in _EXTENSIONS.glob("*/module.md")
            }
            keys["modules"] = off | keys.get("modules", {})
        self.write(self.project / "kite.yaml", yaml.safe_dump(keys, sort_keys=False))

    def module(self, name: str, program: str | None = None, **keys: Any) -> Path:
        """Write a module's folder below `modules/`; again replaces it.

        Args:
            program: the text of a Python program, run by a bare interpreter unless `runtime` or
                `command` is given; None: a sleeper that is ready at once.
            keys: of the manifest.

        Returns:
            The folder.
        """
        folder = self.project / "modules" / name
        front: dict[str, Any] = {"name": name, **keys}
        if program is not None:
            if front.get("runtime") == "python":
                front.setdefault("entry", "main.py")
            elif "command" not in front:
                front["command"] = [*BARE_PYTHON, "main.py"]
        elif "command" not in front and "runtime" not in front:
            front["command"] = list(SLEEPER)
            front.setdefault("ready", {"log": "up"})
        self.write_manifest(name, f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n# {name}\n")
        if program is not None:
            self.write(folder / "main.py", program)
        return folder

    def write_manifest(self, folder: str, text: str | bytes) -> Path:
        """Write `modules/<folder>/module.md` as it is; its path."""
        return self.write(self.project / "modules" / folder / "module.md", text)

    def write(self, path: Path, text: str | bytes) -> Path:
        """Write a file that the test means to be there at the end; its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self._expected.add(path)
        return path

    # -- the command line ---------------------------------------------------------------------

    def kite(self, *words: str, status: int | None = 0, timeout: float = 60.0) -> Outcome:
        """`kite WORDS` to its end.

        Args:
            status: the exit status that it has to have; None: any.

        Raises:
            AssertionError: another status.
        """
        done = subprocess.run(
            self._command(words),
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        outcome = Outcome(status=done.returncode, out=done.stdout, err=done.stderr)
        if status is not None and outcome.status != status:
            raise AssertionError(f"kite {' '.join(words)}: {outcome}\n{self.tell()}")
        return outcome

    def spawn(self, *words: str) -> subprocess.Popen[str]:
        """`kite WORDS` without waiting for it, in a session of its own; its streams are pipes."""
        self._remember_files()
        process = subprocess.Popen(
            self._command(words),
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
        self._remember_files()
        outcome = self.kite("up", "-d", *words, status=status, timeout=timeout)
        self.remember()
        return outcome

    def down(self, *, status: int | None = 0) -> Outcome:
        """`kite down`."""
        self.remember()
        return self.kite("down", status=status)

    def _command(self, words: Iterable[str]) -> list[str]:
        return [*self._prefix, sys.executable, "-P", "-m", "kite.cli.entry", *words]

    # -- what it says -------------------------------------------------------------------------

    @property
    def launcher_dir(self) -> Path:
        """The Launcher's own directory."""
        return self.instance_dir / "launcher"

    @property
    def api(self) -> dict[str, Any]:
        """What `api.json` says now.

        Raises:
            FileNotFoundError: nothing runs.
        """
        found: dict[str, Any] = json.loads((self.launcher_dir / "api.json").read_text())
        return found

    @property
    def is_up(self) -> bool:
        """Whether there is an `api.json` whose process lives."""
        try:
            return is_alive(self.api["pid"])
        except (OSError, ValueError):
            return False

    @property
    def guard_pid(self) -> int:
        """The Launcher's parent, which outlives it."""
        return parent_of(self.api["pid"])

    def pid(self, name: str) -> int | None:
        """The process of a module, core or not, now."""
        found: int | None = self.record(name)["pid"]
        return found

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        url: str | None = None,
        timeout: float = 70.0,
    ) -> Answer:
        """One request to the Launcher's API.

        Args:
            body: JSON, or bytes as they are; None: no body.
            token: the operator's unless another is given; an empty one is not sent.
            url: where, instead of the Launcher's API.

        Raises:
            OSError: nobody answers.
        """
        api = self.api
        port = urlsplit(url or api["url"]).port
        headers = {}
        if token != "":
            headers["Authorization"] = f"Bearer {token or api['token']}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as broken:
            raise ConnectionError(f"{method} {path}: {broken!r}") from broken
        finally:
            connection.close()
        try:
            return Answer(status=answer.status, body=json.loads(text))
        except ValueError:
            return Answer(status=answer.status, body=None)

    def act(self, verb: str, name: str, *, wait: bool = True, status: int = 200) -> Any:
        """Start, stop or restart a module through the API; its record, or the problem."""
        answer = self.call("POST", f"/launcher/modules/{name}/{verb}" + "?wait=1" * wait)
        if answer.status != status:
            raise AssertionError(f"{verb} {name}: {answer}\n{self.tell()}")
        return answer.body

    def record(self, name: str) -> dict[str, Any]:
        """The record of a module."""
        answer = self.call("GET", f"/launcher/modules/{name}")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.body
        return found

    def records(self) -> dict[str, dict[str, Any]]:
        """All records, by name."""
        answer = self.call("GET", "/launcher/modules")
        assert answer.status == 200, answer
        return {record["name"]: record for record in answer.body["modules"]}

    def steps(
        self, module: str | None = None, event: str | None = None, **fields: Any
    ) -> list[dict[str, Any]]:
        """The lines of `lifecycle.jsonl` that fit, whole ones only."""
        try:
            text = (self.launcher_dir / "lifecycle.jsonl").read_bytes()
        except OSError:
            return []
        wanted = {"module": module, "event": event, **fields}
        wanted = {key: value for key, value in wanted.items() if value is not None}
        found = [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
        return [s for s in found if all(s.get(key) == value for key, value in wanted.items())]

    def log(self, name: str) -> str:
        """What `logs/<name>.log` holds, and before it what was rotated away."""
        folder = self.instance_dir / "logs"
        paths = [*sorted(folder.glob(f"{name}.log.[0-9]*"), reverse=True), folder / f"{name}.log"]
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())

    def printed(self, name: str, word: str) -> list[str]:
        """What follows `<word> ` in the lines that a module printed on its standard output."""
        found = (line.partition(f" | {word} ") for line in self.log(name).splitlines())
        return [rest for _, there, rest in found if there]

    def tell(self) -> str:
        """What a failed test wants to see: the last steps and the Launcher's log."""
        steps = "\n".join(json.dumps(step) for step in self.steps()[-30:])
        return f"-- steps\n{steps}\n-- launcher.log\n{self.log('launcher')[-4000:]}"

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

    # -- waiting for a fact -------------------------------------------------------------------

    def wait(self, fact: Callable[[], _T], timeout: float = PATIENCE, what: str = "") -> _T:
        """The first true value of `fact()`.

        Raises:
            AssertionError: there was none within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            if value := fact():
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout:g} s: {what or fact}\n{self.tell()}")
            time.sleep(_GRANULARITY)

    def wait_step(
        self, module: str, event: str, *, count: int = 1, timeout: float = PATIENCE, **fields: Any
    ) -> dict[str, Any]:
        """The `count`-th step of this kind."""

        def found() -> dict[str, Any] | None:
            steps = self.steps(module, event, **fields)
            return steps[count - 1] if len(steps) >= count else None

        step = self.wait(found, timeout, f"{count} x {event} {fields} of {module}")
        assert step is not None
        return step

    def wait_state(self, name: str, *states: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """The record of a module as soon as its actual state is one of these."""

        def found() -> dict[str, Any] | None:
            record = self.record(name)
            return record if record["actual_state"] in states else None

        record = self.wait(found, timeout, f"{name} {' or '.join(states)}")
        assert record is not None
        return record

    def wait_phase(self, phase: str, *, timeout: float = PATIENCE) -> None:
        """Wait until the Launcher has come to a phase."""
        self.wait(lambda: self._phase() == phase, timeout, f"phase {phase}")

    def _phase(self) -> str | None:
        try:
            phase: str = self.call("GET", "/launcher").body["phase"]
        except (OSError, ValueError, TypeError):
            return None
        return phase

    def wait_gone(self, *pids: int, timeout: float = PATIENCE) -> None:
        """Wait until these processes are dead."""
        self.wait(lambda: not any(map(is_alive, pids)), timeout, f"the end of {pids}")

    def wait_nothing_left(self, *, timeout: float = PATIENCE) -> None:
        """Wait until no process of this system is alive."""
        deadline = time.monotonic() + timeout
        while left := self.census.look():
            if time.monotonic() > deadline:
                raise LeftBehind(f"processes are left: {left}\n{self.tell()}")
            time.sleep(_GRANULARITY)

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

    def _remember_files(self) -> None:
        if self._before is None:
            self._before = self._files()

    def _files(self) -> set[Path]:
        """What lies where nothing of Kite's has to be."""
        folders = (self.project, self.home, self._tmp)
        return {path for folder in folders for path in folder.rglob("*") if path.is_file()}

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
        problems += self._litter()
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

    def _litter(self) -> list[str]:
        if self._before is None:
            return []
        new = self._files() - self._before - self._expected
        return [f"{path} was not there before" for path in sorted(new)]
