"""PM2, from npm."""

from __future__ import annotations

import json
import subprocess

from bench.supervision.peers.installed import PM2, node_package
from bench.supervision.peers.peer import Missing, Peer, program


class Pm2(Peer):
    """Its daemon is started by its first command; home, sockets and logs are in the directory."""

    name = "PM2"
    settings = f"{PM2}: interpreter none; else defaults"

    @classmethod
    def find(cls) -> None:
        program("node", "PM2 needs Node.js with npm")
        if not (node_package("pm2", PM2) / "node_modules" / "pm2" / "bin" / "pm2").exists():
            raise Missing(f"pm2 {PM2} has no bin/pm2")

    def launch(self) -> None:
        self.environ = {
            **self.environ,
            "PM2_HOME": str(self.directory / "home"),
            "PM2_DISABLE_VERSION_CHECK": "true",
        }
        self._words = ("node", str(node_package("pm2", PM2) / "node_modules/pm2/bin/pm2"))
        apps = [
            {
                "name": each.name,
                "script": str(each.write(self.directory / each.name)),
                "interpreter": "none",
            }
            for each in self.programs
        ]
        config = self.directory / "apps.json"
        config.write_text(json.dumps({"apps": apps}))
        self._spawn(*self._words, "start", str(config))

    @property
    def pid(self) -> int:
        return int((self.directory / "home" / "pm2.pid").read_text())

    def stop(self, name: str) -> int:
        return self._run(*self._words, "stop", name)

    def start_all(self) -> None:
        self._run(*self._words, "start", "all")

    def stop_all(self) -> None:
        self._run(*self._words, "stop", "all")

    def end(self) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        if self.own():  # else `pm2 kill` would start a daemon to kill
            self._run(*self._words, "kill")
