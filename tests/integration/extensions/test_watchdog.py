"""The Watchdog in a whole Kite: real modules fall ill, are suspended, are stopped."""

from __future__ import annotations

import signal
import time

import pytest

from kite.errors import RequestError

from .conftest import Ward

FROZEN = """
import time
from kite import Module

module = Module()

@module.handle("freeze")
async def freeze(request):
    time.sleep(1000)

module.run()
"""
"""Blocks its own event loop when asked to: it lives, and is heard no more."""


def test_what_stays_ill_is_restarted_with_evidence(ward: Ward) -> None:
    ward.patient("ill")
    ward.patient("well")
    ward.up("--wait")
    ward.wait_asked("ill", 2)
    ward.says("ill", '500 {"status": "broken disk"}')
    unhealthy = ward.wait_heard("watchdog.unhealthy", "ill")
    assert unhealthy["failures"] == 3
    assert unhealthy["life"] == 1
    last = unhealthy["evidence"][-1]
    assert (last["kind"], last["http_status"], last["status"]) == ("endpoint", 500, "broken disk")
    assert last["url"].endswith("/health")
    assert last["at"].endswith("Z")
    ward.wait_step("ill", "started", count=2)
    assert ward.steps("ill", "stopping")[0]["reason"] == "unhealthy"
    assert ward.wait_heard("watchdog.restarting", "ill")["reason"] == "unhealthy"
    assert ward.wait_heard("watchdog.healthy", "ill")["life"] == 2
    assert len(ward.steps("well", "started")) == 1
    assert ward.heard("watchdog.unhealthy", "well") == []


def test_silence_is_illness_too(ward: Ward) -> None:
    ward.patient("mute")
    ward.up("--wait")
    ward.wait_asked("mute", 1)
    ward.says("mute", "silence")
    evidence = ward.wait_heard("watchdog.unhealthy", "mute")["evidence"]
    assert "no answer within" in evidence[-1]["detail"]
    ward.wait_step("mute", "started", count=2)


def test_degraded_is_said_and_not_restarted(ward: Ward) -> None:
    ward.patient("tired")
    ward.up("--wait")
    ward.wait_asked("tired", 1)
    ward.says("tired", "503 later")
    assert ward.wait_heard("watchdog.degraded", "tired")["evidence"][-1]["http_status"] == 503
    ward.wait_asked("tired", 6)
    ward.says("tired", '200 {"status": "degraded"}')
    ward.wait_asked("tired", 6)
    ward.says("tired", '200 {"status": "ok"}')
    ward.wait_heard("watchdog.healthy", "tired")
    assert len(ward.heard("watchdog.degraded", "tired")) == 1
    assert len(ward.steps("tired", "started")) == 1


def test_a_suspended_watchdog_blames_nobody(ward: Ward) -> None:
    ward.patient("well")
    ward.up("--wait")
    ward.wait_asked("well", 2)
    for _ in range(2):
        # Both are away for long enough that every lease ends and every question times out.
        ward.kill("watchdog", signal.SIGSTOP)
        ward.kill("well", signal.SIGSTOP)
        time.sleep(2.0)  # this is the fault itself, not a wait for something
        ward.kill("watchdog", signal.SIGCONT)
        ward.kill("well", signal.SIGCONT)
        ward.wait_asked("well", 6)
    seconds = [each["seconds"] for each in ward.heard("watchdog.suspended")]
    assert len([each for each in seconds if each > 1.0]) == 2
    assert ward.heard("watchdog.unhealthy") == []
    assert ward.heard("watchdog.restarting") == []
    assert len(ward.steps("well", "started")) == 1


def test_a_module_that_is_stopped_is_left_alone(ward: Ward) -> None:
    ward.patient("stopped")
    ward.patient("witness")
    ward.up("--wait")
    ward.wait_asked("stopped", 1)
    ward.act("stop", "stopped")
    ward.wait_asked("witness", 7)
    assert ward.record("stopped")["actual_state"] == "stopped"
    assert ward.heard("watchdog.unhealthy", "stopped") == []
    assert len(ward.steps("stopped", "started")) == 1
    states = {row["module_id"]: row["state"] for row in ward.request("watchdog.status")["modules"]}
    assert states["stopped"] == "absent"
    assert states["witness"] == "healthy"


def test_a_module_that_is_not_heard_any_more_is_restarted(ward: Ward) -> None:
    ward.module("deaf", FROZEN, runtime="python")
    ward.up("--wait")
    with pytest.raises(RequestError) as silent:
        ward.request("freeze", timeout=0.5)
    assert silent.value.code == "request_timeout"
    evidence = ward.wait_heard("watchdog.unhealthy", "deaf")["evidence"]
    assert {each["kind"] for each in evidence} == {"heartbeat"}
    ward.wait_step("deaf", "started", count=2)
    ward.wait_heard("watchdog.healthy", "deaf")


def test_it_goes_on_through_restarts_of_hub_and_registry(ward: Ward) -> None:
    ward.patient("ill")
    ward.up("--wait")
    ward.wait_asked("ill", 1)
    for core in ("event_hub", "registry"):
        ward.kill(core)
        ward.wait_asked("ill", 5)
    ward.wait(lambda: ward.record("registry")["actual_state"] == "running")
    assert ward.heard("watchdog.unhealthy", "ill") == []
    ward.says("ill", "500 x")
    ward.wait_heard("watchdog.unhealthy", "ill")
    ward.wait_step("ill", "started", count=2)


def test_a_registry_that_hangs_is_restarted_alone(ward: Ward) -> None:
    ward.patient("well")
    ward.up("--wait")
    ward.wait_asked("well", 1)
    hung = ward.kill("registry", signal.SIGSTOP)
    ward.wait(lambda: ward.record("registry")["pid"] not in (hung, None), 40.0)
    ward.wait_heard("watchdog.restarting", "registry")
    ward.wait_gone(hung)
    ward.wait(lambda: ward.record("registry")["actual_state"] == "running")
    assert len(ward.steps("well", "started")) == 1


def test_a_wrong_setting_is_told_and_kite_goes_on(ward: Ward) -> None:
    ward.configure(modules={"watchdog": {"env": {"WATCHDOG_INTERVAL": "often"}}})
    ward.patient("well")
    ward.up("--wait", status=4)
    ward.wait_log("watchdog", "WATCHDOG_INTERVAL is 'often', expected seconds")
    assert ward.record("well")["actual_state"] == "running"
    assert ward.record("watchdog")["actual_state"] in ("failed", "backing_off")
