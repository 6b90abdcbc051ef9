"""Random bytes at all three ports of a whole Kite: the same processes serve on, in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from port_fuzzing import KINDS, Attack, targets

from kite.testing.operator import Operator
from kite.testing.system import ECHO, System

CORE = ("launcher", "registry", "event_hub")
ROUNDS = 8
MANY = int(os.environ.get("KITE_FUZZ_ROUNDS", "200"))
MORE_BYTES = 96 << 20
"""What a process may have more afterwards: a bound, no expectation."""

TROUBLE = re.compile(r"Traceback|Fatal error|never retrieved|\.failed|internal_error|Exception")


async def keeps_asking(system: System, until: asyncio.Event) -> int:
    """A module that is asked all the time; how often it has answered."""
    api, count = system.api, 0
    async with Operator(api["ws_endpoint"], api["token"]) as operator:
        while not until.is_set():
            answer = await operator.request("echo.echo", count, 60.0)
            assert answer["data"] == count
            count += 1
            await asyncio.sleep(0.01)
    return count


async def attack(system: System, made: Attack) -> int:
    api = system.api
    hub, launcher = urlsplit(api["ws_endpoint"]).port, urlsplit(api["url"]).port
    assert hub
    assert launcher
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(keeps_asking(system, over))
        await made.run(targets(api, hub, launcher))
        over.set()
    return asking.result()


def open_files(process: psutil.Process) -> list[str]:
    """What its descriptors are."""
    found = []
    for each in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append(str(each.readlink()))
    return sorted(found)


def wait_closed(system: System, process: psutil.Process, before: int) -> None:
    """Wait until it has as many descriptors as before; one or two come and go by themselves."""
    try:
        system.wait(lambda: process.num_fds() <= before + 2, what=f"{before} descriptors")
    except AssertionError as failure:
        failure.add_note(f"there were {before}, there are {open_files(process)}")
        raise


def fuzz(directory: Path, rounds: int, seed: int) -> None:
    with System(directory, extensions=False) as system:
        system.module("echo", ECHO, runtime="python")
        system.module("victim", state="manual")
        system.up("--wait")
        system.act("start", "victim")
        asyncio.run(attack(system, Attack(seed=seed, rounds=1)))  # what is loaded once is now
        system.act("stop", "victim")
        everybody = (*CORE, "echo")
        before = {name: (r["pid"], r["life"]) for name, r in system.records().items()}
        processes = {name: psutil.Process(before[name][0]) for name in CORE}
        descriptors = {name: process.num_fds() for name, process in processes.items()}
        size = {name: process.memory_info().rss for name, process in processes.items()}
        made = Attack(seed=seed + 1, rounds=rounds)
        answered = asyncio.run(attack(system, made))

        after = {name: (r["pid"], r["life"]) for name, r in system.records().items()}
        assert {name: after[name] for name in everybody} == {
            name: before[name] for name in everybody
        }
        assert all(made.done[kind.__name__, name] for kind in KINDS for name in CORE), made.done
        assert {"200", "400", "404", "405", "431"} <= set(made.heard), made.heard
        assert answered > 10
        system.act("stop", "victim")
        for name in CORE:
            wait_closed(system, processes[name], descriptors[name])
            more = processes[name].memory_info().rss - size[name]
            assert more < MORE_BYTES, (name, more)
            assert not (found := TROUBLE.search(system.log(name))), system.log(name)[
                max(0, found.start() - 2000) :
            ][:6000]
        registry = f"http://127.0.0.1:{system.api['registry_port']}"
        hub = system.api["ws_endpoint"].replace("ws:", "http:")
        for url in (None, registry, hub):
            assert system.call("GET", "/health", token="", url=url).status == 200
            assert system.call("GET", "/metrics", url=url).status == 200
        assert system.call("GET", "/modules", url=registry).status == 200
        assert system.request("echo.echo", "after")["data"] == "after"
        assert system.act("restart", "victim")["actual_state"] == "running"
        assert system.steps(event="core_crash") == []
        system.down()


def test_every_port_under_random_bytes(tmp_path: Path) -> None:
    """The same bytes in each run."""
    fuzz(tmp_path, ROUNDS, 20_260_731)


@pytest.mark.long
def test_every_port_under_random_bytes_for_minutes(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    try:
        fuzz(tmp_path, MANY, seed)
    except BaseException as failure:
        failure.add_note(f"seed {seed}")
        raise
