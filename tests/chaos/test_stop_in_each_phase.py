"""A stop request is honoured in any phase, at once, and leaves nothing."""

from __future__ import annotations

import os
import signal
import time

import pytest

from kite.testing.system import ECHO, System

AT_ONCE = 5.0
"""Seconds: the contract says 0.5 until it is honoured; the rest is for a busy machine."""


@pytest.mark.parametrize(
    "moment",
    ["guard", "registry", "event_hub", "spoken", "registry_ready", "modules", "starting"],
)
def test_stop_while_starting(system: System, moment: str) -> None:
    system.module("echo", ECHO, runtime="python")
    system.module("slow", "import time; time.sleep(1000)", ready={"log": "never"})
    kite = system.spawn("up", "--quiet")

    def has_come() -> bool:
        match moment:
            case "guard":
                return len(system.census.look()) >= 2
            case "registry" | "event_hub":
                return bool(system.steps(moment, "starting"))
            case "spoken":
                return (system.launcher_dir / "api.json").exists()
            case "registry_ready":
                return bool(system.steps("event_hub", "started"))
            case "modules":
                return bool(system.steps("registry", "started"))
            case _:
                return bool(system.steps("slow", "spawned"))

    system.wait(has_come, what=moment)
    asked = time.monotonic()
    kite.send_signal(signal.SIGTERM)
    _, said = kite.communicate(timeout=20)
    assert time.monotonic() - asked < AT_ONCE
    assert kite.returncode in (0, -signal.SIGTERM, 128 + signal.SIGTERM), said
    system.wait_nothing_left()
    assert not (system.launcher_dir / "api.json").exists()


def test_stop_while_a_core_module_is_being_mended(system: System) -> None:
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    for name in ("registry", "event_hub"):
        pid = system.pid(name)
        assert pid
        os.kill(pid, signal.SIGKILL)
    asked = time.monotonic()
    system.down()
    assert time.monotonic() - asked < 2 * AT_ONCE
    system.wait_nothing_left()


def test_stop_while_everything_starts_over(system: System) -> None:
    system.configure(on_core_crash="full")
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    system.kill("registry")
    system.wait_step("launcher", "restarting")
    system.down()
    system.wait_nothing_left()
