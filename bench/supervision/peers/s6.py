"""s6, from the system's packages: s6-svscan, and an s6-supervise for each program."""

from __future__ import annotations

import signal

from bench.supervision.peers.peer import Peer, program

_HOW = "apt-get install --no-install-recommends s6"
_EACH = 'verb=$1; shift; for service in "$@"; do s6-svc "$verb" "$service" & done; wait'


class S6(Peer):
    """Without loggers, which are further processes; programs print where s6-svscan does."""

    name = "s6"
    settings = "no log services; restarts at most once a second"

    @classmethod
    def find(cls) -> None:
        for name in ("s6-svscan", "s6-supervise", "s6-svc"):
            program(name, _HOW)

    def launch(self) -> None:
        self._services = self.directory / "services"
        for each in self.programs:
            each.write(self._services / each.name)
        self._spawn(program("s6-svscan", _HOW), str(self._services))

    def stop(self, name: str) -> int:
        wait = ("-wd", "-T", "20000")
        return self._run(program("s6-svc", _HOW), *wait, "-d", str(self._services / name))

    def start_all(self) -> None:
        self._each("-u")

    def stop_all(self) -> None:
        self._each("-d")

    def end(self) -> None:
        self._end_by(signal.SIGTERM)

    def _each(self, verb: str) -> None:
        """One `s6-svc` for each: it takes one service only."""
        paths = (str(self._services / each.name) for each in self.programs)
        self._run("/bin/sh", "-c", _EACH, "sh", verb, *paths)
