"""A whole Kite, driven as a stranger would: the command line, files, HTTP, WebSocket."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import yaml

from . import raw
from .shapes import fits

HERE = Path(__file__).parent
MARK = "CONFORMANCE_MARK"
"""An environment variable that every process of a test's Kite inherits, however deep."""

PATIENCE = 15.0
"""Seconds that a fact may take which the contract gives no shorter time to."""

BARE_PYTHON = [sys.executable, "-S", "-E"]

BEGINNING = "import sys\nfrom stranger import Stranger\nimport raw\nme = Stranger()\n"
PLAIN = "me.obey().join().serve()\n"
"""The program of a module that does all that section 3 says, and what `Kite.order` tells it."""


def kite_command():
    """How the command line is called on this machine."""
    beside = Path(sys.executable).with_name("kite")
    return [str(beside)] if beside.exists() else [shutil.which("kite") or "kite"]


class Kite:
    """One project directory, its Kite, and everything that runs in it.

    Args:
        directory: a fresh directory; home, workspace and project are made below it.
    """

    def __init__(self, directory, *, project="project"):
        self.mark = uuid.uuid4().hex
        self.home = directory / "home"
        self.workspace = directory / "workspace"
        self.project = directory / project
        for made in (self.home, self.project):
            made.mkdir(parents=True, exist_ok=True)
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KITE_", "LISTEN_", "LC_", "LANG"))
        }
        self.environ.update(
            {
                "HOME": str(self.home),
                "KITE_WORKSPACE": str(self.workspace),
                "LANG": "C.UTF-8",
                "NO_COLOR": "1",
                MARK: self.mark,
            }
        )
        self.foreground = []
        self.sockets = []
        self._ports = set()
        self._api = None

    # --------------------------------------------------------------------------- what is written

    def module(self, name, program=PLAIN, *, folder=None, manifest=None, **keys):
        """Write a module's folder below `modules/`.

        Args:
            program: Python that finds `me`, a Stranger; None for no program at all.
            manifest: the whole text of module.md, instead of the keys.
            **keys: of the manifest; `command` runs the program when neither it nor `runtime` is given.
        """
        folder = folder or self.project / "modules" / name
        folder.mkdir(parents=True, exist_ok=True)
        if program is not None:
            for helper in ("raw.py", "stranger.py"):
                shutil.copy(HERE / helper, folder / helper)
            (folder / "main.py").write_text(BEGINNING + program, encoding="utf-8")
        if manifest is None:
            front = {"name": name, **keys}
            if program is not None and "command" not in keys and "runtime" not in keys:
                front["command"] = [*BARE_PYTHON, "main.py"]
            manifest = f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n# {name}\n"
        (folder / "module.md").write_text(manifest, encoding="utf-8")
        return folder

    def configure(self, **keys):
        """Write kite.yaml."""
        (self.project / "kite.yaml").write_text(yaml.safe_dump(keys, sort_keys=False), "utf-8")

    # -------------------------------------------------------------------------- the command line

    def run(self, *words, timeout=60, cwd=None, environ=None, **options):
        """`kite WORDS` to its end: the completed process, with text streams."""
        return subprocess.run(
            [*kite_command(), *words],
            cwd=cwd or self.project,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **options,
        )

    def up(self, *words, status=0, **options):
        """`kite up -d WORDS`, and its exit status is the one that is expected."""
        done = self.run("up", "-d", *words, **options)
        assert done.returncode == status, (
            done.returncode,
            done.stdout,
            done.stderr,
            self.launcher_log(),
        )
        if status in (0, 4) and self.api_file.exists():
            self.remember_ports()
        return done

    def down(self, status=0):
        done = self.run("down")
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done

    def start_foreground(self, *words, **options):
        """`kite up WORDS` in the foreground, its own session: the Popen (streams are pipes)."""
        process = subprocess.Popen(
            [*kite_command(), "up", *words],
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **options,
        )
        self.foreground.append(process)
        return process

    # ------------------------------------------------------------------------------- what it says

    @property
    def instance_dir(self):
        return self.workspace / self.project.name

    @property
    def api_file(self):
        return self.instance_dir / "launcher" / "api.json"

    @property
    def api(self):
        """What api.json says now."""
        return fits("api", json.loads(self.api_file.read_text(encoding="utf-8")))

    def remember_ports(self):
        api = self.api
        self._api = api
        self._ports |= {
            raw.split_url(api["url"])[1],
            api["registry_port"],
            raw.split_url(api["ws_endpoint"])[1],
        }

    def call(self, method, path, *, token=None, **options):
        """One request to the Launcher's API, as the operator unless told otherwise."""
        api = self._api or self.api
        return raw.request(method, api["url"] + path, token=token or api["token"], **options)

    def registry(self, method, path, *, token=None, **options):
        api = self._api or self.api
        url = f"http://127.0.0.1:{api['registry_port']}{path}"
        return raw.request(method, url, token=token or api["token"], **options)

    def post(self, path, body=raw.UNSET, **options):
        return self.call("POST", f"/launcher/modules/{path}", body=body, timeout=70, **options)

    def record(self, name):
        answer = self.call("GET", f"/launcher/modules/{name}")
        assert answer.status == 200, answer
        return fits("module-record", answer.json())

    def records(self):
        document = fits("module-records", self.call("GET", "/launcher/modules").json())
        return {record["name"]: record for record in document["modules"]}

    def hub(self, **options):
        """A WebSocket of the operator's."""
        api = self._api or self.api
        connection = raw.WebSocket(
            api["ws_endpoint"],
            api["token"],
            on_frame=lambda frame: fits("frame-from-hub", frame),
            **options,
        )
        self.sockets.append(connection)
        return connection

    def order(self, name, _timeout=5.0, **what):
        """Tell a module with `me.obey()` to do something; its answer."""
        hub = self.hub()
        reply = f"_reply.operator.{uuid.uuid4().hex}"
        hub.subscribe(reply)
        hub.publish(f"do.{name}", what, reply_to=reply)
        try:
            return hub.expect(_timeout, event=reply)["data"]
        finally:
            hub.close()

    def steps(self, module=None, event=None):
        """The lines of lifecycle.jsonl, whole ones only."""
        path = self.instance_dir / "launcher" / "lifecycle.jsonl"
        if not path.exists():
            return []
        text = path.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [
            fits("lifecycle-line", line)
            for line in lines
            if (module is None or line["module"] == module)
            and (event is None or line["event"] == event)
        ]

    def audit(self):
        """The lines of all three audit logs, whole ones only."""
        paths = self.instance_dir.glob("*/audit.jsonl")
        lines = [line for path in paths for line in path.read_text().splitlines(keepends=True)]
        return [fits("audit-line", json.loads(line)) for line in lines if line.endswith("\n")]

    def facts(self, name, what=None):
        """What a Stranger has noted."""
        path = self.instance_dir / name / "facts.jsonl"
        if not path.exists():
            return []
        text = path.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in lines if what is None or line["what"] == what]

    def log(self, name):
        """The text of a module's log, without the instant and the mark of each line."""
        path = self.instance_dir / "logs" / f"{name}.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def launcher_log(self):
        return self.log("launcher")[-3000:]

    # ------------------------------------------------------------------------ waiting for a fact

    def wait(self, fact, timeout=PATIENCE, what=""):
        """The first true value of `fact()` within the time."""
        began = time.monotonic()
        while True:
            if value := fact():
                return value
            waited = time.monotonic() - began
            if waited > timeout:
                lines = "\n".join(json.dumps(step) for step in self.steps()[-25:])
                raise AssertionError(
                    f"not within {timeout} s: {what or fact}\n{lines}\n{self.launcher_log()}"
                )
            time.sleep(min(max(0.01, waited / 20), 0.1))

    def wait_step(self, module, event, *, count=1, timeout=PATIENCE, **fields):
        """The count-th step of a module with these fields."""

        def found():
            steps = [
                step
                for step in self.steps(module, event)
                if all(step.get(key) == value for key, value in fields.items())
            ]
            return steps[count - 1] if len(steps) >= count else None

        return self.wait(found, timeout, f"{event} {fields} of {module}, {count} times")

    def wait_fact(self, name, what, *, count=1, timeout=PATIENCE):
        def found():
            facts = self.facts(name, what)
            return facts[count - 1] if len(facts) >= count else None

        return self.wait(found, timeout, f"{what} noted by {name}, {count} times")

    def wait_state(self, name, *states, timeout=PATIENCE):
        """The record of a module once its actual state is one of these."""

        def found():
            record = self.record(name)
            return record if record["actual_state"] in states else None

        return self.wait(found, timeout, f"{name} {' or '.join(states)}")

    # ------------------------------------------------------------------------------------ the end

    def census(self):
        """The live processes that carry this test's mark: pid to command line."""
        return census(f"{MARK}={self.mark}")

    def end(self):
        """End everything; assert that Kite left nothing: no process, no listening port, no api.json."""
        for connection in self.sockets:
            connection.close()
        problems = []
        ended_by_kite = self.run("down") if self.census() else None
        for process in self.foreground:
            if process.poll() is None and ended_by_kite is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                problems.append(f"the foreground kite {process.pid} did not end")
        deadline = time.monotonic() + 3
        while (left := self.census()) and time.monotonic() < deadline:
            time.sleep(0.02)
        if left:
            problems.append(f"processes are left: {left}")
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        if ended_by_kite is not None and ended_by_kite.returncode not in (0, 1, 3):
            problems.append(f"kite down: {ended_by_kite}")
        problems += [f"port {port} still listens" for port in self._ports if is_listening(port)]
        if not left and self.api_file.exists():
            problems.append("api.json is left")
        for step in self.steps():
            fits("lifecycle-line", step)
        assert not problems, (problems, self.launcher_log())


def census(entry):
    """Live processes (zombies are dead) whose environment has the entry: pid to command line."""
    found = {}
    wanted = entry.encode()
    for path in Path("/proc").iterdir():
        if not path.name.isdigit() or int(path.name) == os.getpid():
            continue
        try:
            if wanted in (path / "environ").read_bytes().split(b"\0"):
                found[int(path.name)] = (
                    (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                )
        except OSError:
            continue
    return found


def is_listening(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def alive(pid):
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def kill(pid, how=signal.SIGKILL):
    os.kill(pid, how)
