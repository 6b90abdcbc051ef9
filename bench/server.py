"""A server to be measured or measured against: a throw-away process on loopback, and connections to it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 15.0


class Missing(Exception):  # noqa: N818  (a fact, not a failure)
    """The peer is not installed; says how to install it."""


class Server(ABC):
    """One server on loopback, with a directory of its own; it is ended and removed with the block.

    Args:
        root: where its directory is made; None: where temporary files lie.

    Attributes:
        name: as the table shows it.
        pid: of the server's process.
        port: where it listens.
    """

    name = ""

    def __init__(self, root: Path | None = None) -> None:
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = Path(tempfile.mkdtemp(prefix="kite-bench-", dir=root))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @abstractmethod
    def start(self) -> None:
        """Start the server and wait until it listens.

        Raises:
            Missing: it is not installed.
        """

    def stop(self) -> None:
        """End it and remove what it wrote."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, *argv: str) -> None:
        """Start the server's program, and wait until its port accepts."""
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None:
                    raise RuntimeError(f"{argv[0]} left with {self._process.returncode}") from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def program(name: str, how: str) -> str:
    """Where a program of the system is.

    Raises:
        Missing: nowhere; `how` says how to install it.
    """
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"{name} is not installed; {how}")
    return path


def dial(port: int) -> socket.socket:
    """A connection that sends at once."""
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_until(connection: socket.socket, sign: bytes) -> bytes:
    """What comes, up to and with the sign; nothing may follow it."""
    found = b""
    while sign not in found:
        piece = connection.recv(65536)
        if not piece:
            raise RuntimeError(f"the server closed the connection: {found[:200]!r}")
        found += piece
    return found
