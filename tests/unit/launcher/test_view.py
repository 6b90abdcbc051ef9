"""What the API shows of each module, against the contract's list of fields."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from kite.clock import rfc3339
from kite.launcher.account import Use
from kite.launcher.catalog import Catalog
from kite.launcher.core import facts
from kite.launcher.core.backbone import Backbone
from kite.launcher.core.backbone_words import (
    Begin,
    CoreExited,
    CoreLost,
    CoreReady,
    CoreRestartAsked,
    CoreSpoke,
    TokensAcked,
)
from kite.launcher.core.pair import HUB, REGISTRY
from kite.launcher.core.plan import Plan, Policy, Problem, ReadyBy, RestartRule
from kite.launcher.core.supervisor import Supervisor
from kite.launcher.core.wellbeing import Status
from kite.launcher.core_runner import CoreRunner
from kite.launcher.instance import Instance
from kite.launcher.usage import Usage
from kite.launcher.view import View
from kite.testing.clock import FakeClock

CONTRACT = (
    *("name", "display_name", "type", "config_state", "desired_state", "actual_state", "pid"),
    *("life", "uptime", "restarts", "exit_code", "signal", "depends_on", "waiting_for"),
    *("next_try", "module_dir", "error"),
)


@dataclass
class Cores:
    """Stands for the two processes."""

    pids: dict[str, int] = field(default_factory=dict)

    def pid(self, name: str) -> int | None:
        return self.pids.get(name)


class Window:
    """A view of a project with two modules, `a` and `b`, of which `a` needs `b`."""

    def __init__(self, project: Path) -> None:
        for name, front in (("a", "depends_on: [b]\ndisplay_name: Ay\ntype: agent\n"), ("b", "")):
            folder = project / "modules" / name
            folder.mkdir(parents=True)
            text = f"---\nname: {name}\ncommand: [sleep, '9']\n{front}---\n"
            (folder / "module.md").write_text(text)
        self.clock = FakeClock(monotonic=100.0, wall=1_700_000_000.0)
        self.supervisor = Supervisor(concurrency=4, max_failed=0, chance=lambda: 1.0)
        self.backbone = Backbone()
        self.cores = Cores()
        catalog = Catalog(project)
        catalog.look()
        plans = [one for one in catalog.plans(lambda name: None) if one.name in ("a", "b")]
        self.usage = Usage()
        self.unheld: dict[str, list[str]] = {}
        self.view = View(
            instance=Instance(
                id="x",
                project_dir=project,
                workspace=project,
                instance_dir=project,
                registry_port=1,
                started_at=self.clock.wall() - 7.5,
            ),
            catalog=catalog,
            supervisor=self.supervisor,
            backbone=self.backbone,
            cores=cast("CoreRunner", self.cores),
            clock=self.clock,
            usage=self.usage,
            unheld=lambda name, _life: self.unheld.get(name, []),
            pid=77,
        )
        self.tell(facts.Scanned(plans=tuple(plans)), facts.DoorsOpened())

    def tell(self, *told: facts.Fact) -> None:
        for fact in told:
            self.supervisor.handle(fact, self.clock.monotonic())

    def core(self, *told: Any) -> None:
        for fact in told:
            self.backbone.handle(fact, self.clock.monotonic())

    def __getitem__(self, name: str) -> dict[str, Any]:
        found = self.view.record(name, "running")
        assert found is not None
        return found


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Window:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Window(tmp_path / "project")


def test_every_record_has_the_contracts_fields_in_its_order(window: Window) -> None:
    records = window.view.records("running")
    assert [one["name"] for one in records] == ["launcher", REGISTRY, HUB, "b", "a"]
    for record in records:
        assert tuple(record)[: len(CONTRACT)] == CONTRACT
        assert tuple(record) == tuple(records[0])
    assert json.loads(json.dumps(records)) == records
    assert window.view.record("ghost", "running") is None


def test_what_is_known_of_a_lifes_health(window: Window) -> None:
    assert window["b"]["health"] == {
        "status": "unknown",
        "detail": None,
        "since": None,
        "heartbeat": {"watched": True, "seconds": None, "failures": None, "start_period": 0.0},
    }
    window.tell(facts.Spawned(module="b", life=1, pid=4711), facts.BecameReady(module="b", life=1))
    window.tell(
        facts.HealthChanged(module="b", life=1, status=Status.DEGRADED, detail="answered 503")
    )
    window.clock.advance(2.0)
    health = window["b"]["health"]
    assert (health["status"], health["detail"]) == ("degraded", "answered 503")
    assert health["since"] == rfc3339(window.clock.wall() - 2.0)
    window.tell(facts.Exited(module="b", life=1, signal=9))
    assert window["b"]["health"]["status"] == "unknown"


def test_a_module_through_its_life(window: Window) -> None:
    a, b = window["a"], window["b"]
    assert (a["display_name"], a["type"], a["depends_on"]) == ("Ay", "agent", ["b"])
    assert (a["actual_state"], a["waiting_for"], a["pid"], a["life"]) == ("waiting", ["b"], None, 0)
    assert (b["actual_state"], b["uptime"], b["life"]) == ("starting", None, 1)
    assert b["module_dir"].endswith("/modules/b")
    window.tell(facts.Spawned(module="b", life=1, pid=4711))
    window.clock.advance(2.5)
    window.tell(facts.BecameReady(module="b", life=1))
    b = window["b"]
    assert (b["actual_state"], b["pid"], b["uptime"], b["waiting_for"]) == (
        "running",
        4711,
        2.5,
        [],
    )
    window.tell(facts.Exited(module="b", life=1, signal=9))
    b = window["b"]
    assert (b["actual_state"], b["pid"], b["uptime"], b["signal"]) == ("backing_off", None, None, 9)
    window.tell(facts.TreeGone(module="b", life=1))
    assert (window["b"]["restarts"], window["b"]["life"]) == (1, 2)


def test_how_the_last_process_ended_is_told_until_the_next_one_does(window: Window) -> None:
    def ended() -> tuple[int | None, int | None]:
        return window["b"]["exit_code"], window["b"]["signal"]

    assert ended() == (None, None)
    window.tell(facts.Exited(module="b", life=1, signal=9), facts.TreeGone(module="b", life=1))
    window.tell(facts.Spawned(module="b", life=2, pid=5), facts.BecameReady(module="b", life=2))
    assert (window["b"]["actual_state"], *ended()) == ("running", None, 9)
    window.tell(facts.Exited(module="b", life=2, exit_code=3))
    assert ended() == (3, None)


def test_why_it_was_stopped(window: Window) -> None:
    def stop(name: str) -> None:
        window.tell(facts.StopRequested(module=name, reason="lunch"))

    stop("a")  # which waits and has no process
    assert (window["a"]["actual_state"], window["a"]["reason"]) == ("stopped", "lunch")
    assert window["b"]["reason"] is None
    stop("b")
    assert (window["b"]["actual_state"], window["b"]["reason"]) == ("stopping", "lunch")
    window.tell(facts.Exited(module="b", life=1, signal=15), facts.TreeGone(module="b", life=1))
    assert (window["b"]["actual_state"], window["b"]["reason"]) == ("stopped", "lunch")
    window.tell(facts.StartRequested(module="b"))
    assert window["b"]["reason"] is None
    window.tell(facts.Exited(module="b", life=2, signal=9))
    assert (window["b"]["actual_state"], window["b"]["reason"]) == ("backing_off", None)


def test_the_next_try_is_an_instant(window: Window) -> None:
    assert window["b"]["next_try"] is None
    for life in (1, 2):
        window.tell(
            facts.Exited(module="b", life=life, exit_code=3), facts.TreeGone(module="b", life=life)
        )
    assert window["b"]["next_try"] == "2023-11-14T22:13:20.500Z"
    window.clock.advance(0.25)
    window.clock.jump(3600)
    assert window["b"]["next_try"] == "2023-11-14T23:13:20.500Z", "the wall clock was set"


def test_since_when_a_state_lasts_does_not_change_with_the_wall_clock(window: Window) -> None:
    assert window["b"]["state_since"] == "2023-11-14T22:13:20.000Z"
    window.clock.advance(2.5)
    window.clock.jump(3600)
    assert window["b"]["state_since"] == "2023-11-14T22:13:20.000Z"
    assert window["a"]["waiting_on"] == [
        {
            "name": "b",
            "condition": "ready",
            "actual_state": "starting",
            "since": "2023-11-14T22:13:20.000Z",
        }
    ]
    window.tell(facts.Spawned(module="b", life=1, pid=5), facts.BecameReady(module="b", life=1))
    assert window["b"]["state_since"] == "2023-11-14T23:13:22.500Z"


@pytest.mark.parametrize(
    ("policy", "at"), [(Policy.NEVER, "22:13:30"), (Policy.ON_FAILURE, "22:14:20")]
)
def test_the_next_try_of_a_job_by_the_clock(window: Window, policy: Policy, at: str) -> None:
    """That of the clock, or where a run was given up that of the restart rule."""
    rule = RestartRule(policy=policy, max=1)
    job = Plan(name="job", is_scheduled=True, ready_by=ReadyBy.PROCESS, restart=rule)
    planned = facts.RunPlanned(module="job", at=window.clock.monotonic() + 10)
    window.tell(facts.Scanned(plans=(job,)), planned)
    assert window["job"]["next_try"] == "2023-11-14T22:13:30.000Z"
    window.tell(facts.RunDue(module="job"), facts.Spawned(module="job", life=1, pid=9), planned)
    assert window["job"]["next_try"] is None
    window.tell(facts.Exited(module="job", life=1, exit_code=3))
    window.tell(facts.TreeGone(module="job", life=1))
    assert window["job"]["actual_state"] == "failed"
    assert window["job"]["next_try"] == f"2023-11-14T{at}.000Z"


def test_an_error_is_told_with_what_fills_its_sentence(window: Window) -> None:
    problem = Problem(code="program_not_found", params={"program": "foo", "searched": "PATH"})
    window.tell(facts.SpawnFailed(module="b", life=1, problem=problem))
    b = window["b"]
    assert (b["actual_state"], b["error_code"]) == ("failed", "program_not_found")
    assert "foo" in b["error"]
    assert b["error_params"]["program"] == "foo"


def test_the_launcher(window: Window) -> None:
    found = window["launcher"]
    assert (found["pid"], found["uptime"], found["actual_state"]) == (77, 7.5, "running")
    for phase, actual in (("registry", "starting"), ("modules", "running"), ("stopping",) * 2):
        record = window.view.record("launcher", phase)
        assert record is not None
        assert record["actual_state"] == actual


def test_a_core_module_through_its_life(window: Window) -> None:
    assert window[HUB]["actual_state"] == "waiting"
    window.core(Begin())
    window.cores.pids = {REGISTRY: 5, HUB: 6}
    assert (window[HUB]["actual_state"], window[HUB]["pid"]) == ("starting", 6)
    window.core(CoreSpoke(REGISTRY, 1), TokensAcked(1, 1), CoreSpoke(HUB, 1), CoreReady(HUB, 1))
    window.clock.advance(4)
    assert (window[HUB]["actual_state"], window[HUB]["uptime"]) == ("running", 4.0)
    window.core(CoreRestartAsked(HUB))
    assert window[HUB]["actual_state"] == "stopping"
    del window.cores.pids[HUB]
    window.core(CoreExited(HUB, 1, "status 0"))
    assert (window[HUB]["actual_state"], window[HUB]["restarts"]) == ("starting", 1)
    window.core(CoreLost(HUB, 2))
    assert (window[HUB]["actual_state"], window[HUB]["pid"]) == ("backing_off", None)


def test_core_modules_while_everything_ends(window: Window) -> None:
    window.core(Begin())
    window.cores.pids = {REGISTRY: 5}
    states = [(one["name"], one["actual_state"]) for one in window.view.records("stopping")[:3]]
    assert states == [("launcher", "stopping"), (REGISTRY, "stopping"), (HUB, "stopped")]


def test_the_last_lines_of_one_that_failed_are_told_as_long_as_it_stands_there(
    window: Window,
) -> None:
    assert window["b"]["last_lines"] == window["launcher"]["last_lines"] == []
    for life in (1, 2):
        assert window["b"]["last_lines"] == []
        window.tell(
            facts.Exited(module="b", life=life, exit_code=3),
            facts.TreeGone(module="b", life=life, last_lines=("out of", "paper")),
        )
    assert window["b"]["actual_state"] == "backing_off"
    assert window["b"]["last_lines"] == ["out of", "paper"]
    window.tell(facts.StartRequested(module="b"))
    assert window["b"]["last_lines"] == []


def test_what_a_module_uses_is_of_the_last_look_and_of_a_process_that_is_there(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = Use(cpu_seconds=4.5, cpu_percent=12.5, memory_bytes=4096, processes=2)
    monkeypatch.setattr(Usage, "last", {"b": used, "launcher": used})
    window.unheld["b"] = ["cpu"]
    assert window["b"]["unenforced"] == []
    window.tell(facts.Spawned(module="b", life=1, pid=8))
    shown = ("cpu_seconds", "cpu_percent", "memory_bytes", "processes", "unenforced")
    assert [window["b"][key] for key in shown] == [4.5, 12.5, 4096, 2, ["cpu"]]
    assert [window["launcher"][key] for key in shown] == [4.5, 12.5, 4096, 2, []]
    window.tell(facts.Exited(module="b", life=1, signal=9))
    assert [window["b"][key] for key in shown] == [4.5, None, None, 0, []]
    assert [window["a"][key] for key in shown] == [0.0, None, None, 0, []]


def test_each_replica_has_its_own_last_lines_and_crash_loop(window: Window) -> None:
    window.tell(
        facts.Scanned(plans=(Plan(name="b", replicas=3, restart=RestartRule(max=1)),)),
        facts.StartRequested(module="b"),
    )
    for life in (1, 2, 3):
        window.tell(
            facts.Spawned(module="b", life=life, pid=life),
            facts.BecameReady(module="b", life=life),
        )
    window.tell(
        facts.Exited(module="b", life=2, exit_code=7, last_lines=("out of paper",)),
        facts.TreeGone(module="b", life=2, last_lines=("out of paper",)),
        facts.HealthChanged(module="b", life=3, status=Status.DEGRADED, detail="tired"),
    )
    record = window["b"]
    assert (record["actual_state"], record["last_lines"], record["crash_loop"]) == (
        *("running", [], None),
    )
    first, second, third = record["replicas"]
    assert (second["last_lines"], second["crash_loop"]) == (["out of paper"], "open")
    assert (second["exit_code"], second["error_code"]) == (7, "gave_up_exit")
    for other in (first, third):
        assert (other["last_lines"], other["crash_loop"], other["error"]) == ([], None, None)
    assert [each["health"]["status"] for each in record["replicas"]] == [
        *("unknown", "unknown", "degraded"),
    ]
