"""Kite itself, by its installed command: Registry, Event Hub and Watchdog run as users have them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from bench.running import COMMAND
from bench.supervision.peers.peer import PATIENCE, Peer
from bench.supervision.programs import Program
from kite.testing.system import System


class Kite(Peer):
    """A program is ready when its `up` has been read."""

    name = "Kite"
    settings = "ready: {log: up}; else defaults (with Registry, Event Hub, Watchdog; log files)"

    def __init__(self, programs: Sequence[Program]) -> None:
        super().__init__(programs)
        self.system = System(self.directory, environ=self.environ, command=(str(COMMAND),))
        self.environ = self.system.environ

    @classmethod
    def find(cls) -> None:
        """It is here."""

    def launch(self) -> None:
        for each in self.programs:
            folder = self.system.module(each.name, command=["./run"], ready={"log": "up"})
            path = folder / "run"
            path.write_text(each.text)
            path.chmod(0o755)
        self._process = subprocess.Popen(
            (str(COMMAND), "up", "-d", "--wait"),
            env=self.environ,
            cwd=self.system.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait_ready(self) -> None:
        """Until `kite up -d --wait` says that all are.

        Raises:
            RuntimeError: it says that they are not.
        """
        assert self._process is not None
        if status := self._process.wait(PATIENCE):
            raise RuntimeError(f"kite up -d --wait left with {status}")

    @property
    def pid(self) -> int:
        return int(self.system.api["pid"])

    def stop(self, name: str) -> int:
        return self.system.kite("stop", name, status=None).status

    def start_all(self) -> None:
        self.system.kite("start", *(each.name for each in self.programs))

    def stop_all(self) -> None:
        self.system.kite("stop", *(each.name for each in self.programs))

    def end(self) -> None:
        if self.system.is_up:
            self.system.kite("down", status=None)
