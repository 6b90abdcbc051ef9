"""Section 7, core crashes: Registry and Hub are mended alone, in any order; else everything is new."""

from __future__ import annotations

import time

import pytest

from . import raw
from .doctored import faulty, order
from .running import alive, kill

KEEPER = (
    "me.registration = {'metadata': {'word': me.name}}\n"
    "me.obey().boot()\n"
    "import hashlib\n"
    "me.note('life', token=hashlib.sha256(me.token.encode()).hexdigest(), instance=__import__('os').environ['KITE_INSTANCE'], registry=me.registry)\n"
    "me.connect().subscribe().register().ready().serve()\n"
)


@pytest.fixture(scope="module")
def running(shared_kite):
    kite = shared_kite
    kite.module("keeper", KEEPER)
    kite.module("other", KEEPER)
    kite.up("--wait")
    return kite


@pytest.fixture(scope="module")
def pids(running):
    return {name: running.record(name)["pid"] for name in ("keeper", "other")}


def settled(kite):
    """Both core modules run and a module answers over the Hub."""

    def ready():
        try:
            records = kite.records()
            if any(records[c]["actual_state"] != "running" for c in ("registry", "event_hub")):
                return None
            return kite.order("keeper", _timeout=1.0, say="here\n")
        except (OSError, raw.Closed, raw.Silence, raw.Refused):
            return None

    return kite.wait(ready, 15, "the system is back")


def same_modules(kite, pids):
    for name, pid in pids.items():
        record = kite.record(name)
        assert (record["pid"], record["life"], record["restarts"]) == (pid, 1, 0)


CALM = 20.5
"""Seconds: three deaths of the same core module within 60 s restart everything."""


@pytest.mark.parametrize(
    "dead", [("registry",), ("event_hub",), ("registry", "event_hub")], ids="+".join
)
def test_core_modules_are_mended_alone(running, pids, dead):
    """Registry or Hub is mended by restarting it alone; modules live on and come back to it."""
    settled(running)
    before = {name: running.record(name) for name in dead}
    api = running.api
    for name in dead:
        kill(before[name]["pid"])
    for name in dead:
        running.wait(
            lambda name=name: running.record(name)["pid"] not in (None, before[name]["pid"]), 10
        )
    settled(running)
    same_modules(running, pids)
    now = running.api
    assert now == api, "ports, token and instance stay"
    for name in dead:
        assert running.steps(name, "core_crash")
        assert running.record(name)["life"] == before[name]["life"] + 1
    told = running.registry("GET", "/get/keeper.metadata.word")
    assert told.json() == "keeper", "restarted alone it has its entries back"


def test_hub_first_then_registry(kite):
    """Both down: Registry, tokens, Hub, the Launcher's connection, the Registry's; in any order."""
    kite.module("keeper", KEEPER)
    kite.up("--wait")
    pids = {"keeper": kite.record("keeper")["pid"]}
    records = kite.records()
    kill(records["event_hub"]["pid"])
    time.sleep(0.05)
    kill(records["registry"]["pid"])
    kite.wait(
        lambda: kite.record("registry")["life"] == 2 and kite.record("event_hub")["life"] == 2, 10
    )
    settled(kite)
    same_modules(kite, pids)


def test_a_module_that_exits_during_an_outage_is_not_counted(kite, tmp_path):
    """While Registry or Hub is away an exit restarts the module without being counted."""
    faulty(
        kite,
        tmp_path,
        "event_hub",
        before=SLOW,
    )
    kite.configure(max_failed_modules=1)
    kite.module("keeper", KEEPER, restart={"max": 1, "retry": False})
    kite.up("--wait")
    (kite.project / "slow").touch()
    pid = kite.record("keeper")["pid"]
    kill(kite.record("event_hub")["pid"])
    time.sleep(0.1)
    kill(pid)
    kite.wait_step("keeper", "started", count=2)
    settled(kite)
    assert kite.record("keeper")["actual_state"] == "running"
    assert not kite.steps("keeper", "failed")


SLOW = "import os, time\nif os.path.exists(os.environ['KITE_CWD'] + '/slow'): time.sleep(2.5)\n"
"""A core module that takes its time once the project holds a file named slow."""


def test_launch_clocks_stand_still_during_an_outage(kite, tmp_path):
    """While Registry or Hub is away launch clocks stand still."""
    faulty(kite, tmp_path, "event_hub", before=SLOW)
    kite.module("keeper", KEEPER)
    kite.module(
        "starter", "me.note('born')\nme.join().serve()\n", state="manual", launch={"timeout": 1.2}
    )
    kite.up("--wait")
    (kite.project / "slow").touch()
    kill(kite.record("event_hub")["pid"])
    kite.wait_step("event_hub", "core_crash")
    kite.post("starter/start")
    settled(kite)
    kite.wait_state("starter", "running")
    assert kite.record("starter")["life"] == 1
    assert not kite.steps("starter", "start_failed")


