"""The verbs that ask the Launcher, against one that says what the test wants."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kite.cli.control import Control
from kite.cli.settle import until_settled
from kite.errors import Unavailable

from .conftest import TOKEN, FakeLauncher, Outcome, problem

Kite = Callable[..., Outcome]


def record(name: str, state: str = "running", **more: Any) -> dict[str, Any]:
    return {"name": name, "actual_state": state, "desired_state": "running", "pid": 7, **more}


def test_ps_json_is_the_document_byte_for_byte(launcher: FakeLauncher, kite: Kite) -> None:
    document = b'{"modules": [ {"name":"web","actual_state":"running","x":"\\u6587"} ]}'
    launcher.answers["GET /launcher/modules"] = (200, document)
    outcome = kite("ps", "--json")
    assert (outcome.status, outcome.out) == (0, document.decode() + "\n")
    assert kite("--json", "ps").out == outcome.out


def test_ps_as_a_table(launcher: FakeLauncher, kite: Kite) -> None:
    launcher.answers["GET /launcher/modules"] = (200, {"modules": [record("web", uptime=4.2)]})
    outcome = kite("ps")
    assert outcome.out.splitlines()[1].split() == [
        *("web", "running", "7", "4", "s", "0", "-", "-")
    ]
    assert f"Authorization: Bearer {TOKEN}" in launcher.heads[0]


def test_ps_names_below_the_table_what_is_left_out(launcher: FakeLauncher, kite: Kite) -> None:
    launcher.answers["GET /launcher/modules"] = (200, {"modules": [record("web")]})
    params = {"name": "web", "first": "/p/modules/web", "second": "/p/modules/other"}
    twice = {"code": "duplicate_module", "params": params, "location": "/p/modules/other/module.md"}
    launcher.answers["GET /launcher"] = (200, {"problems": [twice]})
    outcome = kite("ps")
    assert len(outcome.out.splitlines()) == 2
    assert "/p/modules/web" in outcome.err
    assert "/p/modules/other" in outcome.err
    assert kite("ps", "--json").err == ""
    assert "found and left out: 1" in kite("doctor").out


@pytest.mark.parametrize("ready", [True, False])
def test_waiting_names_what_is_left_out(
    launcher: FakeLauncher, capsys: pytest.CaptureFixture[str], ready: bool
) -> None:
    params = {"name": "shared", "path": "/nowhere"}
    missing = {"code": "source_missing", "params": params, "location": "/p/kite.yaml:2"}
    unready = [] if ready else [record("web", "waiting", waiting_for=["db"])]
    settled = {"settled": True, "ready": ready, "unready": unready, "urls": {}}
    launcher.answers = {
        "GET /launcher": (200, {"phase": "running", "problems": [missing]}),
        "GET /launcher/modules": (200, {"modules": [record("web")]}),
        "GET /launcher/settled": (200, settled),
    }
    control = Control.find(launcher.instance_dir, project="p")
    with contextlib.nullcontext() if ready else pytest.raises(Unavailable):
        until_settled(control, timeout=None, ended=lambda seconds: None)
    assert capsys.readouterr().err.startswith("/p/kite.yaml:2: ")


def test_a_chunked_answer_is_understood(launcher: FakeLauncher, kite: Kite) -> None:
    launcher.answers["GET /launcher/modules"] = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'c\r\n{"modules":[\r\n2\r\n]}\r\n0\r\n\r\n'
    )
    assert kite("ps", "--json").out == '{"modules":[]}\n'


@pytest.mark.parametrize("arguments", [["ps"], ["start", "web"], ["down"], ["rescan"], ["events"]])
def test_not_running_is_3_and_says_what_to_type(
    arguments: list[str], instance_dir: Path, kite: Kite
) -> None:
    outcome = kite(*arguments)
    assert (outcome.status, outcome.out) == (3, "")
    assert "kite is not running in" in outcome.err
    assert "kite up -d" in outcome.err


def test_a_kite_that_runs_above_is_named(
    launcher: FakeLauncher, kite: Kite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever stands in a module's folder of a project without kite.yaml means that Kite."""
    project = Path.cwd()
    below = project / "modules" / "web"
    below.mkdir(parents=True)
    (launcher.instance_dir / ".cwd").write_bytes(os.fsencode(project))
    named = tmp_path / "workspace" / project.name
    named.parent.mkdir()
    named.symlink_to(launcher.instance_dir)
    monkeypatch.delenv("KITE_INSTANCE_DIR")
    monkeypatch.setenv("KITE_WORKSPACE", str(named.parent))
    monkeypatch.chdir(below)
    outcome = kite("ps")
    assert outcome.status == 3
    assert f"kite is not running in {below}, but in {project}" in outcome.err
    assert f"kite -C {project}" in outcome.err
    launcher.write_api(pid=dead_pid())
    assert "but in" not in kite("ps").err


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_a_launcher_that_was_killed_is_3_and_named(launcher: FakeLauncher, kite: Kite) -> None:
    pid = dead_pid()
    launcher.write_api(pid=pid)
    outcome = kite("ps")
    assert outcome.status == 3
    assert f"its process {pid} is gone" in outcome.err


