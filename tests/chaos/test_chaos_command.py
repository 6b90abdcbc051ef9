"""The command itself: wrong use, a project that is copied, a Kite that is live, an interruption."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import jsonschema
import pytest

from kite.testing import misbehaving
from kite.testing.system import System

SCHEMAS = Path(__file__).parents[2] / "protocol" / "schemas"
DOCUMENT = json.loads((SCHEMAS / "cli-chaos.schema.json").read_text())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seed", "x"), "--seed"),
        (("--seed", "-1"), "--seed"),
        (("--seconds", "0"), "--seconds"),
        (("--faults", "kill,love"), "'love'"),
        (("--faults", ""), "--faults"),
        (("--live", "--project", "."), "--project"),
        (("--project", "nowhere"), "nowhere"),
    ],
)
def test_wrong_use(system: System, words: tuple[str, ...], said: str) -> None:
    outcome = system.kite("chaos", *words, status=2)
    assert said in outcome.err
    assert not list(system.project.parent.glob("tmp/*"))


def test_a_live_kite_is_not_broken_by_mistake(system: System) -> None:
    assert system.kite("chaos", "--live", status=3).err.count("not running") == 1
    system.module("sleeper")
    system.up("--wait")
    before = system.pid("sleeper")
    refused = system.kite("chaos", "--live", status=2)
    assert "--live --yes" in refused.err
    assert system.pid("sleeper") == before


@pytest.mark.slow
def test_a_live_kite_is_broken_and_lives_on(system: System) -> None:
    """It is neither started nor ended, and its files are as they were."""
    system.module("sleeper", restart={"max": 1000})
    system.configure(max_failed_modules=0)
    system.up("--wait")
    launcher, before = system.api["pid"], system.record("sleeper")
    manifest = (system.project / "modules" / "sleeper" / "module.md").read_bytes()
    words = ("--live", "--yes", "--seed", "3", "--seconds", "5", "--faults", "kill,stop,clock")
    outcome = system.kite("chaos", *words, "--json", timeout=120)
    found = json.loads(outcome.out)
    jsonschema.validate(found, DOCUMENT)
    assert found["violations"] == []
    assert found["left_out"] == ["clock"]
    assert found["kept"] is None
    assert system.api["pid"] == launcher
    assert system.record("sleeper")["life"] > before["life"]
    assert (system.project / "modules" / "sleeper" / "module.md").read_bytes() == manifest


@pytest.mark.slow
def test_a_project_is_copied_and_left_alone(system: System) -> None:
    system.module("sleeper", restart={"max": 1000})
    system.module("daemon", misbehaving.DAEMONIZES, ready={"log": "^up$"}, restart={"max": 1000})
    system.remember_files()
    words = ("--project", ".", "--seed", "5", "--seconds", "5", "--faults", "rescan,request,kill")
    outcome = system.kite("chaos", *words, "--keep", "--json", timeout=120)
    found = json.loads(outcome.out)
    jsonschema.validate(found, DOCUMENT)
    assert found["violations"] == []
    assert "--project ." in found["command"]
    kept = Path(found["kept"])
    assert "round 1" in (kept / "chaos.log").read_text()
    assert (kept / "workspace" / "project" / "launcher" / "lifecycle.jsonl").is_file()
    assert not system.instance_dir.exists()
    assert [path for path in system.litter() if not path.is_relative_to(kept)] == []
    shutil.rmtree(kept)


@pytest.mark.slow
def test_nothing_is_left_when_it_is_interrupted(system: System) -> None:
    process = system.spawn("chaos", "--seconds", "60", "--verbose")
    assert process.stderr is not None
    next(line for line in process.stderr if "round 1" in line)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    system.wait_nothing_left()
    assert not list(system.project.parent.glob("tmp/kite-chaos-*"))
