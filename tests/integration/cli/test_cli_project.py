"""The verbs that need no running Kite: `new`, `check`, `doctor`, `logs`."""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kite.cli.doctor import FAIL, Finding, lines
from kite.cli.new import RUNTIMES, write
from kite.clock import rfc3339
from kite.model.instance_lock import InstanceLock
from kite.model.manifest import read_manifest

from .conftest import Outcome

Kite = Callable[..., Outcome]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_templates_are_valid_manifests(runtime: str, tmp_path: Path) -> None:
    files = write(tmp_path / "modules" / "my-module_2", runtime, "my-module_2")
    manifest = read_manifest(tmp_path / "modules" / "my-module_2" / "module.md")
    assert manifest.name == "my-module_2"
    assert manifest.entry in {file.name for file in files}
    assert all("{{" not in file.read_text() for file in files)
    entry = tmp_path / "modules" / "my-module_2" / str(manifest.entry)
    assert os.access(entry, os.X_OK) is (runtime == "binary")
    assert [each.name for each in (tmp_path / "modules").iterdir()] == ["my-module_2"]


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js")
def test_the_node_template_is_javascript(tmp_path: Path) -> None:
    for file in write(tmp_path / "m", "node", "m"):
        if file.suffix == ".mjs":
            subprocess.run(["node", "--check", str(file)], check=True, timeout=30)


MODULE = "---\nname: web  # mine\ncommand: [./web]\n---\n"


def test_enable_and_disable_write_the_file_while_kite_is_down(
    instance_dir: Path, kite: Kite
) -> None:
    manifest = Path("modules/web/module.md").absolute()
    manifest.parent.mkdir(parents=True)
    manifest.write_text(MODULE)
    off = kite("disable", "web")
    assert (off.status, off.out) == (0, f"web: enabled before, disabled now, in {manifest}\n")
    assert "next start" in off.err
    assert manifest.read_text() == MODULE.replace("mine\n", "mine\nstate: disabled\n")
    assert kite("disable", "web").out == "web: disabled already\n"
    outcome = kite("enable", "web", "watchdog", "--json")
    changes = json.loads(outcome.out)["modules"]
    assert changes[0] == {
        "name": "web", "old": "disabled", "new": "enabled", "file": str(manifest),
    }  # fmt: skip
    assert [change["name"] for change in changes] == ["web", "watchdog"]


def test_what_lies_outside_the_project_is_overridden_while_kite_is_down(
    instance_dir: Path, kite: Kite
) -> None:
    assert kite("disable", "watchdog").out.endswith(f"in {Path('kite.yaml').absolute()}\n")
    assert "watchdog" in Path("kite.yaml").read_text()


def test_the_rules_are_the_same_while_kite_is_down(instance_dir: Path, kite: Kite) -> None:
    assert kite("disable", "registry").status == 6
    assert kite("enable", "registry").status == 0
    assert kite("enable", "nobody").status == 1
    broken = Path("modules/broken/module.md")
    broken.parent.mkdir(parents=True)
    broken.write_text("---\nname: broken\n---\n")
    refused = kite("enable", "broken")
    assert refused.status == 2
    assert "kite check" in refused.err
    assert broken.read_text() == "---\nname: broken\n---\n"
    Path("kite.yaml").write_text("nonsense: 1\n")
    assert kite("disable", "watchdog").status == 2


def test_a_launcher_that_does_not_answer_yet_is_not_written_past(
    instance_dir: Path, kite: Kite
) -> None:
    with InstanceLock.acquire(instance_dir):
        assert kite("disable", "watchdog").status == 3
    assert not Path("kite.yaml").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Hello", "small letter"),
        ("1st", "small letter"),
        ("a" * 65, "small letter"),
        ("../evil", "small letter"),
        ("", "small letter"),
        ("registry", "taken by Kite"),
        ("operator", "taken by Kite"),
        ("logs", "holds the log files"),
    ],
)
def test_new_refuses_what_is_no_name(name: str, words: str, instance_dir: Path, kite: Kite) -> None:
    outcome = kite("new", name)
    assert (outcome.status, outcome.out) == (2, "")
    assert words in outcome.err
    assert not Path("modules").exists()


