"""Many modules, many commands."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kite.testing.system import System


@pytest.mark.slow
def test_fifty_modules(system: System) -> None:
    """At most `start_concurrency` between process and ready at once; all stop within the budget."""
    names = [f"m{number:02}" for number in range(50)]
    system.configure(start_concurrency=5)
    for name in names:
        system.module(
            name, command=["sh", "-c", "sleep 0.05; echo up; exec sleep 1000"], ready={"log": "up"}
        )
    system.up("--wait")
    starting, most = set(), 0
    for step in system.steps():
        if step["module"] not in names:
            continue
        if step["event"] == "starting":
            starting.add(step["module"])
        elif step["event"] == "started":
            starting.discard(step["module"])
        most = max(most, len(starting))
    assert starting == set()
    assert most == 5
    system.down()
    assert {step["module"] for step in system.steps(event="stopped")} >= set(names)


@pytest.mark.slow
def test_two_hundred_modules(system: System) -> None:
    """They come up, are all accounted for in one look, and go without a rest."""
    names = {f"m{number:03}" for number in range(200)}
    for name in names:
        system.module(name, command=["sh", "-c", "echo up; exec sleep 1000"], ready={"log": "up"})
    system.up("--wait", timeout=240)
    records = {name: record for name, record in system.records().items() if name in names}
    assert records.keys() == names
    assert {record["actual_state"] for record in records.values()} == {"running"}
    assert {record["processes"] for record in records.values()} == {1}
    assert len({record["pid"] for record in records.values()}) == 200
    system.remember()
    system.down()
    system.wait_nothing_left()
    assert {step["module"] for step in system.steps(event="stopped")} >= names


def test_twenty_verbs_at_once(system: System) -> None:
    """Modules never wait for each other's operations."""
    names = [f"m{number:02}" for number in range(20)]
    for name in names:
        system.module(name)
    system.up("--wait")
    verbs = ["restart", "stop"] * 10
    commands = [system.spawn(verb, name) for verb, name in zip(verbs, names, strict=True)]
    said = [command.communicate(timeout=60) for command in commands]
    assert [command.returncode for command in commands] == [0] * 20, said
    records = system.records()
    for verb, name in zip(verbs, names, strict=True):
        record = records[name]
        if verb == "stop":
            assert (record["actual_state"], record["desired_state"]) == ("stopped", "stopped")
        else:
            assert (record["actual_state"], record["life"]) == ("running", 2)


@pytest.mark.slow
def test_fifty_modules_stopped_and_started_side_by_side(system: System) -> None:
    """Fifty requests at once, each of which is done: no module's operation excludes another's."""
    names = [f"m{number:02}" for number in range(50)]
    for name in names:
        system.module(name)
    system.up("--wait")
    with ThreadPoolExecutor(len(names)) as people:
        for verb, state in (("stop", "stopped"), ("start", "running"), ("restart", "running")):
            found = list(people.map(lambda name, verb=verb: system.act(verb, name), names))
            assert [record["actual_state"] for record in found] == [state] * 50
    assert {record["life"] for name, record in system.records().items() if name in names} == {3}


def test_verbs_on_one_module_at_once(system: System) -> None:
    """Each later operation takes over; nothing is left half-way."""
    system.module("one")
    system.up("--wait")
    verbs = ["restart", "stop", "start", "restart", "stop", "start"]
    commands = [system.spawn(verb, "one") for verb in verbs]
    for command in commands:
        _, said = command.communicate(timeout=60)
        assert command.returncode in (0, 1), said
        assert "Traceback" not in said
    system.wait_state("one", "running", "stopped")
    assert system.act("start", "one")["actual_state"] == "running"
