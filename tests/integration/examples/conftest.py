"""A running docsearch over a folder of the test's own, and a way to talk to it.

The system is started by `kite up -d --wait` as its user would; the test speaks to the Hub through
the second WebSocket implementation, with the operator's token.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

PROJECT = Path(__file__).resolve().parents[3] / "examples" / "docsearch"

# The modules are programs, not packages: their files import each other by plain names.
for _module in ("indexer", "watcher"):
    sys.path.append(str(PROJECT / "modules" / _module))

PATIENCE = 60.0
"""Seconds until a test that waits has failed; how long things take is measured by the benchmarks."""

KITE = [sys.executable, "-m", "kite.cli.entry", "-C", str(PROJECT)]


class Hub:
    """The operator's connection to the Event Hub."""

    def __init__(self, endpoint: str, token: str) -> None:
        self._open = ExitStack()
        self._socket = self._open.enter_context(
            connect(endpoint, additional_headers={"authorization": f"Bearer {token}"}, proxy=None)
        )
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        self.subscribe(["_reply.operator.test.>"])

    def subscribe(self, patterns: Sequence[str]) -> None:
        number = next(self._numbers)
        self._send({"type": "subscribe", "events": list(patterns), "id": number})
        self._take(lambda message: message.get("id") == number, PATIENCE)

    def ask(self, subject: str, data: Any = None, *, timeout: float = PATIENCE) -> dict[str, Any]:
        """The whole reply, or the Hub's error."""
        number = next(self._numbers)
        reply_to = f"_reply.operator.test.{number}"
        event_id = f"{id(self):x}-{number}"
        self._send(
            {
                "type": "event",
                "event": subject,
                "data": data,
                "reply_to": reply_to,
                "event_id": event_id,
            }
        )
        return self._take(
            lambda message: (
                message.get("event") == reply_to
                or (message["type"] == "error" and message.get("event_id") == event_id)
            ),
            timeout,
        )

    def request(self, subject: str, data: Any = None, *, timeout: float = PATIENCE) -> Any:
        reply = self.ask(subject, data, timeout=timeout)
        assert reply["type"] == "event", reply
        assert "kite-error" not in reply.get("headers", {}), reply
        return reply["data"]

    def search(self, query: str, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.request("docs.search", {"query": query, **more})
        return found

    def paths(self, query: str) -> list[str]:
        return [result["path"] for result in self.search(query)["results"]]

    def wait(
        self, subject: str, holds: Callable[[Any], bool], *, timeout: float = PATIENCE
    ) -> dict[str, Any]:
        """The first event of the subject whose data the test is waiting for, from now on."""
        return self._take(
            lambda message: message.get("event") == subject and holds(message["data"]), timeout
        )

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message))

    def _take(self, is_wanted: Callable[[dict[str, Any]], bool], timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while True:
            message: dict[str, Any] = json.loads(self._socket.recv(deadline - time.monotonic()))
            self.events.append(message)
            if is_wanted(message):
                return message

    def close(self) -> None:
        self._open.close()


class System:
    """docsearch over a folder."""

    def __init__(self, directory: Path) -> None:
        self.folder = directory / "documents"
        self.folder.mkdir(exist_ok=True)
        self.workspace = directory / "workspace"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KITE_", "DOCSEARCH_", "LISTEN_"))
        } | {
            "KITE_WORKSPACE": str(self.workspace),
            "KITE_LANG": "en",
            "DOCSEARCH_FOLDER": str(self.folder),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self._hubs: list[Hub] = []

    @property
    def instance_dir(self) -> Path:
        return self.workspace / "docsearch"

    def write(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")

    def kite(
        self, *arguments: str, timeout: float = 2 * PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*KITE, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.kite("up", "-d", "--wait")

    def start(self) -> None:
        """Up, with everything ready."""
        up = self.up()
        assert up.returncode == 0, up.stderr

    def down(self) -> None:
        for hub in self._hubs:
            hub.close()
        if (self.instance_dir / "launcher" / "api.json").exists():
            self.kite("down")

    def hub(self) -> Hub:
        api = json.loads((self.instance_dir / "launcher" / "api.json").read_text())
        hub = Hub(api["ws_endpoint"], api["token"])
        self._hubs.append(hub)
        return hub

    def module(self, name: str) -> dict[str, Any]:
        listed = json.loads(self.kite("--json", "ps").stdout)["modules"]
        return next(record for record in listed if record["name"] == name)

    def registered(self, path: str) -> Any:
        return json.loads(self.kite("--json", "registry", "get", path).stdout)

    def kill(self, name: str) -> None:
        os.kill(self.module(name)["pid"], signal.SIGKILL)

    def wait_for_life(self, name: str, life: int, *, timeout: float = PATIENCE) -> None:
        """Wait until this life of a core module is ready; its own events may go down with it."""
        deadline = time.monotonic() + timeout
        while (found := self.module(name))["life"] < life or found["actual_state"] != "running":
            assert time.monotonic() < deadline, found

    def log(self, name: str) -> str:
        return (self.instance_dir / "logs" / f"{name}.log").read_text(encoding="utf-8")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """Not yet up: the test writes its documents first."""
    made = System(tmp_path)
    yield made
    made.down()


@pytest.fixture
def path_without_node(tmp_path: Path) -> str:
    """A PATH on which everything that docsearch needs is, but no Node."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("sh", "find", "xargs", "cat", "wc", "sleep", "env", "awk"):
        program = shutil.which(name)
        assert program
        (directory / name).symlink_to(program)
    python = Path(sys.executable).parent
    for name in ("python3", "kite"):
        if (python / name).exists():
            (directory / name).symlink_to(python / name)
    return str(directory)
