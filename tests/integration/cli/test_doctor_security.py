"""`kite doctor --security`: what is weaker than it should be is found, and what is well is said."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from kite.testing.system import ECHO, System

WELL = {"events": {"publish": ["echo.>"], "subscribe": ["echo.>"]}}

WIDE = """
import socket, time
server = socket.create_server(("0.0.0.0", 0))
print("up", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def system(tmp_path: Any) -> Any:
    with System(tmp_path, extensions=False) as made:
        yield made


def findings(system: System, *, status: int = 0) -> list[dict[str, str]]:
    outcome = system.kite("doctor", "--security", "--json", status=status)
    document = json.loads(outcome.out)
    assert document["healthy"] is (status == 0)
    found: list[dict[str, str]] = document["findings"]
    for each in found:
        assert each["advice"] or each["verdict"] == "ok", each
    return found


def amiss(system: System, *, status: int = 0) -> list[tuple[str, str]]:
    """Name and detail of what is not as it should be, but for what is so on this machine."""
    here = ("user", "core dumps")
    return [
        (each["name"], each["detail"])
        for each in findings(system, status=status)
        if each["verdict"] != "ok" and each["name"] not in here
    ]


def test_a_careful_project_is_well_running_or_not(system: System) -> None:
    system.module("echo", ECHO, runtime="python", **WELL)
    assert amiss(system) == []
    system.up("--wait")
    assert amiss(system) == []
    names = {each["name"] for each in findings(system)}
    assert names >= {"doors", "sockets", "tokens", "instance", "project", "hidepid", "ptrace_scope"}
    system.down()
    assert amiss(system) == []


def test_root_is_told(system: System) -> None:
    [user] = [each for each in findings(system) if each["name"] == "user"]
    assert user["verdict"] == ("warn" if os.geteuid() == 0 else "ok")


def test_what_manifests_allow_that_they_need_not(system: System) -> None:
    """No value of a secret is shown."""
    system.configure(hub={"origins": ["https://example.org", "http://localhost:3000"]})
    system.module(
        "free",
        ECHO,
        runtime="python",
        scopes=["launcher.control"],
        env={"API_KEY": "hunter2", "KEY_FILE": "/x", "DB_PASSWORD_FILE": "a", "MODE": "x"},
    )
    found = amiss(system)
    assert [name for name, _ in found] == ["control", "events", "events", "env", "origins"]
    assert all("free" in detail for name, detail in found if name != "origins")
    assert "API_KEY" in found[3][1]
    assert "hunter2" not in json.dumps(found)
    assert "https://example.org" in found[4][1]


def test_files_that_others_may_read_or_write(system: System) -> None:
    folder = system.module(
        "echo",
        ECHO,
        runtime="python",
        env_file=".env",
        secrets={"API_PASSPHRASE": "secret"},
        **WELL,
    )
    system.write(folder / ".env", "A=1\n").chmod(0o644)
    system.write(folder / "secret", "hunter2").chmod(0o640)
    (folder / "main.py").chmod(0o646)
    found = amiss(system, status=1)
    assert {name for name, _ in found} == {"project", "secrets"}
    text = json.dumps(found)
    for name in ("main.py", ".env", "secret"):
        assert str(folder / name) in text, name
    assert "hunter2" not in text


def test_an_instance_that_is_open(system: System) -> None:
    system.module("echo", ECHO, runtime="python", **WELL)
    system.up("--wait")
    system.down()
    (system.launcher_dir / "lifecycle.jsonl").chmod(0o644)
    system.instance_dir.chmod(0o711)
    found = amiss(system, status=1)
    assert {name for name, _ in found} == {"instance"}
    assert len(found) == 2


def test_a_folder_above_in_which_others_may_rename_things(system: System) -> None:
    system.module("echo", ECHO, runtime="python", **WELL)
    above = system.project.parent
    above.chmod(0o777)
    try:
        assert "project" in {name for name, _ in amiss(system, status=1)}
    finally:
        above.chmod(0o700)


def test_a_module_that_other_machines_reach(system: System) -> None:
    system.module("wide", WIDE, ready={"log": "up"}, **WELL)
    system.up("--wait")
    [(name, detail)] = amiss(system)
    assert name == "sockets"
    assert detail.startswith("wide listens on 0.0.0.0:")


def test_a_token_that_lies_open(system: System) -> None:
    system.module("echo", ECHO, runtime="python", **WELL)
    system.up("--wait")
    notes = system.write(system.project / "notes.txt", f"token={system.api['token']}\n")
    [(name, detail)] = amiss(system, status=1)
    assert name == "tokens"
    assert detail.endswith(str(notes))
    assert system.api["token"] not in detail


def test_an_api_file_that_others_may_read_ends_no_other_check(system: System) -> None:
    """It is said once, and the rest is looked at."""
    system.module("echo", ECHO, runtime="python", **WELL)
    system.up("--wait")
    (system.launcher_dir / "api.json").chmod(0o644)
    found = amiss(system, status=1)
    (system.launcher_dir / "api.json").chmod(0o600)
    assert {name for name, _ in found} == {"instance", "Kite"}
    assert sum(name == "Kite" for name, _ in found) == 1
