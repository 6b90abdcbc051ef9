"""SIGSTOP for Hub, Registry and Launcher: whoever is only suspended is not taken for dead."""

from __future__ import annotations

import os
import signal
import time

import pytest

from kite.testing.system import ECHO, System


@pytest.mark.parametrize("name", ["event_hub", "registry"])
def test_core_is_suspended_for_a_while(system: System, name: str) -> None:
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    before = {module: record["pid"] for module, record in system.records().items()}
    system.kill(name, signal.SIGSTOP)
    # The Launcher answers without either of them.
    for _ in range(5):
        assert system.call("GET", "/launcher/modules", timeout=5).status == 200
    system.kill(name, signal.SIGCONT)
    assert system.wait_answer("echo.echo", 5)["data"] == 5
    after = {module: record["pid"] for module, record in system.records().items()}
    assert after == before
    assert system.steps(event="core_crash") == []


@pytest.mark.parametrize("name", ["event_hub", "registry"])
def test_core_is_suspended_when_everything_stops(system: System, name: str) -> None:
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    system.remember()
    system.kill(name, signal.SIGSTOP)
    system.down()
    system.wait_nothing_left()


def test_registry_is_suspended_while_a_module_restarts(system: System) -> None:
    """No boot line is written meanwhile; the module comes up when the Registry goes on."""
    system.module("echo", ECHO, runtime="python", launch={"timeout": 30})
    system.up("--wait")
    registry = system.kill("registry", signal.SIGSTOP)
    system.kill("echo")
    system.wait_step("echo", "spawned", life=2)
    assert system.record("echo")["actual_state"] == "starting"
    os.kill(registry, signal.SIGCONT)
    system.wait_step("echo", "started", life=2)
    assert system.wait_answer("echo.echo")["life"] == 2


def test_launcher_is_suspended_while_modules_crash(system: System) -> None:
    system.module("echo", ECHO, runtime="python")
    system.module("sleeper")
    system.up("--wait")
    launcher = system.api["pid"]
    victim = system.pid("sleeper")
    assert victim
    os.kill(launcher, signal.SIGSTOP)
    os.kill(victim, signal.SIGKILL)
    assert system.request("echo.echo", 1)["data"] == 1
    os.kill(launcher, signal.SIGCONT)
    system.wait_step("sleeper", "started", life=2)
    assert system.record("sleeper")["restarts"] == 1


def test_everything_is_suspended_when_everything_stops(system: System) -> None:
    """Three layers and both core modules hang: 10 s and 3 s are enough, and nobody is left."""
    for name, needed in (("bottom", []), ("middle", ["bottom"]), ("top", ["middle"])):
        system.module(
            name, ECHO.replace('"echo"', f'"{name}"'), runtime="python", depends_on=needed
        )
    system.up("--wait")
    for name in ("registry", "event_hub", "bottom", "middle", "top"):
        system.kill(name, signal.SIGSTOP)
    began = time.monotonic()
    system.down()
    assert time.monotonic() - began < 20  # 13 s, and what else this machine does
    system.wait_nothing_left(timeout=1)
    assert not system.steps("launcher", "survivors")
