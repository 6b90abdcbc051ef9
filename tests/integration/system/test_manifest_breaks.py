"""A manifest that is broken for a while, and a module whose folder goes while it still runs."""

from __future__ import annotations

import shutil

from kite.testing.system import System

SLOW_TO_LEAVE = """
import time
from kite import Module
module = Module()

@module.on_stop(estimated_cleanup=3)
def stopping():
    time.sleep(1.5)

module.run()
"""


def test_a_manifest_that_breaks_and_is_mended_starts_nothing(system: System) -> None:
    """What cannot be read changes neither the config state nor the desired state."""
    folder = system.module("tool", state="manual")
    system.up("--wait")
    manifest = folder / "module.md"
    sound = manifest.read_text()
    manifest.write_text(sound.replace("---\n", "---\nnonsense: 1\n", 1))
    system.call("POST", "/launcher/rescan")
    broken = system.record("tool")
    assert (broken["actual_state"], broken["config_state"]) == ("failed", "manual")
    assert broken["desired_state"] == "stopped"
    manifest.write_text(sound)
    system.call("POST", "/launcher/rescan")
    assert system.record("tool")["actual_state"] == "stopped"
    assert system.record("tool")["desired_state"] == "stopped"
    assert {step["state"] for step in system.steps("tool", "scanned")} == {"manual"}
    assert not system.steps("tool", "state_changed")
    assert not system.steps("tool", "starting")


def test_a_module_whose_manifest_breaks_runs_on_under_its_own_name(system: System) -> None:
    folder = system.module("tool")
    other = folder.rename(folder.with_name("another-name"))
    system.up("--wait")
    pid = system.pid("tool")
    manifest = other / "module.md"
    sound = manifest.read_text()
    manifest.write_text(sound.replace("---\n", "---\nnonsense: 1\n", 1))
    answer = system.call("POST", "/launcher/rescan")
    assert (answer.body["changed"], answer.body["removed"]) == (["tool"], [])
    record = system.record("tool")
    assert (record["actual_state"], record["pid"]) == ("running", pid)
    assert "nonsense" in record["error"]
    assert "another-name" not in system.records()
    assert system.call("POST", "/launcher/modules/tool/start").status == 200
    manifest.write_text(sound)
    system.call("POST", "/launcher/rescan")
    assert system.pid("tool") == pid
    assert system.record("tool")["error"] is None
    system.act("restart", "tool")


def test_a_new_manifest_that_is_mended_as_manual_starts_nothing(system: System) -> None:
    """It is shown as desired running while nobody knows better, and that is not kept."""
    folder = system.module("tool", state="manual")
    manifest = folder / "module.md"
    sound = manifest.read_text()
    manifest.write_text(sound.replace("---\n", "---\nnonsense: 1\n", 1))
    system.up("--wait", status=4)
    assert system.record("tool")["desired_state"] == "running"
    manifest.write_text(sound)
    system.call("POST", "/launcher/rescan")
    record = system.record("tool")
    assert (record["desired_state"], record["actual_state"]) == ("stopped", "stopped")
    assert not system.steps("tool", "starting")
    assert not system.steps("tool", "state_changed")


def test_a_module_whose_folder_has_gone_is_unknown_while_it_leaves(system: System) -> None:
    folder = system.module("leaver", SLOW_TO_LEAVE, runtime="python")
    system.up("--wait")
    shutil.rmtree(folder)
    system.call("POST", "/launcher/rescan")
    assert system.record("leaver")["actual_state"] == "stopping"
    path = "/launcher/modules/leaver"
    for method, verb, body in (
        ("PUT", "state", {"state": "disabled"}),
        ("POST", "start", {}),
    ):
        answer = system.call(method, f"{path}/{verb}", body)
        assert (answer.status, answer.body["code"]) == (404, "unknown_module")


def test_a_reason_without_end_is_refused(system: System) -> None:
    system.module("plain")
    system.up("--wait")
    answer = system.call("POST", "/launcher/modules/plain/stop", {"reason": "x" * 100_000})
    assert answer.status == 422
    assert system.record("plain")["actual_state"] == "running"


def test_a_broken_module_is_disabled_in_kite_yaml_and_enabled_again(system: System) -> None:
    folder = system.module("tool")
    system.write(system.project / "kite.yaml", "# mine\n")
    manifest = folder / "module.md"
    sound = manifest.read_text()
    manifest.write_text(sound.replace("---\n", "---\nnonsense: 1\n", 1))
    system.up()
    system.wait_state("tool", "failed")
    answer = system.call("PUT", "/launcher/modules/tool/state?wait=1", {"state": "disabled"})
    assert answer.status == 200
    assert answer.body["file"].endswith("kite.yaml")
    record = system.record("tool")
    assert (record["actual_state"], record["config_state"]) == ("stopped", "disabled")
    assert record["error"] is None
    manifest.write_text(sound)
    system.call("PUT", "/launcher/modules/tool/state?wait=1", {"state": "enabled"})
    assert system.record("tool")["actual_state"] == "running"


def test_a_file_in_place_of_a_data_directory_fails_one_module(system: System) -> None:
    system.module("tool")
    system.module("other")
    place = system.instance_dir / "tool"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    system.up()
    system.wait_state("other", "running")
    system.wait_state("tool", "failed")
    assert str(place) in system.record("tool")["error"]
    place.unlink()
    assert system.call("POST", "/launcher/modules/tool/start?wait=1").status == 200
