"""A Kite to be measured: the installed command in a throw-away project, home and workspace."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kite.testing.system import System

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
        LeftBehind: something of it is still there.
    """

    def __init__(self, project: Path | None = None, **environ: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="kite-bench-"))
        path = f"{COMMAND.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        self.system = System(
            self._directory,
            project=project,
            environ={"PATH": path, **environ},
            command=(str(COMMAND),),
        )
        self.project = self.system.project
        self.workspace = self.system.workspace
        self.launcher_dir = self.system.launcher_dir

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.system.__exit__(kind, error, trace)
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def module(self, name: str, program: str = TEN_LINES, **keys: Any) -> None:
        """Write a Python module; `{name}` in the program is its name."""
        self.system.module(name, program.format(name=name), runtime="python", **keys)

    def kite(self, *words: str) -> float:
        """Run `kite WORDS` to its end; seconds that it took.

        Raises:
            AssertionError: it failed, with what it said.
        """
        return self.system.kite(*words, timeout=PATIENCE).seconds

    def up(self) -> float:
        """`kite up -d --wait`; seconds."""
        return self.system.up("--wait", timeout=PATIENCE).seconds

    def down(self) -> float:
        """`kite down`; seconds. Nothing happens where nothing runs."""
        return self.system.down().seconds if self.system.is_up else 0.0

    def forget(self) -> None:
        """Remove the instance directory: the next start is a first one."""
        shutil.rmtree(self.workspace, ignore_errors=True)

    def pids(self) -> dict[str, int]:
        """The living process of each module, core ones included."""
        records = self.system.records().values()
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
