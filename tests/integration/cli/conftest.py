"""A Launcher's API that says what a test wants, and the command line run against it."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kite.cli.entry import run

TOKEN = "ab" * 32


@dataclass
class FakeLauncher:
    """Answers one request a connection with what `answers` holds for `METHOD path`.

    An answer is `(status, body)`, raw bytes of a whole response, or a function that makes one.
    Requests are kept as `METHOD target` in the order in which they came.
    """

    instance_dir: Path
    answers: dict[str, Any] = field(default_factory=lambda: {"GET /launcher": (200, {})})
    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.write_api()

    @property
    def api_file(self) -> Path:
        return self.instance_dir / "launcher" / "api.json"

    def write_api(self, **changed: Any) -> None:
        self.api_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        api = {
            "url": f"http://127.0.0.1:{self.port}",
            "token": TOKEN,
            "pid": os.getpid(),
            "instance": "i1",
            "registry_port": self.port,
            "ws_endpoint": f"ws://127.0.0.1:{self.port}/ws",
            **changed,
        }
        self.api_file.write_text(json.dumps(api))
        self.api_file.chmod(0o600)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._server.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        length = next((int(x[15:]) for x in lines if x.lower().startswith("content-length:")), 0)
        while len(body) < length:
            body += connection.recv(65536)
        method, target, _version = lines[0].split(" ")
        self.requests.append(f"{method} {target}")
        self.heads.append(head.decode())
        self.bodies.append(body)
        answer = self.answers.get(
            f"{method} {target.partition('?')[0]}", (404, problem("not_found", 404, path=target))
        )
        if callable(answer):
            answer = answer()
        if isinstance(answer, tuple):
            status, value = answer
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            answer = (
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
            )
        connection.sendall(answer)


def problem(code: str, status: int, **params: Any) -> dict[str, Any]:
    """A problem document."""
    return {"status": status, "code": code, "detail": f"about {code}", "params": params}


@pytest.fixture
def instance_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the working directory with an instance directory of its own."""
    project = tmp_path / "project"
    project.mkdir()
    folder = tmp_path / "instance"
    folder.mkdir(mode=0o700)
    for name in [name for name in os.environ if name.startswith("KITE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KITE_INSTANCE_DIR", str(folder))
    monkeypatch.setenv("KITE_LANG", "en")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(project)
    return folder


@pytest.fixture
def launcher(instance_dir: Path) -> Iterator[FakeLauncher]:
    fake = FakeLauncher(instance_dir)
    yield fake
    fake.close()


@dataclass
class Outcome:
    status: int
    out: str
    err: str


@pytest.fixture
def kite(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process."""

    def call(*arguments: str) -> Outcome:
        capfd.readouterr()
        status = run(list(arguments))
        out, err = capfd.readouterr()
        return Outcome(status, out, err)

    return call
