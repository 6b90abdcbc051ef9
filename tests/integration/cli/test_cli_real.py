"""The command line with a real Kite: what a person does in a first hour."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

KITE = [sys.executable, "-m", "kite.cli.entry"]
DEADLINE = 60.0


class Project:
    """A project directory with a workspace and a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "garden"
        self.folder.mkdir()
        self.workspace = folder / "workspace"
        self.instance_dir = self.workspace / "garden"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KITE_")}
        self.environ = {
            **kept,
            "HOME": str(folder),
            "KITE_WORKSPACE": str(self.workspace),
            "KITE_LANG": "en",
            "TERM": "xterm",
            "NO_COLOR": "1",
        }

    def kite(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*KITE, *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
            **options,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*KITE, *arguments],
            cwd=self.folder,
            env={**self.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def write(self, name: str, manifest: str, **files: str) -> None:
        folder = self.folder / "modules" / name
        folder.mkdir(parents=True)
        (folder / "module.md").write_text(f"---\nname: {name}\n{manifest}---\n")
        for file, text in files.items():
            path = folder / file.replace("_", ".")
            path.write_text(text)
            path.chmod(0o755)

    def records(self) -> dict[str, dict[str, Any]]:
        found = json.loads(self.kite("ps", "--json").stdout)["modules"]
        return {record["name"]: record for record in found}

    @property
    def pid(self) -> int | None:
        try:
            found = json.loads((self.instance_dir / "launcher" / "api.json").read_text())
        except FileNotFoundError:
            return None
        return int(found["pid"])


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    pid = made.pid
    if pid is not None and made.kite("down").returncode != 0:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def until(stream: Any, wanted: str) -> str:
    """What a program prints up to and with what is wanted."""
    text, deadline = "", time.monotonic() + DEADLINE
    while wanted not in text:
        left = deadline - time.monotonic()
        assert left > 0, f"{wanted!r} did not come; there was:\n{text}"
        if select.select([stream], [], [], left)[0]:
            data = os.read(stream if isinstance(stream, int) else stream.fileno(), 65536)
            assert data, f"the end came before {wanted!r}:\n{text}"
            text += data.decode("utf-8", "replace")
    return text


@pytest.mark.parametrize("runtime", ["python", "node", "binary"])
def test_a_new_module_runs(runtime: str, project: Project) -> None:
    if runtime == "node" and not shutil.which("node"):
        pytest.skip("needs Node.js")
    made = project.kite("new", "tulip", "--runtime", runtime)
    assert made.returncode == 0, made.stderr
    assert "next: kite up" in made.stderr
    assert "modules/tulip/module.md" in made.stdout
    assert project.kite("check").returncode == 0
    up = project.kite("up", "-d", "--wait")
    assert up.returncode == 0, up.stderr
    assert project.records()["tulip"]["actual_state"] == "running"
    if runtime == "binary":
        assert "tick 1" in project.kite("logs", "tulip").stdout
    else:
        reply = project.kite("request", "tulip.hello", '{"to": "you"}')
        assert json.loads(reply.stdout) == {"text": "hello, you"}
    down = project.kite("down")
    assert down.returncode == 0, down.stderr
    log = project.kite("logs", "tulip").stdout
    assert "tulip =" in log
    if runtime != "node":
        assert "Traceback" not in log


def test_the_life_of_a_project(project: Project) -> None:
    """One Kite for what can be looked at in one: starting is the slow part."""
    project.kite("new", "rose")
    project.write("tree", "command: [sleep, '1000']\nready: {exec: ['true']}\nstate: manual\n")
    assert project.kite("up", "-d").returncode == 0
    pid = project.pid

    again = project.kite("up", "-d")
    assert again.returncode == 5
    assert str(pid) in again.stderr
    foreground = project.kite("up")
    assert foreground.returncode == 5
    assert str(pid) in foreground.stderr

    assert project.kite("start", "rose").returncode == 0
    started = project.kite("start", "tree")
    assert started.stdout.startswith("tree: running, pid "), started.stderr
    stopped = project.kite("stop", "tree", "--json")
    assert json.loads(stopped.stdout)["modules"][0]["actual_state"] == "stopped"
    unknown = project.kite("start", "three")
    assert (unknown.returncode, unknown.stdout) == (1, "")

    assert project.kite("disable", "rose").returncode == 0
    assert project.records()["rose"]["config_state"] == "disabled"
    assert "state: disabled" in (project.folder / "modules/rose/module.md").read_text()
    assert project.kite("start", "rose").returncode == 6
    assert project.kite("enable", "rose").returncode == 0

    project.kite("new", "daisy")
    assert "daisy" in project.kite("rescan").stdout
    assert project.kite("start", "daisy").returncode == 0

    endpoint = project.kite("registry", "get", "event_hub.metadata.ws_endpoint").stdout
    assert endpoint.startswith("ws://127.0.0.1:")

    watching = project.start("events", "daisy.>", "--count", "2", "--json")
    until(watching.stderr, "watching daisy.>")
    published = project.kite("pub", "daisy.grows", '{"cm": 3}')
    assert published.stdout == "delivered to 0: daisy.grows\n", "a spectator does not count"
    told = project.kite("pub", "daisy.said", '{"to": "text"}', "--json")
    assert json.loads(told.stdout)["delivered"] == 1
    out, _err = watching.communicate(timeout=DEADLINE)
    seen = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in seen] == ["daisy.grows", "daisy.said"]
    assert (seen[0]["source"], seen[0]["data"]) == ("operator", {"cm": 3})
    assert watching.returncode == 0

    from_stdin = project.kite("pub", "daisy.grows", "-", input='["文"]')
    assert from_stdin.returncode == 0
    nobody = project.kite("request", "tulip.hello")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "nobody answers" in nobody.stderr
    failed = project.kite("request", "daisy.hello", '"not an object"')
    assert failed.returncode == 1
    assert "daisy answers 'daisy.hello' with the error" in failed.stderr
    reserved = project.kite("pub", "module.ready", "{}")
    assert reserved.returncode == 6

    watching = project.start("events", "nothing.at.all")
    until(watching.stderr, "watching")
    down = project.kite("down")
    assert down.returncode == 0
    assert watching.wait(DEADLINE) == 3
    watching.communicate()
    assert project.pid is None
    assert project.kite("down").returncode == 3


