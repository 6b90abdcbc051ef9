"""circus, from PyPI."""

from __future__ import annotations

import signal

from bench.supervision.peers.installed import CIRCUS, interpreter, python_package
from bench.supervision.peers.peer import Peer

_HEAD = """[circus]
endpoint = ipc://{directory}/control
pubsub_endpoint = ipc://{directory}/events
"""

_PROGRAM = """[watcher:{name}]
cmd = {run}
copy_env = True
stop_children = True
"""


class Circus(Peer):
    """Programs print into its own log: it captures nothing by default."""

    name = "circus"
    settings = f"{CIRCUS}: stop_children; else defaults (check_delay 5 s, no log files)"
    tick = 5.0

    @classmethod
    def find(cls) -> None:
        python_package("circus", CIRCUS)

    def launch(self) -> None:
        self.environ = {**self.environ, "PYTHONPATH": str(python_package("circus", CIRCUS))}
        text = _HEAD.format(directory=self.directory)
        for each in self.programs:
            text += _PROGRAM.format(name=each.name, run=each.write(self.directory / each.name))
        config = self.directory / "circus.ini"
        config.write_text(text)
        self._spawn(interpreter(), "-m", "circus.circusd", str(config))

    def stop(self, name: str) -> int:
        return self._control("stop", name, "--waiting")

    def start_all(self) -> None:
        self._control("start")

    def stop_all(self) -> None:
        self._control("stop", "--waiting")

    def end(self) -> None:
        self._end_by(signal.SIGTERM)

    def _control(self, *words: str) -> int:
        control = (interpreter(), "-m", "circus.circusctl", "--timeout", "30")
        return self._run(*control, "--endpoint", f"ipc://{self.directory}/control", *words)