def test_a_launcher_that_does_not_listen_is_3(launcher: FakeLauncher, kite: Kite) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    launcher.write_api(url=f"http://127.0.0.1:{port}")
    outcome = kite("ps")
    assert outcome.status == 3
    assert f"does not answer at http://127.0.0.1:{port}/launcher/modules" in outcome.err
    assert "kite logs launcher" in outcome.err


def test_an_api_file_that_others_may_read_is_not_used(launcher: FakeLauncher, kite: Kite) -> None:
    launcher.api_file.chmod(0o644)
    outcome = kite("ps")
    assert outcome.status == 6
    assert "mode 0644" in outcome.err
    assert launcher.requests == []


def test_an_api_file_that_is_a_link_is_not_used(launcher: FakeLauncher, kite: Kite) -> None:
    real = launcher.api_file.rename(launcher.api_file.with_name("real.json"))
    launcher.api_file.symlink_to(real)
    assert kite("ps").status == 6


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of somebody else")
def test_an_api_file_of_somebody_else_is_not_used(launcher: FakeLauncher, kite: Kite) -> None:
    os.chown(launcher.api_file, 12345, 12345)
    outcome = kite("ps")
    assert outcome.status == 6
    assert "belongs to user 12345" in outcome.err


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"url": "x"}'])
def test_an_api_file_that_is_garbage_is_explained(
    text: str, launcher: FakeLauncher, kite: Kite
) -> None:
    launcher.api_file.write_text(text)
    outcome = kite("ps")
    assert outcome.status == 3
    assert "api.json" in outcome.err


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ((401, problem("unauthorized", 401)), 6, "token"),
        ((503, problem("not_ready", 503, what="the Launcher")), 4, "the Launcher is not ready"),
        ((500, b"oops"), 1, "status 500"),
        (b"garbage\r\n\r\n", 1, "cannot be understood"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", 3, "closed before the answer"),
        (b"", 3, "closed before the answer"),
        ((409, problem("of_the_future", 409)), 1, "about of_the_future"),
    ],
)
def test_what_a_bad_answer_becomes(
    answer: Any, status: int, words: str, launcher: FakeLauncher, kite: Kite
) -> None:
    launcher.answers["GET /launcher/modules"] = answer
    outcome = kite("ps")
    assert (outcome.status, outcome.out) == (status, "")
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_an_error_with_json_is_one_object(launcher: FakeLauncher, kite: Kite) -> None:
    launcher.answers["GET /launcher/modules"] = (503, problem("not_ready", 503, what="it"))
    error = json.loads(kite("ps", "--json").err)
    assert error["code"] == "not_ready"
    assert error["params"]["what"] == "it"


def test_operations_are_all_asked_before_the_first_is_waited_for(
    launcher: FakeLauncher, kite: Kite
) -> None:
    for name in ("a", "b"):
        launcher.answers[f"POST /launcher/modules/{name}/start"] = (200, record(name))
    outcome = kite("start", "a", "b", "a", "--reason", "because")
    assert outcome.status == 0
    assert outcome.out.splitlines() == ["a: running, pid 7", "b: running, pid 7"]
    assert launcher.requests == [f"POST /launcher/modules/{n}/start?wait=1" for n in "ab"]
    assert [json.loads(body) for body in launcher.bodies] == [{"reason": "because"}] * 2


def test_without_waiting(launcher: FakeLauncher, kite: Kite) -> None:
    launcher.answers["POST /launcher/modules/web/stop"] = (202, record("web", "stopping"))
    outcome = kite("stop", "web", "--no-wait")
    assert outcome.out == "web: asked; it is stopping now\n"
    assert launcher.requests == ["POST /launcher/modules/web/stop"]


