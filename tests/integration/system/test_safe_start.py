"""What a start does about files that others could use."""

from __future__ import annotations

import json
import os
import stat

import pytest

from kite.testing.system import ECHO, System


def mode(path: str | os.PathLike[str]) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116  (either)


def test_everything_that_kite_makes_is_its_owners_alone(system: System) -> None:
    """Whatever the umask is."""
    before = os.umask(0)
    try:
        system.module("echo", ECHO, runtime="python")
        system.up("--wait")
        system.call("GET", "/launcher", token="f" * 64)
        system.call("GET", "/modules", token="f" * 64, url=system.api["url"])
        open_ones = {
            str(path): oct(mode(path))
            for path in (system.instance_dir, *system.instance_dir.rglob("*"))
            if not path.is_symlink() and mode(path) & 0o077
        }
    finally:
        os.umask(before)
    assert open_ones == {}


def test_what_was_opened_meanwhile_is_closed_and_told(system: System) -> None:
    """In the audit log, the Launcher's log, and on the screen of whoever starts it."""
    system.module("echo", ECHO, runtime="python")
    system.up("--wait")
    system.down()
    lifecycle = system.launcher_dir / "lifecycle.jsonl"
    system.instance_dir.chmod(0o755)
    lifecycle.chmod(0o666)
    system.up("--wait")
    assert (mode(system.instance_dir), mode(lifecycle)) == (0o700, 0o600)
    lines = [json.loads(line) for line in system.kite("audit", "--json").out.splitlines()]
    mended = {line["target"]: line["reason"] for line in lines if line["what"] == "mend"}
    assert set(mended) == {str(system.instance_dir), str(lifecycle)}
    assert "mode 0666" in mended[str(lifecycle)]
    assert "instance.closed" in system.log("launcher")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_an_instance_directory_of_another_user_is_refused(system: System) -> None:
    """Whoever owns it reads every token that is written there."""
    system.up()
    system.down()
    os.chown(system.instance_dir, 12345, -1)
    try:
        outcome = system.kite("up", "-d", status=6)
        assert "belongs to user 12345" in outcome.err
        outcome = system.kite("up", "--quiet", status=6)
        assert "belongs to user 12345" in outcome.err
    finally:
        os.chown(system.instance_dir, os.geteuid(), -1)
    assert not (system.launcher_dir / "api.json").exists()


def test_a_program_that_anybody_may_write_is_a_problem_in_sight(system: System) -> None:
    """Kite runs on: many a checkout is shared; but it says so wherever one looks."""
    folder = system.module("echo", ECHO, runtime="python")
    (folder / "main.py").chmod(0o666)
    system.up("--wait")
    assert system.record("echo")["actual_state"] == "running"
    about = system.call("GET", "/launcher").body
    [problem] = about["problems"]
    assert problem["code"] == "open_to_others"
    assert "main.py" in system.kite("ps").err
    doctor = json.loads(system.kite("doctor", "--json", status=None).out)
    assert any("kite ps" in each["advice"] for each in doctor["findings"])
    (folder / "main.py").chmod(0o644)
    system.workspace.chmod(0o777)
    system.kite("rescan")
    [problem] = system.call("GET", "/launcher").body["problems"]
    assert problem["params"]["path"] == str(system.workspace)
    system.workspace.chmod(0o700)
    assert system.call("GET", "/launcher").body["problems"] == []
