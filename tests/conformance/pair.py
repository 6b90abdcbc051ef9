"""The Registry and the Event Hub as processes, without a Launcher: the test plays it."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from . import raw
from .shapes import fits

START = 10.0
"""Seconds a core process may take until its line; the contract says 6, the machine may be busy."""


HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", sys.argv[2]])
"""
"""LISTEN_PID must name the process itself: this becomes the core module."""


class CoreProcess:
    """One life of a core module."""

    def __init__(self, module, environ, *, listener=None):
        self.module = module
        self._out = b""
        self.log = environ["KITE_MODULE_DATA"] + ".err"
        entry = f"kite.{module}.entry"
        if listener is None:
            command = [sys.executable, "-m", entry]
        else:
            command = [sys.executable, "-S", "-E", "-c", HAND_OVER, str(listener.fileno()), entry]
        with Path(self.log).open("ab") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environ,
                pass_fds=(listener.fileno(),) if listener is not None else (),
                start_new_session=True,
            )

    @property
    def pid(self):
        return self.process.pid

    def tell(self, **line):
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()

    def line(self, kind, timeout=START):
        """The next line on standard output that is a message of this kind."""
        deadline = time.monotonic() + timeout
        while True:
            while b"\n" in self._out:
                text, _, self._out = self._out.partition(b"\n")
                try:
                    message = json.loads(text)
                except ValueError:
                    continue
                if isinstance(message, dict) and message.get("kite") == kind:
                    return fits("core-line", message)
            left = deadline - time.monotonic()
            ready = select.select([self.process.stdout], [], [], max(0, left))[0]
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not data:
                raise AssertionError(
                    f"{self.module} said no {kind} line; status {self.process.poll()}\n{self.errors()}"
                )
            self._out += data

    def errors(self):
        return Path(self.log).read_text(encoding="utf-8", errors="replace")

    def end(self, how=signal.SIGTERM, timeout=5.0):
        """Send the signal, wait: the exit status."""
        status = self.end_quietly(how, timeout)
        assert status is not None, f"{self.module} did not end on {how!r}"
        return status

    def end_quietly(self, how=signal.SIGTERM, timeout=5.0):
        """The same, but None when it did not end in time and had to be killed."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        finally:
            self.process.stdin.close()
            self.process.stdout.close()


class Pair:
    """Registry and Hub with sockets that outlive them, as the Launcher keeps them.

    Args:
        directory: a fresh directory.
        hub_config, registry_config: the sections of kite.yaml.
    """

    def __init__(self, directory, *, hub_config=None, registry_config=None):
        self.directory = directory
        self.configs = {"event_hub": hub_config or {}, "registry": registry_config or {}}
        self.kite_token = secrets.token_hex(32)
        self.tokens = {
            name: secrets.token_hex(32) for name in ("registry", "event_hub", "operator")
        }
        self.lists = {}
        self.lives = {"registry": 0, "event_hub": 0}
        self.listeners = {name: _listener() for name in ("registry", "event_hub")}
        self.registry = self.hub = self.launcher = None
        self.sockets = []
        port = self.listeners["registry"].getsockname()[1]
        self.registry_port = port
        self.url = f"http://127.0.0.1:{port}"
        self.endpoint = f"ws://127.0.0.1:{self.listeners['event_hub'].getsockname()[1]}/ws"

    # ------------------------------------------------------------------------------- processes

    def environ(self, module):
        data = self.directory / "instance" / module
        data.mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KITE_", "LISTEN_"))}
        return {
            **kept,
            "KITE_PROJECT": str(self.directory),
            "KITE_CWD": str(self.directory),
            "KITE_WORKSPACE": str(self.directory),
            "KITE_INSTANCE": "conformance-pair",
            "KITE_INSTANCE_DIR": str(self.directory / "instance"),
            "KITE_MODULE": module,
            "KITE_MODULE_DIR": str(self.directory),
            "KITE_MODULE_DATA": str(data),
            "KITE_REGISTRY_PORT": str(self.registry_port),
        }

    def start_registry(self, *, tokens=True):
        """One life of the Registry; then `POST /tokens`, unless the test wants to see it without."""
        self.lives["registry"] += 1
        self.registry = CoreProcess(
            "registry", self.environ("registry"), listener=self.listeners["registry"]
        )
        self.registry.tell(
            token=self.kite_token,
            life=self.lives["registry"],
            replica=0,
            config=self.configs["registry"],
        )
        assert self.registry.line("port")["port"] == self.registry_port
        if tokens:
            self.post_tokens()

    def post_tokens(self, **names):
        """Tell the Registry who is who: everybody, or only the names given."""
        told = names or {
            name: {"token": token, **self.lists.get(name, {})}
            for name, token in self.tokens.items()
        }
        answer = self.call(
            "POST", "/tokens", token=self.kite_token, body=fits("registry-tokens", told)
        )
        assert answer.status == 200, answer
        return answer

    def start_hub(self, *, first_subscription=True):
        """One life of the Event Hub with the Launcher's connection."""
        self.lives["event_hub"] += 1
        self.hub = CoreProcess(
            "event_hub", self.environ("event_hub"), listener=self.listeners["event_hub"]
        )
        self.hub.tell(
            token=self.tokens["event_hub"],
            life=self.lives["event_hub"],
            replica=0,
            config=self.configs["event_hub"],
        )
        self.launcher_token = secrets.token_hex(32)
        self.hub.tell(kite="launcher_ws_token", launcher_ws_token=self.launcher_token)
        assert self.hub.line("ws_endpoint")["ws_endpoint"] == self.endpoint
        if first_subscription:
            self.let_everybody_in()

    def let_everybody_in(self, patience=15.0):
        """Connect as the Launcher and subscribe: from then on the Hub answers everybody."""
        self.launcher = self.connect_as(self.launcher_token)
        answer = self.launcher.subscribe("module.>", "hub.>", "registry.>")
        assert answer["type"] == "ack", answer
        self.launcher.expect(
            patience, event="module.ready", data=lambda data: data["module_id"] == "event_hub"
        )

    def start(self):
        self.start_registry()
        self.start_hub()
        self.launcher.expect(
            12, event="module.ready", data=lambda data: data["module_id"] == "registry"
        )
        return self

    def end(self):
        """Close, end, and see that the two went of their own will when asked."""
        for connection in self.sockets:
            connection.close()
        for listener in self.listeners.values():
            listener.close()
        cores = [core for core in (self.hub, self.registry) if core is not None]
        ends = [(core.module, core.end_quietly(), core.errors()[-1500:]) for core in cores]
        assert all(status == 0 for _, status, _ in ends), ends

    # ---------------------------------------------------------------------------------- people

    def module(self, name, **lists):
        """Make a module known: its token. `publish`, `subscribe`, `scopes` as in POST /tokens."""
        self.tokens[name] = secrets.token_hex(32)
        self.lists[name] = lists
        self.post_tokens(**{name: {"token": self.tokens[name], **lists}})
        return self.tokens[name]

    def connect_as(self, token, **options):
        """A WebSocket whose frames are all checked against the schema."""
        connection = raw.WebSocket(
            self.endpoint, token, on_frame=lambda frame: fits("frame-from-hub", frame), **options
        )
        self.sockets.append(connection)
        return connection

    def client(self, name, **options):
        """A connection of a module that `module` has made known; it is made known when needed."""
        if name not in self.tokens:
            self.module(name)
        deadline = time.monotonic() + 5
        while True:
            try:
                return self.connect_as(self.tokens[name], **options)
            except raw.Refused as refused:
                if refused.status != 503 or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def close_clients(self):
        """Close every connection but the Launcher's, and see that the Hub has noticed."""
        clients = [client for client in self.sockets if client is not self.launcher]
        self.sockets = [self.launcher]
        for client in clients:
            client.close()

    def call(self, method, path, **options):
        return raw.request(method, self.url + path, **options)

    def register(self, name, /, **fields):
        if name not in self.tokens:
            self.module(name)
        body = fits("registry-request", {"action": "register", "module_id": name, **fields})
        return self.call("POST", "/modules", token=self.tokens[name], body=body)


def _listener():
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener
