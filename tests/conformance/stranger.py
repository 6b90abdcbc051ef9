"""A Kite module written with nothing but a socket library, as section 3 of the contract tells it.

Copied with raw.py into the folders of the test modules. What it sees it notes in `facts.jsonl` in its
data directory, one JSON object a line, for the test to read.
"""

# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time

import raw


class Stranger:
    """One life of a module."""

    def __init__(self):
        self.name = os.environ["KITE_MODULE"]
        self.registry = f"http://127.0.0.1:{os.environ['KITE_REGISTRY_PORT']}"
        self.data = os.environ["KITE_MODULE_DATA"]
        self.hub = None
        self.patterns = []
        self.handlers = {}
        self.estimated_cleanup = 1
        self.cleanup = 0.0
        self.acknowledges = True
        self.leaves_by_itself = False
        self.life = None
        self.replica = None
        self.registration = None
        self.next_heartbeat = None

    def note(self, what, **fields):
        """Tell the test."""
        line = json.dumps(
            {"what": what, "pid": os.getpid(), "life": self.life, "at": time.time(), **fields}
        )
        with open(os.path.join(self.data, "facts.jsonl"), "a", encoding="utf-8") as facts:
            facts.write(line + "\n")

    # ------------------------------------------------------------------------------ the way in

    def boot(self):
        """Read the boot line, byte by byte, so that nothing behind it is taken from the pipe."""
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(0, 1)
            if not byte:
                sys.exit(9)
            line += byte
        self.boot_line = json.loads(line)
        self.token = self.boot_line["token"]
        self.life = self.boot_line["life"]
        self.replica = self.boot_line.get("replica")
        return self

    def call(self, method, path, **options):
        return raw.request(method, self.registry + path, token=self.token, **options)

    def find_hub(self, timeout=20.0):
        """Ask the Registry for the Hub's endpoint; 503 and nobody there mean: again."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                answer = self.call("GET", "/get/event_hub.metadata.ws_endpoint")
            except (OSError, raw.Closed) as problem:
                answer = None
                self.last_problem = repr(problem)
            if answer is not None and answer.status == 200:
                return answer.json()
            if answer is not None and answer.status not in (503, 404):
                self.note("refused", at="registry", status=answer.status)
                sys.exit(8)
            if time.monotonic() > deadline:
                self.note("lost", at="registry")
                sys.exit(7)
            time.sleep(0.05)

    def connect(self, timeout=20.0):
        """One WebSocket with the token; 401 is final."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.hub = raw.WebSocket(self.find_hub(), self.token)
                return self
            except raw.Refused as refused:
                if refused.status != 503:
                    self.note("refused", at="hub", status=refused.status)
                    sys.exit(8)
            except (OSError, raw.Closed):
                pass
            if time.monotonic() > deadline:
                self.note("lost", at="hub")
                sys.exit(7)
            time.sleep(0.05)

    def subscribe(self):
        for pattern in ["module.shutdown", *self.patterns]:
            answer = self.hub.subscribe(pattern)
            if answer["type"] != "ack":
                self.note("subscription_refused", pattern=pattern, answer=answer)
        return self

    def about(self, **fields):
        """What a module says about itself."""
        return {"module_id": self.name, "life": self.life, **fields}

    def register(self):
        if self.registration is None:
            return self
        answer = self.call(
            "POST",
            "/modules",
            body={"action": "register", **self.about(**self.registration)},
        )
        self.note("registered", status=answer.status)
        self.next_heartbeat = time.monotonic() + answer.json()["ttl"] / 3
        return self

    def heartbeat(self):
        try:
            answer = self.call("POST", "/modules", body={"action": "heartbeat", **self.about()})
        except (OSError, raw.Closed):
            self.next_heartbeat = time.monotonic() + 0.2
            return
        if answer.code == "not_registered":
            self.register()
        elif answer.status == 200:
            self.next_heartbeat = time.monotonic() + answer.json()["ttl"] / 3
        else:
            self.next_heartbeat = time.monotonic() + 0.2

    def ready(self):
        self.hub.publish("module.ready", self.about())
        self.note("ready")
        return self

    def join(self):
        """Everything up to `module.ready`."""
        return self.boot().connect().subscribe().register().ready()

    # ------------------------------------------------------------------------------- the living

    def on(self, pattern, handler):
        """Call `handler(event)` for a subject; the pattern is subscribed by `subscribe`."""
        self.patterns.append(pattern)
        self.handlers[pattern] = handler
        return self

    def serve(self):
        """Live until told otherwise: a closed standard input, `module.shutdown`, or a 401."""
        while True:
            try:
                if not self._attend():
                    self.note("stdin_ended")
                    return
            except (raw.Closed, OSError) as lost:
                self.note("disconnected", code=getattr(lost, "code", None))
                self._rejoin()

    def _rejoin(self):
        """After a lost connection: the same again with the same token."""
        while True:
            self.hub.socket.close()
            try:
                self.connect().subscribe().register().ready()
                return
            except (raw.Closed, raw.Silence, OSError) as lost:
                self.note("lost_again", problem=repr(lost))

    def _attend(self):
        """Wait for the next thing and deal with it; False when standard input has ended."""
        while self.hub.inbox:
            self.handle(self.hub.inbox.pop(0))
        wait = None
        if self.next_heartbeat is not None:
            wait = max(0.0, self.next_heartbeat - time.monotonic())
        readable, _, _ = select.select([0, self.hub.socket], [], [], wait)
        if self.next_heartbeat is not None and time.monotonic() >= self.next_heartbeat:
            self.heartbeat()
        if 0 in readable and not os.read(0, 65536):
            return False
        if self.hub.socket in readable:
            try:
                self.handle(self.hub.receive(timeout=0.5))
                while b"{" in self.hub._buffer:  # frames that came along with this one
                    self.handle(self.hub.receive(timeout=0.5))
            except raw.Silence:
                pass  # a frame has not come whole yet
        return True

    def handle(self, frame):
        if frame["type"] != "event":
            return
        if frame["event"] == "module.shutdown":
            if frame["data"].get("module_id") == self.name and self._mine(frame["data"]):
                self.shut_down(frame["data"])
            return
        handler = self.handlers.get(frame["event"])
        if handler is not None:
            handler(frame)

    def _mine(self, data):
        return data.get("life") in (None, self.life)

    def shut_down(self, data):
        self.note("shutdown_asked", data=data)
        if not self.acknowledges:
            return
        self.hub.publish(
            "module.shutdown.ack", self.about(estimated_cleanup=self.estimated_cleanup)
        )
        if self.cleanup:
            time.sleep(self.cleanup)
        if self.leaves_by_itself:
            sys.exit(0)
        self.note("shutdown_ready")  # before it is said: afterwards the end may come at any moment
        self.hub.publish("module.shutdown.ready", self.about())
        self.hub.barrier()

    def obey(self):
        """Do what the test says on `do.<name>`; answers where a reply is asked for."""
        return self.on(f"do.{self.name}", self._do)

    def _do(self, event):
        order = event["data"]
        answer = {"done": True, "pid": os.getpid(), "life": self.life}
        if "publish" in order:
            self.hub.publish(*order["publish"])
        if "fork" in order:
            child = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", f"import time; time.sleep({order['fork']})"],
                stdin=subprocess.DEVNULL,
                start_new_session=order.get("own_session", False),
            )
            answer["child"] = child.pid
        if "say" in order:
            os.write(order.get("fd", 1), order["say"].encode("latin-1"))
        if "reply_to" in event:
            self.hub.publish(event["reply_to"], answer)
            self.hub.barrier()
        if "signal" in order:
            os.kill(os.getpid(), order["signal"])
        if "exit" in order:
            os._exit(order["exit"])


def ignore_sigterm():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
