"""SIGKILL for Registry and Event Hub: they are mended alone, modules live on, ports stay."""

from __future__ import annotations

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from kite.testing.system import ECHO, System

TELLS_TOKEN = """
import json, os, sys
from pathlib import Path
boot = sys.stdin.readline()
data = Path(os.environ["KITE_MODULE_DATA"])
(data / f"boot-{json.loads(boot)['life']}").write_text(boot)
print("up", flush=True)
sys.stdin.read()
"""


def start(system: System) -> dict[str, int | None]:
    system.module("echo", ECHO, runtime="python")
    system.module("sleeper")
    system.up("--wait")
    return {name: system.pid(name) for name in ("echo", "sleeper")}


def wait_mended(system: System, lives: dict[str, int]) -> None:
    """Both core modules run, in at least these lives."""

    def mended() -> bool:
        records = system.records()
        return all(
            records[name]["actual_state"] == "running" and records[name]["life"] >= life
            for name, life in lives.items()
        )

    system.wait(mended, what=f"running core modules in lives {lives}")


@pytest.mark.parametrize(
    "order",
    [
        ("registry",),
        ("event_hub",),
        ("registry", "event_hub"),
        ("event_hub", "registry"),
        ("registry", "registry"),
        ("event_hub", "event_hub"),
    ],
    ids="-".join,
)
def test_core_killed_while_running(system: System, order: tuple[str, ...]) -> None:
    pids, api = start(system), system.api
    lives = {"registry": 1, "event_hub": 1}
    for name in order:
        if lives[name] > 1:
            wait_mended(system, lives)
        system.kill(name)
        lives[name] += 1
        system.wait_step(name, "core_crash", count=lives[name] - 1)
    wait_mended(system, lives)
    assert system.wait_answer("echo.echo", 7) == {"data": 7, "pid": pids["echo"], "life": 1}
    assert {name: system.pid(name) for name in pids} == pids
    assert system.api == api
    assert system.steps("echo", "exited") == []


def test_both_cores_killed_at_the_same_moment(system: System) -> None:
    pids, api = start(system), system.api
    both = [system.pid("registry"), system.pid("event_hub")]
    for pid in both:
        assert pid
        os.kill(pid, signal.SIGKILL)
    wait_mended(system, {"registry": 2, "event_hub": 2})
    assert system.wait_answer("echo.echo")["pid"] == pids["echo"]
    assert system.api == api


def test_core_killed_while_starting(system: System) -> None:
    """At the first start an exit before the first word is fatal: status 4, and nothing is left."""
    system.module("echo", ECHO, runtime="python")
    launcher = system.spawn("up")

    def hub() -> int | None:
        found = (p for p, words in system.census.look().items() if "kite.event_hub.entry" in words)
        return next(found, None)

    victim = system.wait(hub, what="the Hub's process")
    assert victim
    os.kill(victim, signal.SIGKILL)
    _, said = launcher.communicate(timeout=20)
    assert launcher.returncode == 4, said
    assert "event_hub" in said
    system.wait_nothing_left()
    assert not (system.launcher_dir / "api.json").exists()
    system.up("--wait")
    system.wait_answer("echo.echo")


def test_connection_made_while_the_hub_is_down_waits(system: System) -> None:
    start(system)
    port = urlsplit(system.api["ws_endpoint"]).port
    system.kill("event_hub")
    with socket.create_connection(("127.0.0.1", port), timeout=15) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
        assert client.recv(12) == b"HTTP/1.1 200"


def test_third_crash_restarts_everything_with_new_tokens(system: System) -> None:
    system.module("teller", TELLS_TOKEN, ready={"log": "up"}, stdin="boot")
    system.module("idle")
    system.up("--wait")
    system.act("stop", "idle")
    api = system.api
    url = f"http://127.0.0.1:{api['registry_port']}"
    folder = system.instance_dir / "teller"

    def token(life: int) -> str:
        import json

        path = folder / f"boot-{life}"
        system.wait(path.exists, what=f"boot line of life {life}")
        return str(json.loads(path.read_text())["token"])

    old = token(1)
    assert system.call("GET", "/modules", token=old, url=url).status == 200
    for life in (2, 3):
        system.kill("registry")
        wait_mended(system, {"registry": life, "event_hub": 1})
    assert system.call("GET", "/modules", token=old, url=url).status == 200
    system.kill("registry")
    system.wait_step("launcher", "restarting")
    new = token(2)
    system.wait_state("teller", "running")
    assert new != old
    assert system.call("GET", "/modules", token=old, url=url).status == 401
    assert system.call("GET", "/modules", token=new, url=url).status == 200
    assert system.api == api
    idle = system.record("idle")
    assert (idle["desired_state"], idle["actual_state"]) == ("stopped", "stopped")


SLOW_TO_LEAVE = """
import time
from kite import Module

module = Module()

@module.on_stop(estimated_cleanup=3)
def stopping():
    time.sleep(2)

module.run()
"""


def test_requests_in_a_full_restart_are_done_when_everything_is_back(system: System) -> None:
    """`lingers` keeps the restart open, and those who ask meanwhile wait for the lives after it."""
    system.configure(on_core_crash="full")
    system.module("lingers", SLOW_TO_LEAVE, runtime="python")
    system.module("by_hand", state="manual")
    system.up("--wait")
    system.kill("registry")
    system.wait_step("lingers", "stopping", reason="restart")
    with ThreadPoolExecutor() as people:
        asked = [
            people.submit(system.act, verb, name)
            for verb, name in (
                ("start", "by_hand"),
                ("restart", "lingers"),
                ("restart", "event_hub"),
            )
        ]
        answers = {found["name"]: found for found in (one.result() for one in asked)}
    assert {name: found["actual_state"] for name, found in answers.items()} == {
        "by_hand": "running",
        "lingers": "running",
        "event_hub": "running",
    }
    assert (answers["lingers"]["life"], answers["event_hub"]["life"]) == (2, 2)
    assert answers["by_hand"]["desired_state"] == "running"
    assert len(system.steps("launcher", "restarting")) == 1
    assert {name: system.record(name)["restarts"] for name in ("registry", "event_hub")} == {
        "registry": 1,
        "event_hub": 1,
    }


def test_third_full_restart_gives_up(system: System) -> None:
    system.configure(on_core_crash="full")
    system.module("sleeper")
    launcher = system.spawn("up", "--quiet")
    for count in (1, 2):
        system.wait_step("sleeper", "started", count=count)
        system.wait_phase("running")
        system.kill("event_hub")
        system.wait_step("launcher", "restarting", count=count)
    system.wait_step("sleeper", "started", count=3)
    system.wait_phase("running")
    system.kill("event_hub")
    _, said = launcher.communicate(timeout=30)
    assert launcher.returncode == 1, said
    system.wait_nothing_left()
