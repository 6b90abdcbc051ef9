"""The template of warm processes killed, stopped or orphaned, and what its processes leave."""

from __future__ import annotations

import os
import signal

from kite.launcher import platform_linux
from kite.testing.census import command_line, is_alive, parent_of
from kite.testing.system import ECHO, System

TEMPLATE = "kite.launcher.warm.entry"

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon", os.getpid(), flush=True)
        os.execve("/bin/sleep", ["sleep", "120"], {})
    os._exit(0)
print("up", flush=True)
time.sleep(120)
"""
"""Leaves a process in a session of its own, with an empty environment."""


def template_of(system: System) -> int | None:
    """The pid of the Launcher's template, if it has one now."""
    launcher = system.api["pid"]
    found = [
        pid
        for pid, process in platform_linux.snapshot().items()
        if process.parent == launcher and process.is_alive and TEMPLATE in command_line(pid)
    ]
    assert len(found) <= 1
    return found[0] if found else None


def another_template(system: System, but: int) -> int:
    """Wait for the next one; it has imported everything when it forks."""
    system.wait(lambda: template_of(system) not in (None, but))
    found = template_of(system)
    assert found is not None
    return found


def start(system: System, count: int = 3, **keys: object) -> list[str]:
    names = [f"echo{number}" for number in range(count)]
    for name in names:
        system.module(name, ECHO, runtime="python", **keys)
    system.up("--wait")
    return names


def test_modules_and_core_processes_are_warm_and_look_like_themselves(system: System) -> None:
    """People who look for a process by its words find it, and not the template."""
    system.module("cold", ECHO, runtime="python", warm=False)
    (name,) = start(system, 1)
    records = system.records()
    warm = {key: record["warm"] for key, record in records.items() if record["pid"]}
    assert warm == {
        "launcher": None,
        "registry": True,
        "event_hub": True,
        "cold": False,
        name: True,
    }
    pid = records[name]["pid"]
    assert command_line(pid) == command_line(records["cold"]["pid"]).replace("cold", name)
    assert "kite.registry.entry" in command_line(records["registry"]["pid"])
    assert parent_of(pid) == system.api["pid"]
    environment = platform_linux.environment(pid)
    assert environment is not None
    assert environment["KITE_MODULE"] == name
    assert f"pid {pid} (warm)" in system.log(name)


def test_template_killed(system: System) -> None:
    """Nobody who was forked from it notices, and who dies meanwhile is back all the same."""
    names = start(system)
    lives = {name: system.record(name)["life"] for name in names}
    template = template_of(system)
    assert template is not None
    os.kill(template, signal.SIGKILL)
    os.kill(system.record(names[0])["pid"], signal.SIGKILL)
    assert system.wait_answer(f"{names[0]}.echo", 1)["life"] >= 2
    another_template(system, template)
    assert {name: system.record(name)["life"] for name in names[1:]} == {
        name: lives[name] for name in names[1:]
    }
    assert system.record(names[0])["restarts"] == 1


def test_template_stopped_while_modules_start(system: System) -> None:
    """Each runs once, cold, and the template is replaced."""
    names = start(system, 4, state="manual")
    template = template_of(system)
    assert template is not None
    os.kill(template, signal.SIGSTOP)
    for name in names:
        system.act("start", name)
    for name in names:
        assert system.wait_answer(f"{name}.echo", name)["life"] == 1
    assert [name for name in names if system.record(name)["restarts"]] == []
    assert not is_alive(template)
    another_template(system, template)


def test_launcher_killed_with_warm_modules(system: System) -> None:
    """The template and everything it forked die like everything else."""
    system.module("daemon", DAEMON, runtime="python", ready={"log": "up"})
    names = start(system)
    (daemon,) = map(int, system.printed("daemon", "daemon"))
    template = template_of(system)
    pids = [system.record(name)["pid"] for name in names]
    assert template is not None
    system.remember()
    system.kill("launcher")
    system.wait_gone(template, daemon, *pids)
    system.wait_nothing_left()
    system.up("--wait")
    assert system.wait_answer(f"{names[0]}.echo", "again")["data"] == "again"


def test_launcher_and_guard_killed_with_warm_modules(system: System) -> None:
    """The kernel ends the template and what it forked; what those left, the next `kite up` finds."""
    system.module("daemon", DAEMON, runtime="python", ready={"log": "up"})
    names = start(system)
    (daemon,) = map(int, system.printed("daemon", "daemon"))
    template = template_of(system)
    pids = [system.record(name)["pid"] for name in names]
    assert template is not None
    system.remember()
    guard, launcher = system.guard_pid, system.api["pid"]
    for pid in (guard, launcher):
        os.kill(pid, signal.SIGKILL)
    system.wait_gone(guard, launcher, template, *pids)
    assert is_alive(daemon)
    system.up("--wait")
    system.wait_gone(daemon)
    system.printed("daemon", "daemon", count=2)


def test_a_stop_takes_all_that_a_warm_module_left(system: System) -> None:
    system.module("daemon", DAEMON, runtime="python", ready={"log": "up"}, stop={"timeout": 0.2})
    start(system, 1)
    (daemon,) = map(int, system.printed("daemon", "daemon"))
    assert is_alive(daemon)
    system.act("stop", "daemon")
    assert not is_alive(daemon)
    assert template_of(system) is not None


def test_a_foreign_interpreter_option_does_without(system: System) -> None:
    """What differs from the template is started cold, and its log says why."""
    system.module("path", ECHO, runtime="python", env={"PYTHONPATH": "/elsewhere"})
    start(system, 1)
    assert system.record("path")["warm"] is False
    system.wait_log("path", "(cold: PYTHONPATH differs from the Launcher's)")
