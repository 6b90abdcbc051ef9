"""Ports, instance directories and pids that belong to somebody else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from kite.launcher import platform_linux
from kite.testing.census import is_alive
from kite.testing.system import ECHO, System

LISTENS = """
import os, socket
server = socket.create_server(("127.0.0.1", int(os.environ["KITE_PORT"])))
print("port", os.environ["KITE_PORT"], flush=True)
while True:
    server.accept()[0].close()
"""


def test_preferred_port_is_taken(system: System) -> None:
    """The module gets another one; when the port is free again, that one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = taken.getsockname()[1]
        ready = {"tcp": "${KITE_PORT}"}
        system.module("web", LISTENS, preferred_port=wanted, ready=ready)
        system.up("--wait")
        (given,) = system.printed("web", "port")
        assert int(given) != wanted
    system.act("restart", "web")
    assert system.printed("web", "port", count=2)[-1] == str(wanted)


def test_two_modules_prefer_one_port(system: System) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        wanted = probe.getsockname()[1]
    for name in ("one", "two"):
        system.module(name, LISTENS, preferred_port=wanted, ready={"tcp": "${KITE_PORT}"})
    system.up("--wait")
    given = {*system.printed("one", "port"), *system.printed("two", "port")}
    assert len(given) == 2


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_probe_finds_a_stranger(system: System, kind: str) -> None:
    """An answer at a port proves nothing while the listener is not the module's own."""
    stranger = subprocess.Popen(
        [sys.executable, "-S", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    try:
        assert stranger.stdout
        port = int(stranger.stdout.readline().split(" port ")[1].split()[0])
        target = port if kind == "tcp" else f"http://127.0.0.1:{port}/"
        system.module(
            "impostor",
            "import time; time.sleep(1000)",
            ready={kind: target, "interval": 0.1},
            launch={"timeout": 1},
            restart={"max": 1},
        )
        outcome = system.up("--wait", status=4)
        assert "impostor" in outcome.err
        assert system.steps("impostor", "started") == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


def test_second_kite_up(system: System) -> None:
    """Status 5, in the foreground and detached; the first runs on."""
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    api = system.api
    for words in (["up"], ["up", "-d"], ["up", "--wait"]):
        outcome = system.kite(*words, status=5)
        assert str(api["pid"]) in outcome.err
        told = json.loads(system.kite(*words, "--json", status=5).err.splitlines()[-1])
        assert told["code"] == "already_running"
        assert (told["params"]["pid"], told["params"]["url"]) == (api["pid"], api["url"])
    assert system.api == api
    assert system.request("echo.echo", 1)["life"] == 1


@pytest.mark.slow
def test_fifty_kites_at_once(system: System) -> None:
    """Exactly one wins, the others leave with 5 and touch nothing of it."""
    system.module("echo", ECHO, runtime="python")
    kites = [system.spawn("up", "-d") for _ in range(50)]
    said = [kite.communicate(timeout=120)[1] for kite in kites]
    statuses = sorted(kite.returncode for kite in kites)
    assert statuses == [0] + [5] * 49, said
    assert system.wait_answer("echo.echo", 1)["life"] == 1
    assert len(system.steps("registry", "starting")) == 1


def test_recorded_pid_belongs_to_a_stranger(system: System) -> None:
    """Records that lie: a living process that is not ours is never touched."""
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    folder = system.launcher_dir / "processes"
    record = next(
        json.loads(path.read_text())
        for path in folder.iterdir()
        if json.loads(path.read_text())["module"] == "echo"
    )
    system.down()
    strangers = [
        subprocess.Popen(["sleep", "1000"], start_new_session=True),
        subprocess.Popen(
            ["sleep", "1000"], env={"KITE_INSTANCE": "another", "KITE_MODULE": "echo"}
        ),
        subprocess.Popen(["sleep", "1000"], env={}),
    ]
    try:
        folder.mkdir(exist_ok=True)
        for stranger in strangers:
            stat = platform_linux.stat(stranger.pid)
            assert stat
            right = {**record, "pid": stranger.pid, "start_time": stat.start_time}
            wrong = {**record, "pid": stranger.pid}
            for number, forged in enumerate((right, wrong)):
                (folder / f"{stranger.pid}-{number}.json").write_text(json.dumps(forged))
        (folder / "1-1.json").write_text(json.dumps({**record, "pid": 1}))
        (folder / "garbage.json").write_text("{")
        (folder / "me.json").write_text(json.dumps({**record, "pid": os.getpid()}))
        system.up("--wait")
        assert all(is_alive(stranger.pid) for stranger in strangers)
        told = {step["verdict"] for step in system.steps(event="leftover")}
        assert told <= {"stranger", "unverifiable"}
        assert told
    finally:
        for stranger in strangers:
            assert stranger.poll() is None
            stranger.send_signal(signal.SIGKILL)
            stranger.wait()
