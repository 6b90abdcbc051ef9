"""Who waits for a start that will not come is told at once, and why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kite.testing.system import System

NEVER_READY = {"ready": {"log": "never said"}, "launch": {"timeout": 600}}


@pytest.mark.parametrize(
    ("verb", "code"), [("stop", "dependency_stopped"), ("crash", "failed")], ids=["stop", "crash"]
)
def test_a_dependency_goes_while_somebody_waits(system: System, verb: str, code: str) -> None:
    system.module("base", state="manual", restart={"max": 1}, **NEVER_READY)
    system.module("user", state="manual", depends_on=["base"])
    system.up("--wait")
    with ThreadPoolExecutor() as people:
        waiting = people.submit(system.act, "start", "user", status=409)
        system.wait(lambda: system.record("user")["actual_state"] == "waiting", what="user waits")
        if verb == "stop":
            system.act("stop", "base")
        else:
            system.kill("base")
        answer = waiting.result()
    assert (answer["code"], answer["params"]["dependency"]) == (code, "base")
    assert "base" in answer["detail"]
    assert system.record("user")["desired_state"] == "running"


def test_a_finished_job_that_was_stopped_does_not_bar_who_waits_for_it(system: System) -> None:
    system.module("job", "print('made')")
    system.module("user", depends_on={"job": "completed"})
    system.up("--wait")
    system.act("stop", "job")
    system.act("stop", "user")
    assert system.act("start", "user")["actual_state"] == "running"
    assert len(system.steps("job", "starting")) == 1