def test_connections_made_while_one_is_down_wait(kite):
    """Their ports never change during a run, and connections made while one is down wait."""
    kite.module("keeper", KEEPER)
    kite.up("--wait")
    kill(kite.record("registry")["pid"])
    answer = kite.registry("GET", "/health", timeout=10)
    assert answer.status == 200
    settled(kite)


def test_events_of_the_outage_are_told_afterwards(kite):
    """While the Hub is away the Launcher keeps its events and publishes them in order."""
    kite.module("keeper", KEEPER)
    kite.module("victim", "me.obey().join().serve()\n")
    kite.up("--wait")
    hub = kite.hub()
    hub.subscribe("module.>")
    victim = kite.record("victim")["pid"]
    kill(kite.record("event_hub")["pid"])
    kill(victim)
    hub.expect_closed()
    kite.wait_step("victim", "exited")

    def again():
        try:
            return kite.hub()
        except (OSError, raw.Refused, raw.Closed):
            return None

    hub = kite.wait(again, 10)
    hub.subscribe("module.>")
    about = {"data": lambda data: data["module_id"] == "victim"}
    stopped = hub.expect(8, event="module.stopped", **about)
    assert stopped["data"]["life"] == 1
    assert hub.expect(8, event="module.starting", **about)["data"]["life"] == 2
    hub.expect(8, event="module.started", **about)


def full_restart(kite, before, api):
    """Everything is new but instance, ports, the operator's API."""
    fact = kite.wait_fact("keeper", "life", count=2, timeout=25)
    kite.wait_state("keeper", "running")
    first = kite.facts("keeper", "life")[0]
    assert fact["token"] != first["token"], "new module tokens"
    assert fact["instance"] == first["instance"]
    assert fact["registry"] == first["registry"]
    assert kite.api == api, "instance id, ports and API stay"
    assert not any(alive(pid) for pid in before)
    settled(kite)


def test_on_core_crash_full(kite):
    """With `on_core_crash: full` everything restarts with new tokens and a rescan; desired states stay."""
    kite.configure(on_core_crash="full")
    kite.module("keeper", KEEPER)
    kite.module("hand", state="manual")
    kite.module("halted")
    kite.up("--wait")
    assert kite.post("hand/start?wait=1").status == 200
    assert kite.post("halted/stop?wait=1").status == 200
    kite.module("fresh")
    api = kite.api
    pids = [r["pid"] for n, r in kite.records().items() if r["pid"] and n != "launcher"]
    kill(kite.record("event_hub")["pid"])
    full_restart(kite, pids, api)
    kite.wait_state("hand", "running")
    kite.wait_state("fresh", "running")
    assert kite.record("halted")["actual_state"] == "stopped"
    assert kite.record("launcher")["pid"] == api["pid"]


@pytest.mark.slow
def test_the_third_death_within_a_minute_restarts_everything(kite):
    """The same one dies a third time within 60 s: everything restarts."""
    kite.module("keeper", KEEPER)
    kite.up("--wait")
    api = kite.api
    pids = [r["pid"] for n, r in kite.records().items() if r["pid"] and n != "launcher"]
    for life in (1, 2, 3):
        kite.wait(
            lambda life=life: (
                kite.record("registry")["life"] == life
                and kite.record("registry")["actual_state"] == "running"
            ),
            15,
        )
        if life < 3:
            assert len(kite.facts("keeper", "life")) == 1
        kill(kite.record("registry")["pid"])
    full_restart(kite, pids, api)


@pytest.mark.slow
def test_an_isolated_restart_that_fails_becomes_a_full_one_and_the_third_leaves(kite, tmp_path):
    """Where an isolated restart misses its line everything restarts; a third full restart is status 1."""
    faulty(kite, tmp_path, "event_hub")
    kite.module("keeper", KEEPER)
    process = kite.start_foreground()
    kite.wait(lambda: kite.steps("keeper", "started"), 10)
    kite.remember_ports()
    order(kite, "die", "event_hub")
    kill(kite.record("event_hub")["pid"])
    assert process.wait(60) == 1
    kite.wait(lambda: not kite.census(), 2)
    assert not kite.api_file.exists()


def test_kite_survives_its_core_in_a_row(kite):
    """The three processes can be killed in any order at any time and the system comes back or leaves nothing."""
    kite.module("keeper", KEEPER)
    kite.up("--wait")
    kill(kite.record("registry")["pid"])
    kill(kite.record("event_hub")["pid"])
    kill(kite.api["pid"])
    kite.wait(lambda: not kite.census(), 10, "nothing is left")
    kite.up("--wait")
    settled(kite)