def test_wait_names_who_is_not_ready_and_why(project: Project) -> None:
    project.write("weed", "command: [sh, -c, 'exit 7']\nrestart: {retry: false, max: 1}\n")
    project.write("vine", "command: [sleep, '1000']\ndepends_on: [weed]\n")
    up = project.kite("up", "-d", "--wait")
    assert up.returncode == 4
    lines = {line.split()[0]: line for line in up.stderr.splitlines() if line.startswith("  ")}
    assert "failed" in lines["weed"]
    assert "waits for weed" in lines["vine"]
    assert f"Kite runs in {project.folder}, pid {project.pid}, without: " in up.stderr
    assert up.stderr.rstrip().endswith("see why: kite logs weed"), "the vine has nothing to say"
    assert project.records()["vine"]["waiting_for"] == ["weed"]


def test_wait_leads_from_a_broken_manifest_to_check(project: Project) -> None:
    project.write("weed", "runtim: python\nentry: main.py\n")
    up = project.kite("up", "-d", "--wait")
    assert up.returncode == 4
    assert f"Kite runs in {project.folder}, pid {project.pid}, without: weed" in up.stderr
    assert up.stderr.rstrip().endswith("see why: kite check"), "it never ran, so it has no log"
    assert str(project.folder / "modules") not in up.stderr


def test_wait_says_what_came_up_and_where(project: Project) -> None:
    project.write(
        "page",
        "command: [python3, -m, http.server, --bind, 127.0.0.1, '${KITE_PORT}']\n"
        "preferred_port: 8613\nhealth_endpoint: http://127.0.0.1:${KITE_PORT}/\n"
        "ready: {http: 'http://127.0.0.1:${KITE_PORT}/'}\n"
        "api_endpoint: http://127.0.0.1:${KITE_PORT}/\n",
    )
    up = project.kite("up", "-d", "--wait")
    assert up.returncode == 0, up.stderr
    records = project.records()
    running = sum(record["actual_state"] == "running" for record in records.values())
    lines = up.stderr.splitlines()
    at = lines.index(f"modules running: {running - 1}")
    assert lines[at + 1].startswith("  page  http://127.0.0.1:"), "the Launcher is not counted"
    assert len(lines) == at + 2


def test_a_wrong_kite_yaml_ends_the_start_with_2_and_its_place(project: Project) -> None:
    (project.folder / "kite.yaml").write_text("start_concurrency: many\n")
    up = project.kite("up", "-d")
    assert up.returncode == 2
    assert "kite.yaml:1" in up.stderr
    check = project.kite("check")
    assert check.returncode == 2
    assert check.stdout.startswith("kite.yaml:1: ")
    assert project.pid is None


def test_logs_follow_over_a_restart_of_kite(project: Project) -> None:
    project.kite("new", "fern", "--runtime", "binary")
    assert project.kite("up", "-d", "--wait").returncode == 0
    following = project.start("logs", "-f", "fern")
    until(following.stdout, "tick 1")
    assert project.kite("down").returncode == 0
    until(following.stdout, "going")
    assert project.kite("up", "-d", "--wait").returncode == 0
    assert "ready" in until(following.stdout, "tick 1")
    following.send_signal(signal.SIGINT)
    assert following.wait(DEADLINE) == 0
    assert following.communicate()[1] == ""


