"""`lifecycle.jsonl` is the truth about the core modules too."""

from __future__ import annotations

from kite.testing.system import System

CORES = ("launcher", "registry", "event_hub")


def told(system: System, module: str) -> list[str]:
    return [step["event"] for step in system.steps(module)]


def test_every_step_of_the_core_modules_is_told(system: System) -> None:
    started = ["scanned", "starting", "started"]
    ended = ["stopping", "exited", "stopped"]
    system.up("--wait")
    pids = {name: system.pid(name) for name in CORES}
    system.kite("restart", "event_hub")
    crashed = system.kill("registry")
    system.wait(lambda: told(system, "registry").count("started") == 2, what="a mended Registry")
    system.kite("registry", "get")  # until it serves, a signal ends it at once
    system.down()

    assert told(system, "launcher") == [*started, "settled", "stopping", "stopped"]
    assert told(system, "event_hub") == [*started, "requested", *ended, *started[1:], *ended]
    assert told(system, "registry") == [*started, "exited", "core_crash", *started[1:], *ended]

    steps = [step for step in system.steps() if step["module"] in CORES]
    assert [step["module"] for step in steps[:4]] == [*CORES, "launcher"]
    assert (steps[-1]["module"], steps[-1]["exit_code"]) == ("launcher", 0)
    first_pid = {s["module"]: s["pid"] for s in reversed(steps) if s["event"] == "started"}
    assert first_pid == pids
    exits = [s for s in steps if s["event"] == "exited" and "signal" in s]
    assert [(s["module"], s["signal"]) for s in exits] == [("registry", 9)], exits
    [exit_of_crash] = exits
    assert (exit_of_crash["module"], exit_of_crash["signal"]) == ("registry", 9)
    assert crashed == pids["registry"]
    reasons = [step["reason"] for step in system.steps("event_hub", "stopped")]
    assert reasons == ["restart", "system_shutdown"]
