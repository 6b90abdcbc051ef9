"""supervisord, from PyPI."""

from __future__ import annotations

import signal

from bench.supervision.peers.installed import SUPERVISOR, interpreter, python_package
from bench.supervision.peers.peer import Peer

_HEAD = """[supervisord]
nodaemon=true
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
childlogdir={directory}
[unix_http_server]
file={directory}/control
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{directory}/control
"""

_PROGRAM = """[program:{name}]
command={run}
stopasgroup=true
killasgroup=true
"""


class Supervisord(Peer):
    """Its programs' logs are files that it writes, as by default."""

    name = "supervisord"
    settings = f"{SUPERVISOR}: stopasgroup, killasgroup; else defaults (startsecs 1)"
    tick = 1.0

    @classmethod
    def find(cls) -> None:
        python_package("supervisor", SUPERVISOR)

    def launch(self) -> None:
        self.environ = {
            **self.environ,
            "PYTHONPATH": str(python_package("supervisor", SUPERVISOR)),
        }
        text = _HEAD.format(directory=self.directory)
        for each in self.programs:
            text += _PROGRAM.format(name=each.name, run=each.write(self.directory / each.name))
        self._config = self.directory / "supervisord.conf"
        self._config.write_text(text)
        self._spawn(interpreter(), "-m", "supervisor.supervisord", "-c", str(self._config))

    def stop(self, name: str) -> int:
        return self._control("stop", name)

    def start_all(self) -> None:
        self._control("start", "all")

    def stop_all(self) -> None:
        self._control("stop", "all")

    def end(self) -> None:
        self._end_by(signal.SIGTERM)

    def _control(self, *words: str) -> int:
        control = (interpreter(), "-m", "supervisor.supervisorctl", "-c", str(self._config))
        return self._run(*control, *words)