def test_one_failure_does_not_keep_the_others_from_being_done(
    launcher: FakeLauncher, kite: Kite
) -> None:
    launcher.answers["POST /launcher/modules/good/restart"] = (200, record("good"))
    outcome = kite("restart", "bad", "good")
    assert outcome.status == 1
    assert outcome.out == "good: running, pid 7\n"
    assert "/launcher/modules/bad/restart" in outcome.err


def test_operations_as_json(launcher: FakeLauncher, kite: Kite) -> None:
    launcher.answers["POST /launcher/modules/web/start"] = (200, record("web"))
    assert json.loads(kite("start", "web", "--json").out) == {"modules": [record("web")]}


def test_a_strange_name_stays_one_part_of_the_path(launcher: FakeLauncher, kite: Kite) -> None:
    kite("start", "shutdown?x=1#y")
    assert launcher.requests == ["POST /launcher/modules/shutdown%3Fx%3D1%23y/start?wait=1"]


def test_enable_and_disable_say_what_was_and_where_it_stands(
    launcher: FakeLauncher, kite: Kite
) -> None:
    answer = {"old": "enabled", "new": "disabled", "file": "/p/modules/web/module.md"}
    launcher.answers["PUT /launcher/modules/web/state"] = (200, answer)
    outcome = kite("disable", "web")
    assert outcome.out == "web: enabled before, disabled now, in /p/modules/web/module.md\n"
    assert [json.loads(body) for body in launcher.bodies] == [{"state": "disabled"}]
    launcher.answers["PUT /launcher/modules/web/state"] = (200, {**answer, "old": "disabled"})
    assert kite("disable", "web").out == "web: disabled already\n"
    assert json.loads(kite("disable", "web", "--json").out)["modules"][0]["name"] == "web"


def test_rescan_names_what_changed_and_what_is_wrong(launcher: FakeLauncher, kite: Kite) -> None:
    launcher.answers["POST /launcher/rescan"] = (
        200,
        {"added": ["a"], "changed": [], "removed": ["b", "c"], "errors": {"d": "it is broken"}},
    )
    outcome = kite("rescan")
    assert outcome.out.splitlines() == ["added: a", "removed: b, c"]
    assert outcome.err == "d: it is broken\n"


def test_rescan_tells_mistakes_as_check_does(launcher: FakeLauncher, kite: Kite) -> None:
    key = {"code": "missing_key", "params": {"key": "entry"}, "detail": "in English"}
    odd = {"code": "of_a_newer_kite", "params": {}, "detail": "its own words"}
    here = Path.cwd() / "modules" / "a:b" / "module.md"
    launcher.answers["POST /launcher/rescan"] = (
        200,
        {
            "added": [],
            "changed": [],
            "removed": [],
            "errors": [
                {**key, "location": f"{here}:12"},
                {**key, "location": "/nowhere/module.md"},
                {**odd, "location": "/nowhere/module.md:3"},
                {**key, "location": None},
            ],
        },
    )
    outcome = kite("rescan")
    assert outcome.out == "nothing has changed\n"
    said = [line for line in outcome.err.splitlines() if not line.startswith(" ")]
    assert said == [
        "modules/a:b/module.md:12: the key 'entry' is missing",
        "/nowhere/module.md: the key 'entry' is missing",
        "/nowhere/module.md:3: its own words",
        "the key 'entry' is missing",
    ]


