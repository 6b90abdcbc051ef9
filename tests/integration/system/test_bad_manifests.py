"""Every kind of mistake in a `module.md`: named under its folder's name, and the others run."""

from __future__ import annotations

import pytest

from kite.testing.system import System

GOOD = 'command: [sh, -c, "echo up; exec sleep 1000"]\nready: {log: up}\n'


def manifest(text: str) -> bytes:
    return f"---\n{text}---\n# words\n".encode()


MISTAKES: dict[str, tuple[bytes, str, str]] = {
    # folder: the file, what the error has to name, a second thing that it has to name
    "no_front_matter": (b"# only words\n", "module.md", "---"),
    "no_end": (b"---\nname: no_end\n", "module.md:1", "no end"),
    "empty": (b"", "module.md", "---"),
    "not_yaml": (manifest("name: [not_yaml\n"), "module.md:", ""),
    "not_a_mapping": (manifest("- name\n"), "module.md", "mapping"),
    "not_utf8": (b"---\nname: not_utf8\ndescription: \xff\xfe\n---\n", "module.md", "UTF-8"),
    "no_name": (manifest(GOOD), "name", ""),
    "bad_name": (manifest("name: Bad Name\n" + GOOD), "Bad Name", "name"),
    "core_name": (manifest("name: registry\n" + GOOD), "registry", ""),
    "operator": (manifest("name: operator\n" + GOOD), "operator", ""),
    "unknown_key": (manifest("name: unknown_key\ncomand: [x]\n" + GOOD), "comand", "command"),
    "twice": (manifest("name: twice\nname: twice\n" + GOOD), "name", "module.md:3"),
    "wrong_type": (manifest("name: wrong_type\nlaunch: {timeout: soon}\n" + GOOD), "soon", "3"),
    "bad_state": (manifest('name: bad_state\nstate: "on"\n' + GOOD), "on", "enabled"),
    "bad_port": (manifest("name: bad_port\npreferred_port: 70000\n" + GOOD), "70000", "3"),
    "no_program": (manifest("name: no_program\n"), "what to run", ""),
    "two_programs": (
        manifest("name: two_programs\nruntime: python\nentry: a.py\n" + GOOD),
        "command",
        "runtime",
    ),
    "bad_runtime": (manifest("name: bad_runtime\nruntime: cobol\nentry: x\n"), "cobol", "python"),
    "bad_regex": (
        manifest('name: bad_regex\ncommand: ["true"]\nready: {log: "("}\n'),
        "(",
        "ready",
    ),
    "two_probes": (
        manifest('name: two_probes\ncommand: ["true"]\nready: {log: a, tcp: 1}\n'),
        "ready",
        "",
    ),
    "bad_pattern": (
        manifest('name: bad_pattern\nevents: {publish: ["a.>.b"]}\n' + GOOD),
        "a.>.b",
        "",
    ),
    "kite_variable": (manifest("name: kite_variable\nenv: {KITE_X: a}\n" + GOOD), "KITE_X", ""),
    "unknown_variable": (
        manifest('name: unknown_variable\ncommand: [echo, "${KITE_NOPE}"]\n'),
        "KITE_NOPE",
        "",
    ),
    "bad_scope": (manifest("name: bad_scope\nscopes: [root]\n" + GOOD), "root", "launcher.control"),
    "bad_signal": (manifest("name: bad_signal\nstop: {signal: SIGNOPE}\n" + GOOD), "SIGNOPE", ""),
    "bad_policy": (manifest("name: bad_policy\nrestart: {policy: maybe}\n" + GOOD), "maybe", ""),
    "missing_one": (manifest("name: missing_one\ndepends_on: [nobody]\n" + GOOD), "nobody", ""),
    "needs_disabled": (manifest("name: needs_disabled\ndepends_on: [off]\n" + GOOD), "off", ""),
    "ring_a": (manifest("name: ring_a\ndepends_on: [ring_b]\n" + GOOD), "ring_b", "ring_a"),
    "ring_b": (manifest("name: ring_b\ndepends_on: [ring_a]\n" + GOOD), "ring_a", "ring_b"),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory):
    with System(tmp_path_factory.mktemp("bad"), extensions=False) as system:
        system.module("good")
        system.module("off", state="disabled")
        for folder, (text, _, _) in MISTAKES.items():
            system.write_manifest(folder, text)
        # `x-` keys are free.
        system.write_manifest("fine", manifest("name: fine\nx-owner: me\n" + GOOD))
        system.up("--wait", status=4)
        yield system


@pytest.mark.parametrize("folder", MISTAKES)
def test_it_is_listed_under_its_folder(running: System, folder: str) -> None:
    _, first, second = MISTAKES[folder]
    record = running.record(folder)
    assert record["actual_state"] == "failed"
    assert record["pid"] is None
    assert record["error_code"]
    assert first in record["error"]
    assert second in record["error"]
    assert record["module_dir"].endswith(f"/modules/{folder}")


def test_the_others_run(running: System) -> None:
    records = running.records()
    assert records["good"]["actual_state"] == records["fine"]["actual_state"] == "running"
    assert set(records) - {"watchdog"} >= {"good", "fine", "off", *MISTAKES}
    # They do not count for max_failed_modules.
    assert running.is_up


def test_starting_one_says_what_is_wrong(running: System) -> None:
    problem = running.act("start", "missing_one", status=409)
    assert problem["code"] == "failed"
    assert "nobody" in problem["detail"]


def test_check_prints_them_all(running: System) -> None:
    """With file and line, and status 2; the same when nothing runs."""
    outcome = running.kite("check", status=2)
    said = outcome.out + outcome.err
    for folder, (_, first, _) in MISTAKES.items():
        assert f"{folder}/module.md" in said, folder
        assert first in said, folder


def test_mending_one_starts_it(running: System) -> None:
    running.write_manifest("unknown_key", manifest("name: unknown_key\n" + GOOD))
    answer = running.call("POST", "/launcher/rescan")
    assert answer.status == 200
    running.wait_state("unknown_key", "running")
    assert running.record("unknown_key")["error"] is None


def test_a_name_found_twice_names_both_places(running: System) -> None:
    running.write_manifest("good_again", manifest("name: good\n" + GOOD))
    answer = running.call("POST", "/launcher/rescan")
    texts = " ".join(str(error) for error in answer.body["errors"])
    assert "modules/good stays in force" in texts
    assert "modules/good_again is left out" in texts
    assert running.record("good")["actual_state"] == "running"


def test_a_broken_kite_yaml_starts_nothing(tmp_path) -> None:
    """Status 2, with file, line and the nearest key."""
    with System(tmp_path) as system:
        system.module("good")
        system.write(system.project / "kite.yaml", "max_failed_modules: 3\nmodulse: {}\n")
        outcome = system.up(status=2)
        assert "kite.yaml:2" in outcome.err
        assert "modules" in outcome.err
        system.wait_nothing_left()
