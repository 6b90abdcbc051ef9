"""A reader who does what a page says, in an empty home, in a project folder of the page's name."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .page import Command, File, Screen, Step, unmet

PATIENCE = 30.0
"""Seconds until what a page promises has happened."""

_SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>]|\r")

_LOOKS = re.compile(r"^kite (?:ps|logs|registry)\b(?!.* -f)")
"""Commands that change nothing: a reader who is early types them again."""


@dataclass
class Reader:
    """Types commands one after the other; a `kite up` in the foreground goes on beside them."""

    home: Path
    folder: Path
    screen: bytes = b""
    transcript: list[str] = field(default_factory=list)
    _beside: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self._terminal, self._kite = pty.openpty()
        os.set_blocking(self._terminal, False)
        size = struct.pack("HHHH", 40, 100, 0, 0)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    def does(self, step: Step) -> None:
        """Do one step; complain with the page's line if it went another way."""
        if isinstance(step, File):
            path = self.folder / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text, encoding="utf-8")
            return
        if isinstance(step, Screen):
            output = self._seen(step.expected)
            self.transcript.append(output)
            if missing := unmet(step.expected, output):
                raise AssertionError(f"line {step.line}: {missing!r} did not appear in\n{output}")
            return
        output = self._typed(step)
        self.transcript.append(f"$ {step.text}\n{output}")
        if missing := unmet(step.expected, output):
            raise AssertionError(
                f"line {step.line}: `{step.text}` did not show\n    {missing}\nbut\n{output}"
            )

    def _typed(self, step: Command) -> str:
        text = step.text
        if step.pid_of:
            text = re.sub(r"(kill(?: -\S+)?) \d+", rf"\1 {self._pid(step.pid_of)}", text)
        if _is_foreground(text):
            return self._run_beside(text, step.expected)
        deadline = time.monotonic() + PATIENCE
        while True:
            output = self._run(text)
            if not unmet(step.expected, output) or not _LOOKS.match(text):
                return output
            if time.monotonic() > deadline:
                return output
            self._wait_for_news()

    def _run(self, text: str) -> str:
        script = f"{text}\nstatus=$?\npwd > {self.home}/pwd\nexit $status"
        done = subprocess.run(
            ["bash", "--norc", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE * 2,
            check=False,
        )
        self.folder = Path((self.home / "pwd").read_text().strip())
        return self._shown(done.stdout)

    def _run_beside(self, text: str, expected: tuple[str, ...]) -> str:
        self._beside.append(
            subprocess.Popen(
                ["bash", "--norc", "-c", f"exec {text}"],
                cwd=self.folder,
                env=self.environment,
                stdin=self._kite,
                stdout=self._kite,
                stderr=self._kite,
                start_new_session=True,
            )
        )
        return self._seen(expected)

    def _seen(self, expected: tuple[str, ...]) -> str:
        deadline = time.monotonic() + PATIENCE
        while True:
            self._read_terminal()
            output = self._shown(_SEQUENCE.sub(b"", self.screen))
            if not unmet(expected, output) or time.monotonic() > deadline:
                return output
            self._wait_for_news()

    def _read_terminal(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._terminal, 65536):
                self.screen += data

    def _wait_for_news(self) -> None:
        # The page's reader looks again; what they wait for has no other sign than the screen.
        time.sleep(0.1)

    def _pid(self, module: str) -> int:
        return self._record(module)["pid"]

    def _record(self, module: str) -> dict[str, Any]:
        shown = subprocess.run(
            ["kite", "ps", "--json"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
        return next(m for m in json.loads(shown.stdout)["modules"] if m["name"] == module)

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KITE_", "LISTEN_", "COV_", "PYTEST_"))
            and name not in {"NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"}
        }
        here = str(Path(sys.executable).parent)
        return {
            **kept,
            "HOME": str(self.home),
            "PATH": f"{here}:{kept['PATH']}",
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "100",
            "TERM": "xterm",
        }

    def _shown(self, raw: bytes) -> str:
        return raw.decode("utf-8", "replace").replace(str(self.home), "~")

    def leaves(self) -> None:
        """End what the page started, whatever came of it."""
        for instance in (self.home / ".kite" / "workspace").glob("*/.cwd"):
            project = instance.read_text(encoding="utf-8").strip()
            subprocess.run(
                ["kite", "-C", project, "down"],
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=PATIENCE,
                check=False,
            )
        for process in self._beside:
            self._read_terminal()
            try:
                process.wait(PATIENCE / 2)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        os.close(self._terminal)
        os.close(self._kite)


def _is_foreground(text: str) -> bool:
    return bool(re.match(r"kite (?:-C \S+ )?up\b(?!.*(?: -d\b| --wait\b| --help))", text))