def test_registry_get_prints_text_bare_and_json_whole(launcher: FakeLauncher, kite: Kite) -> None:
    launcher.answers["GET /get/event_hub.metadata.ws_endpoint"] = (200, "ws://127.0.0.1:1/ws")
    assert kite("registry", "get", "event_hub.metadata.ws_endpoint").out == "ws://127.0.0.1:1/ws\n"
    quoted = kite("registry", "get", "event_hub.metadata.ws_endpoint", "--json").out
    assert json.loads(quoted) == "ws://127.0.0.1:1/ws"
    launcher.answers["GET /modules"] = (200, {"modules": []})
    assert json.loads(kite("registry", "get").out) == {"modules": []}
    assert kite("registry", "get", "nothing").status == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frob"], "kite --help"),
        (["strat"], "type kite start"),
        (["ps", "--jsno"], "type --json"),
        (["ps", "web"], "takes no 'web'"),
        (["start"], "lacks NAME"),
        (["logs", "-n", "few"], "a number or 'all'"),
        (["logs", "-n"], "-n lacks a value"),
        (["new", "x", "--runtime", "cobol"], "python, node, binary"),
        (["request", "a.b", "--timeout", "-1"], "a number of seconds above 0"),
        (["request", "a.b", "--timeout", "nan"], "a number of seconds above 0"),
        (["events", "--count", "0"], "a whole number above 0"),
        (["events", "a.>.b"], "'>' may only be the last token"),
        (["pub", "a.*"], "for patterns only"),
        (["pub", "a.b", "{x}"], "is no JSON"),
        (["pub", "a.b", "NaN"], "is no JSON"),
        (["--lang", "fr", "ps"], "en, zh_CN"),
        (["-C", "/nowhere", "ps"], "/nowhere"),
        (["completion", "cmd.exe"], "bash, zsh, fish"),
    ],
)
def test_wrong_use_is_2_and_says_what_would_be_right(
    arguments: list[str], words: str, launcher: FakeLauncher, kite: Kite
) -> None:
    outcome = kite(*arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert words in outcome.err
    assert launcher.requests == []


def test_a_pipe_that_nobody_reads_is_quiet(launcher: FakeLauncher) -> None:
    launcher.answers["GET /launcher/modules"] = (
        200,
        {"modules": [record(f"m{number}") for number in range(5000)]},
    )
    command = f"{sys.executable} -m kite.cli.entry ps | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.splitlines()[0].startswith("NAME")
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


def test_help_and_version(kite: Kite, instance_dir: Path) -> None:
    assert kite().out == kite("--help").out
    assert kite("--version").out.startswith("kite ")
    for verb in ("up", "down", "ps", "logs", "start", "events", "new", "check", "doctor", "bench"):
        outcome = kite(verb, "--help")
        assert outcome.status == 0
        assert f"kite {verb}" in outcome.out
        assert f"  {verb} " in kite("--help").out


def test_module_names_are_completed(launcher: FakeLauncher) -> None:
    launcher.answers["GET /launcher/modules"] = (
        200,
        {"modules": [record("docs_index"), record("docs_watch"), record("web")]},
    )
    done = subprocess.run(
        [sys.executable, "-m", "kite.cli.entry"],
        env={
            **os.environ,
            "_KITE_COMPLETE": "bash_complete",
            "COMP_WORDS": "kite restart docs_watch docs",
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines() == ["plain,docs_index"]


def test_the_bash_script_completes_verbs(launcher: FakeLauncher, tmp_path: Path) -> None:
    program = tmp_path / "kite"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m kite.cli.entry "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(kite completion bash)"; COMP_WORDS=(kite re); COMP_CWORD=1;'
        ' _kite_completion kite re kite; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["restart", "rescan", "request", "registry"]


def test_the_other_shells_have_scripts(kite: Kite, instance_dir: Path) -> None:
    assert "#compdef kite" in kite("completion", "zsh").out
    assert "complete --no-files --command kite" in kite("completion", "fish").out


def test_down_waits_for_the_very_process(launcher: FakeLauncher, kite: Kite) -> None:
    """The fake's pid is that of a process which ends when it is asked to."""
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    launcher.write_api(pid=process.pid)

    def end() -> tuple[int, Any]:
        assert process.stdin
        process.stdin.close()
        return 202, {}

    launcher.answers["POST /launcher/shutdown"] = end
    outcome = kite("down", "--json")
    assert process.wait(5) == 0
    assert (outcome.status, json.loads(outcome.out)) == (0, {"stopped": True, "survivors": []})


def test_in_chinese(launcher: FakeLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher.answers["GET /launcher/modules"] = (200, {"modules": [record("web")]})
    for arguments, words in (
        (["ps"], "运行中"),
        (["--help"], "用法："),
        (["--lang", "en", "--help"], "Usage:"),
        (["strat"], "kite 没有命令“strat”"),
        (["start", "--help"], "启动模块及其依赖"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "kite.cli.entry", *arguments],
            env={**os.environ, "KITE_LANG": "zh_CN"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert words in done.stdout + done.stderr


@pytest.mark.parametrize("heavy", ["asyncio", "msgspec", "rich", "http.client", "ssl", "psutil"])
def test_ps_loads_nothing_heavy(heavy: str, launcher: FakeLauncher) -> None:
    launcher.answers["GET /launcher/modules"] = (200, {"modules": [record("web")]})
    code = (
        "import sys; from kite.cli.entry import run; run(['ps']);"
        f"sys.exit({heavy!r} in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30, stdout=subprocess.DEVNULL)
