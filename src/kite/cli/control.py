"""The Launcher's API as a blocking call, and the file that says where it is.

One connection per call over a plain socket with httptools: half the start-up time of
`http.client`, which loads TLS and e-mail. Commands that only ask need neither event loop nor threads.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

from kite.errors import ConfigError, KiteError, PeerError, RequestError, Unavailable

MAX_ANSWER_BYTES = 64 << 20
TIMEOUT = 10.0
"""Seconds a call that does not wait for anything may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFile:
    """`<instance dir>/launcher/api.json`: where the Launcher is, and the operator's token."""

    url: str
    token: str
    pid: int
    instance: str
    registry_port: int
    ws_endpoint: str | None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The file, or None when there is none.

        Raises:
            ConfigError: `unsafe_api_file` when others could have written or read it (status 6),
                `broken_api_file` when it is not what the Launcher writes.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as refused:
            detail = refused.strerror or str(refused)
            raise ConfigError("unsafe_api_file", path=str(path), detail=detail) from None
        with open(descriptor, "rb") as file:  # noqa: PTH123  (a descriptor, not a path)
            if problem := _unsafe(os.fstat(descriptor)):
                raise ConfigError("unsafe_api_file", path=str(path), detail=problem)
            text = file.read(1 << 20)
        try:
            found = json.loads(text)
            return cls(
                url=str(found["url"]),
                token=str(found["token"]),
                pid=int(found["pid"]),
                instance=str(found["instance"]),
                registry_port=int(found.get("registry_port") or 0),
                ws_endpoint=found.get("ws_endpoint"),
            )
        except (ValueError, TypeError, KeyError) as wrong:
            detail = f"{type(wrong).__name__}: {wrong}"
            raise ConfigError("broken_api_file", path=str(path), detail=detail) from None