def test_events_end_quietly_with_ctrl_c(project: Project) -> None:
    assert project.kite("up", "-d").returncode == 0
    watching = project.start("events")
    until(watching.stderr, "watching >")
    watching.send_signal(signal.SIGINT)
    assert watching.wait(DEADLINE) == 0
    assert watching.communicate()[1] == ""


def test_a_refusal_is_an_answer_and_a_late_one_has_a_name(project: Project) -> None:
    """Only who broke has written into its log; only who listens can be late."""
    project.kite("new", "poppy")
    (project.folder / "modules/poppy/main.py").write_text(
        "import asyncio\n"
        "from kite import Module\n"
        "from kite.errors import RequestError\n"
        "module = Module()\n"
        "@module.handle('poppy.refuse')\n"
        "def refuse(request):\n"
        "    raise RequestError('not_found', path='the seed')\n"
        "@module.handle('poppy.break')\n"
        "def fail(request):\n"
        "    raise KeyError('seed')\n"
        "@module.handle('poppy.wait')\n"
        "async def wait(request):\n"
        "    await asyncio.sleep(1000)\n"
        "module.run()\n"
    )
    up = project.kite("up", "-d", "--wait")
    assert up.returncode == 0, up.stderr
    refused = project.kite("request", "poppy.refuse")
    assert refused.returncode == 1
    assert refused.stderr == (
        "error: poppy refuses 'poppy.refuse': there is nothing at 'the seed' (not_found)\n"
    )
    broken = project.kite("request", "poppy.break")
    assert broken.stderr.rstrip().endswith("see its log: kite logs poppy")
    late = project.kite("request", "poppy.wait", "--timeout", "0.2")
    assert late.returncode == 4
    assert "kite logs poppy" in late.stderr
    stopped = project.kite("stop", "registry")
    assert stopped.returncode == 6
    assert "it runs for as long as Kite does" in stopped.stderr


@pytest.mark.parametrize("verb", [["logs", "-f", "-n", "1", "lily"], ["events", "nothing.ever"]])
def test_a_reader_that_leaves_ends_it_though_nothing_is_printed(
    verb: list[str], project: Project
) -> None:
    """`kite logs -f NAME | head -1`: the next line may be hours away."""
    project.write("lily", "command: [sh, -c, 'echo in bloom; sleep 1000']\nready: {log: bloom}\n")
    assert project.kite("up", "-d", "--wait").returncode == 0
    following = project.start(*verb)
    assert following.stdout
    assert following.stderr
    if verb[0] == "logs":
        until(following.stdout, "lily")
    else:
        until(following.stderr, "watching")
    following.stdout.close()
    assert following.wait(DEADLINE) == 0
    with following.stderr:
        assert following.stderr.read() == ""


def test_events_go_on_when_the_hub_is_restarted(project: Project) -> None:
    assert project.kite("up", "-d", "--wait").returncode == 0
    watching = project.start("events", "weather.>", "--count", "1", "--json")
    until(watching.stderr, "watching weather.>")
    restarted = project.kite("restart", "event_hub")
    assert restarted.returncode == 0, restarted.stderr
    assert "the Event Hub is restarting" in until(watching.stderr, "watching weather.>")
    assert project.kite("pub", "weather.sunny").returncode == 0
    out, _err = watching.communicate(timeout=DEADLINE)
    assert json.loads(out)["event"] == "weather.sunny"
    assert watching.returncode == 0


def test_in_the_foreground_on_a_terminal(project: Project) -> None:
    project.kite("new", "moss", "--runtime", "binary")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.folder)
        os.execve(sys.executable, [*KITE, "up"], project.environ)
    try:
        shown = until(terminal, "look around:")
        assert "moss" in shown
        assert "Kite is up after" in shown
        if "tick 1" not in shown:
            until(terminal, "tick 1")
        os.kill(project.records()["moss"]["pid"], signal.SIGKILL)
        assert "restart" in until(terminal, "life 2")
        os.write(terminal, b"\x03")
        until(terminal, "stopping everything")
        with contextlib.suppress(OSError):
            while os.read(terminal, 65536):
                pass
        _pid, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    finally:
        os.close(terminal)
    assert project.kite("ps").returncode == 3


def test_a_launcher_that_was_killed_is_found_out(project: Project) -> None:
    assert project.kite("up", "-d").returncode == 0
    pid = project.pid
    assert pid
    watch = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([watch], [], [], DEADLINE)[0]
    os.close(watch)
    ps = project.kite("ps")
    assert ps.returncode == 3
    assert str(pid) in ps.stderr
    doctor = project.kite("doctor", "--json")
    findings = {each["name"]: each for each in json.loads(doctor.stdout)["findings"]}
    assert findings["instance"]["verdict"] == "warn"
    assert project.kite("up", "-d").returncode == 0
    assert project.kite("down").returncode == 0
