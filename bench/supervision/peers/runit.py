"""runit, from the system's packages: runsvdir, and a runsv for each program."""

from __future__ import annotations

import signal

from bench.supervision.peers.peer import Peer, program

_HOW = "apt-get install --no-install-recommends runit"


class Runit(Peer):
    """Without loggers, which are further processes; programs print where runsvdir does."""

    name = "runit"
    settings = "no log services; restarts at most once a second"

    @classmethod
    def find(cls) -> None:
        for name in ("runsvdir", "runsv", "sv"):
            program(name, _HOW)

    def launch(self) -> None:
        self._services = self.directory / "services"
        for each in self.programs:
            each.write(self._services / each.name)
        self._spawn(program("runsvdir", _HOW), str(self._services))

    def stop(self, name: str) -> int:
        return self._control("stop", name)

    def start_all(self) -> None:
        self._control("start", *self._names())

    def stop_all(self) -> None:
        self._control("stop", *self._names())

    def end(self) -> None:
        self._end_by(signal.SIGHUP)  # the rest: SIGTERM to every runsv, which ends its program
        if self._process is not None:
            self._control("exit", *self._names())

    def _names(self) -> list[str]:
        return [each.name for each in self.programs]

    def _control(self, verb: str, *names: str) -> int:
        paths = (str(self._services / name) for name in names)
        return self._run(program("sv", _HOW), verb, *paths)
