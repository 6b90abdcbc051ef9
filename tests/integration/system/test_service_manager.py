"""Kite under a service manager: what it says on the socket, and that no module can say anything."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.testing import misbehaving
from kite.testing.system import System

TELLS = """
import json, os, time
print("env", json.dumps(sorted(os.environ)), flush=True)
print("up", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(30)
        yield made


@pytest.fixture
def managed(tmp_path: Path, manager: socket.socket) -> Iterator[System]:
    """A project whose Kite finds the environment that systemd gives."""
    address = str(manager.getsockname())
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "200000"}
    with System(tmp_path, extensions=False, environ=environ) as made:
        yield made


def until(manager: socket.socket, line: str) -> list[str]:
    """All lines that come until this one, with it."""
    heard: list[str] = []
    while line not in heard:
        heard += manager.recv(4096).decode().split("\n")
    return heard


def emptied(manager: socket.socket) -> None:
    """Throw away what has come so far."""
    manager.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while manager.recv(4096):
            pass


def test_a_manager_hears_of_start_failure_and_end(managed: System, manager: socket.socket) -> None:
    """READY when all has settled, a status that names what failed, life from the loop, STOPPING."""
    managed.module("teller", TELLS, ready={"log": "^up$"})
    managed.module("crasher", misbehaving.SLEEPS, ready={"log": "^up$"}, restart={"max": 1})
    process = managed.spawn("up", "--quiet")
    heard = until(manager, "READY=1")
    assert "WATCHDOG=1" in heard
    assert any(line.startswith("STATUS=Kite is starting") for line in heard)
    until(manager, "WATCHDOG=1")
    managed.remember()
    managed.kill("crasher")
    assert "READY=1" not in until(manager, "STATUS=modules running: 3; failed: crasher")
    found = json.loads(managed.printed("teller", "env")[-1])
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        assert name not in found
        pid = managed.pid("registry")
        assert name.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    # What systemd signals is its main process: the guard, which hands on the status too.
    assert managed.guard_pid == process.pid
    process.send_signal(signal.SIGTERM)
    until(manager, "STOPPING=1")
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_launcher_that_hangs_answers_no_watchdog(managed: System, manager: socket.socket) -> None:
    managed.module("sleeper")
    process = managed.spawn("up", "--quiet")
    until(manager, "READY=1")
    managed.remember()
    launcher = managed.kill("launcher", signal.SIGSTOP)
    try:
        stat = Path(f"/proc/{launcher}/stat")
        managed.wait(lambda: stat.read_text().rpartition(") ")[2].startswith("T"))
        emptied(manager)
        manager.settimeout(1.0)  # five of its periods
        with pytest.raises(TimeoutError):
            manager.recv(4096)
    finally:
        os.kill(launcher, signal.SIGCONT)
    manager.settimeout(30)
    until(manager, "WATCHDOG=1")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