def test_new_never_overwrites(instance_dir: Path, kite: Kite) -> None:
    assert kite("new", "web").status == 0
    before = Path("modules/web/main.py").read_text()
    Path("modules/web/main.py").write_text(before + "# mine\n")
    outcome = kite("new", "web", "--runtime", "node")
    assert outcome.status == 2
    assert "modules/web" in outcome.err
    assert Path("modules/web/main.py").read_text() == before + "# mine\n"
    assert [each.name for each in Path("modules").iterdir()] == ["web"]


def test_new_refuses_the_name_of_a_module_that_lies_elsewhere(
    instance_dir: Path, kite: Kite
) -> None:
    folder = Path("elsewhere/deep")
    folder.mkdir(parents=True)
    (folder / "module.md").write_text("---\nname: web\ncommand: [sleep, '1']\n---\n")
    Path("kite.yaml").write_text("discovery: {more: {path: elsewhere}}\n")
    outcome = kite("new", "web")
    assert outcome.status == 2
    assert "elsewhere/deep" in outcome.err


def test_the_first_module_makes_the_folder_a_project(
    instance_dir: Path, kite: Kite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the next `kite new` from below belongs to the same project."""
    outcome = kite("new", "web")
    assert "kite.yaml" in outcome.out.splitlines()
    assert kite("check").status == 0
    Path("kite.yaml").write_text("# mine\n")
    monkeypatch.chdir("modules/web")
    made = json.loads(kite("new", "page", "--json").out)
    assert Path(made["folder"]).parts[-2:] == ("modules", "page")
    monkeypatch.chdir("../..")
    assert Path("kite.yaml").read_text() == "# mine\n"
    assert not Path("modules/web/modules").exists()


def test_new_leaves_a_project_without_a_file_as_it_is(instance_dir: Path, kite: Kite) -> None:
    Path("modules").mkdir()
    assert kite("new", "web").status == 0
    assert not Path("kite.yaml").exists()


def test_new_as_json(instance_dir: Path, kite: Kite) -> None:
    made = json.loads(kite("new", "web", "--json").out)
    assert made["name"] == "web"
    assert all(Path(file).is_file() for file in made["files"])


def test_check_prints_every_mistake_with_file_and_line(instance_dir: Path, kite: Kite) -> None:
    for name, text in {
        "one": "---\nname: one\nruntme: python\nentry: 7\n---\n",
        "two": "---\nname: two\ncommand: [true]\nstate: on\n---\n",
        "good": "---\nname: good\ncommand: [sh]\n---\n",
    }.items():
        Path("modules", name).mkdir(parents=True)
        Path("modules", name, "module.md").write_text(text)
    outcome = kite("check")
    assert outcome.status == 2
    for place in ("one/module.md:3:", "one/module.md:4:", "two/module.md:3:", "two/module.md:4:"):
        assert f"modules/{place}" in outcome.out
    assert "runtime" in outcome.out, "the nearest key is named"
    assert "good" not in outcome.out
    found = json.loads(kite("check", "--json").out)["mistakes"]
    assert {(Path(each["file"]).parent.name, each["line"]) for each in found} >= {
        ("one", 3),
        ("two", 4),
    }
    assert all(each["code"] and each["message"] for each in found)


def test_check_is_content_with_an_empty_project(instance_dir: Path, kite: Kite) -> None:
    outcome = kite("check")
    assert (outcome.status, outcome.out) == (0, "")
    assert json.loads(kite("check", "--json").out) == {"mistakes": []}


def test_doctor_finds_this_machine_fit(instance_dir: Path, kite: Kite) -> None:
    outcome = kite("doctor", "--json")
    found = json.loads(outcome.out)
    assert outcome.status == 0
    assert found["healthy"] is True
    assert {"Python", "kernel", "workspace", "disk", "instance", "manifests"} <= {
        each["name"] for each in found["findings"]
    }


def test_doctor_says_what_to_do_about_a_broken_manifest(instance_dir: Path, kite: Kite) -> None:
    Path("modules/web").mkdir(parents=True)
    Path("modules/web/module.md").write_text("no front matter\n")
    outcome = kite("doctor")
    assert outcome.status == 1
    assert "kite check" in outcome.out


def test_doctor_warns_of_a_workspace_that_others_may_write(
    instance_dir: Path, kite: Kite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    workspace.chmod(0o777)
    monkeypatch.setenv("KITE_WORKSPACE", str(workspace))
    outcome = kite("doctor")
    assert f"chmod go-w {workspace}" in outcome.out


def test_doctor_where_node_is_missing(
    instance_dir: Path, kite: Kite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    outcome = kite("doctor", "--json")
    verdicts = {each["name"]: each for each in json.loads(outcome.out)["findings"]}
    assert verdicts["Node.js"]["verdict"] == "warn"
    assert verdicts["Node.js"]["advice"]


def test_findings_line_up() -> None:
    shown = lines([Finding("a", "ok", "fine"), Finding("long", FAIL, "bad", "do it")], color=False)
    assert [line.find("fine") for line in shown[:1]] == [shown[1].find("bad")]
    assert shown[2].find("do it") == shown[1].find("bad")


def log(instance_dir: Path, name: str, *lines: str) -> None:
    folder = instance_dir / "logs"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.log").write_text("".join(f"{line}\n" for line in lines))


def test_logs_are_told_by_time_when_kite_is_down(instance_dir: Path, kite: Kite) -> None:
    at = "2026-01-31T09:05:0{}.000Z"
    log(instance_dir, "web", f"{at.format(1)} = life 1, pid 7", f"{at.format(4)} | served")
    log(instance_dir, "index", f"{at.format(2)} | \x1b[2Jindexed", f"{at.format(3)} ! 文件 bad")
    outcome = kite("logs")
    assert outcome.status == 0
    assert outcome.out.splitlines() == [
        "web   = life 1, pid 7",
        "index | indexed",
        "index | 文件 bad",
        "web   | served",
    ]
    assert kite("logs", "-n", "2").out.splitlines() == ["index | 文件 bad", "web   | served"]
    assert kite("logs", "-n", "0").out == ""
    assert kite("logs", "web", "-t").out.splitlines()[1] == f"{at.format(4)} web | served"
    entries = [json.loads(line) for line in kite("logs", "index", "--json").out.splitlines()]
    assert [entry["stream"] for entry in entries] == ["stdout", "stderr"]
    assert entries[1] == {
        "ts": at.format(3),
        "module": "index",
        "stream": "stderr",
        "text": "文件 bad",
    }


def told(minutes: float) -> str:
    return rfc3339(time.time() - 60 * minutes)


def test_logs_of_a_time(instance_dir: Path, kite: Kite) -> None:
    log(instance_dir, "web", *(f"{told(ago)} | {ago}" for ago in (50, 40, 30, 20, 10)))
    assert kite("logs", "--since", "35m").out.splitlines() == ["web | 30", "web | 20", "web | 10"]
    assert kite("logs", "--since", told(45), "--until", "15m", "-n", "2").out.splitlines() == [
        "web | 30",
        "web | 20",
    ]
    assert kite("logs", "--since", "5m").out == ""


def test_logs_of_a_kind(instance_dir: Path, kite: Kite) -> None:
    log(
        instance_dir,
        "web",
        f"{told(5)} = life 1, pid 7",
        f"{told(4)} | INFO: Served it",
        f"{told(3)} | WARNING: slow",
        f"{told(2)} ! Traceback (most recent call last):",
        f"{told(2)} ! KeyError: 'served'",
    )
    assert kite("logs", "--level", "Warning").out.splitlines() == [
        "web | WARNING: slow",
        "web | Traceback (most recent call last):",
        "web | KeyError: 'served'",
    ]
    assert kite("logs", "-g", "served").out.splitlines() == ["web | KeyError: 'served'"]
    assert len(kite("logs", "-ig", "served").out.splitlines()) == 2
    assert len(kite("logs", "-ivg", "served", "--stream", "stdout").out.splitlines()) == 1
    both = kite("logs", "--stream", "note", "--stream", "stdout", "-n", "3").out.splitlines()
    assert both == ["web = life 1, pid 7", "web | INFO: Served it", "web | WARNING: slow"]
    entries = [json.loads(line) for line in kite("logs", "--json").out.splitlines()]
    assert [entry.get("level") for entry in entries] == [None, "info", "warn", "error", "error"]


def test_logs_of_the_life_before(instance_dir: Path, kite: Kite) -> None:
    lives = [
        line
        for life in (1, 2, 3)
        for line in (
            f"{told(10 - life)} = life {life}, pid {life}",
            f"{told(10 - life)} | {life}",
            f"{told(10 - life)} = life {life}: exit status 1",
        )
    ]
    log(instance_dir, "web", *lives[:-1])  # the third runs
    log(instance_dir, "new", *lives[:2])
    for words in (["-p", "web"], ["--previous"], ["web", "-p"], ["-p", "1", "web"], ["-p1"]):
        shown = kite("logs", *words).out.splitlines()
        assert shown == ["web = life 2, pid 2", "web | 2", "web = life 2: exit status 1"]
    assert kite("logs", "--previous=2", "web", "--stream", "stdout").out == "web | 1\n"
    missing = kite("logs", "-p", "2", "new")
    assert missing.status == 1
    assert "does not reach back" in missing.err
    assert kite("logs", "-p", "0").status == 2
    follows = kite("logs", "-p", "-f")
    assert (follows.status, "--previous" in follows.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--grep", "("], "a regular expression ("),
        (["--level", "loud"], "trace, debug, info, warn, error, fatal"),
        (["--stream", "stdin"], "stdout, stderr, note"),
        (["--since", "soon"], "a duration such as 5m"),
        (["-i"], "--grep"),
        (["-v"], "--grep"),
        (["-f", "--until", "5m"], "--until"),
    ],
)
def test_logs_refuses_what_means_nothing(
    instance_dir: Path, kite: Kite, words: list[str], said: str
) -> None:
    log(instance_dir, "web")
    outcome = kite("logs", *words)
    assert (outcome.status, outcome.out) == (2, "")
    assert said in outcome.err


def test_logs_of_more_modules_than_files_may_be_open(instance_dir: Path, kite: Kite) -> None:
    """With older files, each compressed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in range(40):
        log(instance_dir, f"m{number}", f"{told(1)} | new")
        older = instance_dir / "logs" / f"m{number}.log.1.gz"
        older.write_bytes(gzip.compress(f"{told(2)} | old\n".encode()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        lines = kite("logs").out.splitlines()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [line.split()[-1] for line in lines] == ["old"] * 40 + ["new"] * 40


def test_logs_of_nobody(instance_dir: Path, kite: Kite) -> None:
    log(instance_dir, "web")
    outcome = kite("logs", "wbe")
    assert (outcome.status, outcome.out) == (1, "")
    assert "type web" in outcome.err


def test_logs_where_kite_never_ran(instance_dir: Path, kite: Kite) -> None:
    instance_dir.rmdir()
    outcome = kite("logs")
    assert outcome.status == 3
    assert "never run" in outcome.err


def test_new_names_what_it_cannot_write(instance_dir: Path, kite: Kite) -> None:
    Path("modules").touch()
    refused = kite("new", "rose")
    assert refused.status == 1
    assert "Traceback" not in refused.err
    assert f"'{Path.cwd()}/modules/rose' cannot be written: " in refused.err