def _unsafe(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "it is no regular file"
    if status.st_uid != os.geteuid():
        return f"it belongs to user {status.st_uid}, and this is user {os.geteuid()}"
    if mode := stat.S_IMODE(status.st_mode) & 0o077:
        return f"others may use it (mode {stat.S_IMODE(status.st_mode):04o}, {mode:03o} too many)"
    return ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of a call that went well."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as Python objects; None when it is empty."""
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A running Launcher.

    Args:
        api: its api.json.
        instance_dir: where that was found.
        project: the project directory, for messages.
    """

    api: ApiFile
    instance_dir: Path
    project: str

    @classmethod
    def find(cls, instance_dir: Path, *, project: str) -> Self:
        """The Launcher of the instance directory.

        Raises:
            Unavailable: `not_running`, or `gone` when its process ended without clearing up.
            ConfigError: see `ApiFile.read`.
        """
        api = ApiFile.read(instance_dir / "launcher" / "api.json")
        if api is None:
            raise Unavailable("not_running", project=project)
        if not is_alive(api.pid):
            raise Unavailable("gone", project=project, pid=api.pid)
        return cls(api=api, instance_dir=instance_dir, project=project)

    def get(self, path: str, *, timeout: float = TIMEOUT) -> Answer:
        """GET, raising what the answer says went wrong."""
        return self.begin("GET", path, timeout=timeout).finish()

    def post(self, path: str, body: Any = None, *, timeout: float = TIMEOUT) -> Answer:
        """POST, raising what the answer says went wrong."""
        return self.begin("POST", path, body, timeout=timeout).finish()

    def put(self, path: str, body: Any, *, timeout: float = TIMEOUT) -> Answer:
        """PUT, raising what the answer says went wrong."""
        return self.begin("PUT", path, body, timeout=timeout).finish()

    def again(self) -> Self:
        """The same Launcher by what api.json says now: its token may have been changed meanwhile."""
        api = ApiFile.read(self.instance_dir / "launcher" / "api.json")
        return self if api is None or api.pid != self.api.pid else replace(self, api=api)

    def begin(self, method: str, path: str, body: Any = None, *, timeout: float) -> Exchange:
        """Send the request and return without the answer, so that several may be under way."""
        return Exchange(self.again(), self.api.url, method, path, body=body, timeout=timeout)

    def registry(self, path: str, *, timeout: float = TIMEOUT) -> Answer:
        """GET from the Registry, with the operator's token."""
        url = f"http://127.0.0.1:{self.api.registry_port}"
        return Exchange(self.again(), url, "GET", path, body=None, timeout=timeout).finish()

    def away(self, url: str, detail: str) -> Unavailable:
        """Why nobody answers: Kite has ended, or it is there and silent."""
        if not is_alive(self.api.pid):
            return Unavailable("gone", project=self.project, pid=self.api.pid)
        return Unavailable("not_answering", pid=self.api.pid, url=url, detail=detail)


class Exchange:
    """One request under way."""

    def __init__(
        self, control: Control, url: str, method: str, path: str, *, body: Any, timeout: float
    ) -> None:
        self._control = control
        self._url = url + path.partition("?")[0]
        self._deadline = time.monotonic() + timeout
        parts = urlsplit(url)
        head = [
            f"{method} {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Authorization: Bearer {control.api.token}",
            "Connection: close",
        ]
        payload = b""
        if body is not None:
            payload = json.dumps(body).encode()
            head += ["Content-Type: application/json"]
        if method != "GET":
            head += [f"Content-Length: {len(payload)}"]
        address = (parts.hostname or "127.0.0.1", parts.port or 80)
        try:
            self._socket = socket.create_connection(address, timeout=timeout)
            self._socket.sendall("\r\n".join([*head, "", ""]).encode() + payload)
        except OSError as failed:
            raise control.away(self._url, failed.strerror or str(failed)) from None

    def finish(self) -> Answer:
        """Wait for the answer.

        Raises:
            KiteError: what a problem document says, `unauthorized`, `not_answering` …
        """
        reader = _Reader()
        try:
            with self._socket:
                self._read(reader)
        except OSError as failed:
            raise self._control.away(self._url, failed.strerror or str(failed)) from None
        if not reader.is_complete:
            raise self._control.away(self._url, "the connection was closed before the answer")
        answer = Answer(reader.status, b"".join(reader.chunks))
        if not _is_good(answer.status):
            raise _refusal(answer, self._url)
        return answer

    def opened(self) -> socket.socket:
        """Wait for the beginning of an answer that goes on: the connection, the caller's to read on
        and to close.

        Raises:
            KiteError: as `finish`.
        """
        reader = _Reader()
        try:
            self._read(reader, goes_on=True)
        except OSError as failed:
            self._socket.close()
            raise self._control.away(self._url, failed.strerror or str(failed)) from None
        if not _is_good(reader.status):
            self._socket.close()
            raise _refusal(Answer(reader.status, b"".join(reader.chunks)), self._url)
        self._socket.settimeout(None)
        return self._socket

    def _read(self, reader: _Reader, *, goes_on: bool = False) -> None:
        import httptools

        parser = httptools.HttpResponseParser(reader)
        reader.parser = parser
        while not (reader.is_complete or (goes_on and _is_good(reader.status))):
            self._socket.settimeout(max(self._deadline - time.monotonic(), 0.001))
            data = self._socket.recv(1 << 16)
            if not data:
                return
            try:
                parser.feed_data(data)
            except httptools.HttpParserError as wrong:
                raise PeerError("bad_response", url=self._url, detail=str(wrong)) from None
            if reader.size > MAX_ANSWER_BYTES:
                raise PeerError("bad_response", url=self._url, detail="it is too large")


def _is_good(status: int) -> bool:
    return 200 <= status < 300


class _Reader:
    """httptools' callbacks."""

    def __init__(self) -> None:
        self.parser: Any = None
        self.status = 0
        self.chunks: list[bytes] = []
        self.size = 0
        self.is_complete = False

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.chunks.append(body)
        self.size += len(body)

    def on_message_complete(self) -> None:
        self.is_complete = True


def _refusal(answer: Answer, url: str) -> KiteError:
    try:
        document = json.loads(answer.body)
        code, params = document["code"], document.get("params") or {}
        params = {name: value for name, value in params.items() if name not in _TAKEN}
    except (ValueError, TypeError, KeyError, AttributeError):
        return PeerError("bad_status", url=url, status=answer.status)
    if isinstance(document.get("detail"), str):
        params.setdefault("detail", document["detail"])
    if answer.status == 503:
        params.setdefault("what", url)
        return Unavailable(code, **params)
    return RequestError(code, **params)


_TAKEN = frozenset({"self", "code", "location"})


def is_alive(pid: int) -> bool:
    """Whether a process of this number is there (not a zombie)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


def module_path(name: str, rest: str = "") -> str:
    """The path of a module in the Launcher's API."""
    return f"/launcher/modules/{quote(name, safe='')}{rest}"
