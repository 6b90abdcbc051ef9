"""A Kite to be measured: the installed command in a throw-away project, home and workspace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE = 60.0
COMMAND = Path(sys.executable).with_name("kite")

TEN_LINES = """
from kite import Module

module = Module()


@module.handle("greet.{name}")
def greet(request):
    return {{"text": f"hello, {{request.data}}"}}


module.run()
"""


class Running:
    """A project with its Kite, which is ended and removed with the block.

    Args:
        project: an existing project; by default an empty one is made.
        environ: further environment of all that is started.

    Raises (at the end):
        RuntimeError: Kite could not be ended.
    """

    def __init__(self, project: Path | None = None, **environ: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="kite-bench-"))
        self.project = project or self._directory / "project"
        self.workspace = self._directory / "workspace"
        for folder in (self._directory / "home", self._directory / "project"):
            folder.mkdir()
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("KITE_", "LISTEN_"))}
        self.environ = {
            **kept,
            "HOME": str(self._directory / "home"),
            "KITE_WORKSPACE": str(self.workspace),
            "PATH": f"{COMMAND.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
            **environ,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.down()
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def module(self, name: str, program: str = TEN_LINES, **keys: Any) -> None:
        """Write a Python module."""
        folder = self.project / "modules" / name
        folder.mkdir(parents=True)
        front = {"name": name, "runtime": "python", "entry": "main.py", **keys}
        lines = [f"{key}: {json.dumps(value)}" for key, value in front.items()]
        (folder / "module.md").write_text("---\n" + "\n".join(lines) + f"\n---\n# {name}\n")
        (folder / "main.py").write_text(program.format(name=name))

    def kite(self, *words: str, check: bool = True) -> float:
        """Run `kite WORDS` to its end; seconds that it took.

        Raises:
            RuntimeError: it failed, with what it said.
        """
        began = time.perf_counter()
        done = subprocess.run(
            [COMMAND, *words],
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        seconds = time.perf_counter() - began
        if check and done.returncode:
            said = f"{done.stdout}{done.stderr}".strip()
            raise RuntimeError(f"kite {' '.join(words)}: status {done.returncode}: {said}")
        return seconds

    def up(self) -> float:
        """`kite up -d --wait`; seconds."""
        return self.kite("up", "-d", "--wait")

    def down(self) -> float:
        """`kite down`; seconds. Nothing happens where nothing runs."""
        is_up = any(self.workspace.glob("*/launcher/api.json"))
        return self.kite("down") if is_up else 0.0

    def forget(self) -> None:
        """Remove the instance directory: the next start is a first one."""
        shutil.rmtree(self.workspace, ignore_errors=True)

    @property
    def launcher_dir(self) -> Path:
        return self.workspace / self.project.name / "launcher"

    def pids(self) -> dict[str, int]:
        """The living process of each module, core ones included."""
        done = subprocess.run(
            [COMMAND, "ps", "--json"],
            cwd=self.project,
            env=self.environ,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
        records = json.loads(done.stdout)["modules"]
        return {record["name"]: record["pid"] for record in records if record["pid"]}


class Steps:
    """Follows lifecycle.jsonl from where it ends now.

    Args:
        path: of the file.
        pause: seconds between two looks: what a measurement may be too long by.
    """

    def __init__(self, path: Path, *, pause: float = 0.0002) -> None:
        self._path = path
        self._file = path.open("rb")
        self._file.seek(0, os.SEEK_END)
        self._rest = b""
        self._steps: deque[dict[str, Any]] = deque()
        self._pause = pause

    def close(self) -> None:
        self._file.close()

    def wait(self, wanted: Callable[[dict[str, Any]], bool], timeout: float = PATIENCE) -> Any:
        """The next step that is wanted.

        Raises:
            TimeoutError: it did not come.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            while self._steps:
                if wanted(step := self._steps.popleft()):
                    return step
            self._read()
        raise TimeoutError("the step did not come")

    def _read(self) -> None:
        if chunk := self._file.read():
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self._steps.extend(json.loads(line) for line in lines)
        else:
            time.sleep(self._pause)
