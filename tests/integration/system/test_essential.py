"""`essential: true`: the failure of one module ends everything, with a status and a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.testing import misbehaving
from kite.testing.system import ECHO, System

LOG = {"log": "^up$"}


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[System]:
    """As `system`, without the modules that come with Kite."""
    with System(tmp_path, extensions=False) as made:
        yield made


def test_kite_leaves_with_a_status_when_an_essential_module_was_given_up(bare: System) -> None:
    """In the foreground, and with `--wait` in the background, the reason is named."""
    bare.module("core", misbehaving.CRASHES, ready=LOG, restart={"max": 1}, essential=True)
    bare.module("other")
    process = bare.spawn("up")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, out + err
    assert "'core' is essential and has failed" in err
    assert "it exited with status 1" in err
    outcome = bare.up("--wait", status=1)
    assert "'core' is essential and has failed" in outcome.err
    assert not bare.is_up
    assert bare.steps("other", "stopped", reason="system_shutdown")


def test_an_essential_module_that_cannot_start_ends_kite(bare: System) -> None:
    bare.module("core", command=["no-such-program-anywhere"], essential=True)
    outcome = bare.up("--wait", status=1)
    assert "'core' is essential and has failed" in outcome.err
    assert "no-such-program-anywhere" in outcome.err


def test_an_essential_job_that_completes_ends_nothing(bare: System) -> None:
    """Exit statuses that count as success complete it as well."""
    bare.module(
        "migrate",
        command=["sh", "-c", "exit 3"],
        essential=True,
        restart={"policy": "never", "success": [3]},
    )
    bare.module("app", depends_on={"migrate": "completed"})
    bare.up("--wait")
    records = {each["name"]: each for each in json.loads(bare.kite("ps", "--json").out)["modules"]}
    assert (records["migrate"]["completed"], records["migrate"]["exit_code"]) == (True, 3)
    assert records["app"]["actual_state"] == "running"


BROKEN = """
import kite.launcher.probe

async def until_passed(*arguments, **options):
    raise RuntimeError("a defect of ours")

kite.launcher.probe.until_passed = until_passed
"""
"""As `sitecustomize` of the Launcher: a task that nobody waits for raises."""


def test_a_defect_in_a_task_stops_everything_in_order(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(BROKEN)
    with System(
        tmp_path, extensions=False, environ={"PYTHONPATH": str(tmp_path / "broken")}
    ) as system:
        system.module("well", ECHO, runtime="python")
        system.module("asked", depends_on=["well"], ready={"tcp": "1"})
        process = system.spawn("up", "--quiet")
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "a defect of ours" in err
        assert "Traceback" not in err
        assert [step["reason"] for step in system.steps("well", "stopping")] == ["system_shutdown"]
        assert system.steps("launcher", "stopped")
